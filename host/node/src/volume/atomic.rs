//! Replaces a volume's files all at once, as kubelet's atomic writer lays them out:
//! `NAME -> ..data/NAME`, `..data -> ..TIMESTAMP`, and the files in `..TIMESTAMP/`.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use super::content::{File, Payload};

const DATA: &str = "..data";
const DATA_NEXT: &str = "..data_tmp";

/// Does nothing when the volume already holds exactly this.
pub fn write(root: &Path, payload: &Payload, group: Option<u32>) -> io::Result<()> {
    let before = fs::read_link(root.join(DATA)).ok();
    if before.is_some() && holds(&root.join(DATA), payload)? {
        return Ok(());
    }
    let next = format!("..{}", jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S.%9f"));
    write_files(&root.join(&next), payload, group)?;
    let link = root.join(DATA_NEXT);
    let _ = fs::remove_file(&link);
    symlink(&next, &link)?;
    // The one step that readers see.
    fs::rename(&link, root.join(DATA))?;
    link_names(root, payload)?;
    remove_leftovers(root, &next, payload)
}

fn write_files(dir: &Path, payload: &Payload, group: Option<u32>) -> io::Result<()> {
    make_dir(dir, group)?;
    for (path, file) in payload {
        let target = dir.join(path);
        if let Some(parent) = target.parent().filter(|p| *p != dir) {
            make_dir(parent, group)?;
        }
        fs::write(&target, &file.bytes)?;
        chown(&target, file.owner, group)?;
        fs::set_permissions(&target, Permissions::from_mode(mode(file, group)))?;
    }
    Ok(())
}

fn make_dir(dir: &Path, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    if group.is_some() {
        chown(dir, None, group)?;
        fs::set_permissions(dir, Permissions::from_mode(0o2775))?;
    }
    Ok(())
}

/// With an `fsGroup`, the group may read what the owner may.
fn mode(file: &File, group: Option<u32>) -> u32 {
    if group.is_some() { file.mode | 0o440 } else { file.mode }
}

fn holds(dir: &Path, payload: &Payload) -> io::Result<bool> {
    let mut files = BTreeSet::new();
    list(dir, "", &mut files)?;
    if !files.iter().eq(payload.keys()) {
        return Ok(false);
    }
    for (path, file) in payload {
        let target = dir.join(path);
        let wanted = file.mode & 0o7777;
        if fs::read(&target)? != file.bytes || fs::metadata(&target)?.mode() & wanted != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list(dir: &Path, prefix: &str, out: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), out)?;
        } else {
            out.insert(name);
        }
    }
    Ok(())
}

fn top_level(payload: &Payload) -> BTreeSet<&str> {
    payload.keys().map(|path| path.split('/').next().unwrap_or(path)).collect()
}

fn link_names(root: &Path, payload: &Payload) -> io::Result<()> {
    for name in top_level(payload) {
        let link = root.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    Ok(())
}

fn remove_leftovers(root: &Path, current: &str, payload: &Payload) -> io::Result<()> {
    let wanted = top_level(payload);
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == DATA || name == current || wanted.contains(name.as_str()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { bytes: text.into(), mode: 0o644, owner: None }
    }

    #[test]
    fn replaces_everything_at_once() {
        let root = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(root.path().join(name)).ok();
        let first = Payload::from([("a".into(), file("1")), ("d/b".into(), file("2"))]);
        write(root.path(), &first, None).unwrap();
        let generation = fs::read_link(root.path().join(DATA)).unwrap();
        assert_eq!((read("a"), read("d/b")), (Some("1".into()), Some("2".into())));

        write(root.path(), &first, None).unwrap();
        assert_eq!(fs::read_link(root.path().join(DATA)).unwrap(), generation, "nothing changed");

        write(root.path(), &Payload::from([("a".into(), file("3"))]), None).unwrap();
        assert_eq!((read("a"), read("d/b")), (Some("3".into()), None));
        assert!(!root.path().join(generation).exists());
        assert_eq!(fs::read_link(root.path().join("a")).unwrap(), Path::new("..data/a"));
    }
}
