//! One layer's tar stream as a directory in overlayfs form: whiteouts become 0/0 character devices,
//! opaque directories get their attribute. The archive is not trusted.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, makedev, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};
use tar::{Archive, Entry, EntryType};

use super::rootdir::{RootDir, relative, set_xattr};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";
const XATTR_RECORD: &str = "SCHILY.xattr.";

/// Unpacks into an empty directory. `lower`: the layers below, topmost first; directories that the
/// archive implies but does not contain are made like theirs.
pub fn unpack(tar: impl Read, target: &Path, lower: &[PathBuf]) -> io::Result<()> {
    let mut archive = Archive::new(tar);
    let mut unpacker =
        Unpacker { root: RootDir::open(target)?, lower, directory_times: BTreeMap::new(), last_parent: None };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        unpacker
            .entry(&mut entry)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", name.display())))?;
    }
    unpacker.finish()
}

struct Unpacker<'a> {
    root: RootDir,
    lower: &'a [PathBuf],
    /// Set last, as filling a directory changes its time.
    directory_times: BTreeMap<PathBuf, TimeSpec>,
    last_parent: Option<(PathBuf, OwnedFd)>,
}

struct Metadata {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: TimeSpec,
    xattrs: Vec<(String, Vec<u8>)>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let path = relative(&entry.path()?).ok_or_else(|| invalid("path leads out of the layer"))?;
        let metadata = metadata(entry)?;
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            // The root directory itself.
            return self.apply_root(&metadata);
        };
        let parent = path.parent().unwrap_or(Path::new("")).to_owned();
        let dir = self.parent(&parent)?;
        if name.as_bytes() == OPAQUE {
            let readable = self.root.dir(&parent)?;
            return set_xattr(readable.as_fd(), OPAQUE_ATTRIBUTE, b"y");
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.whiteout(dir.as_fd(), OsStr::from_bytes(hidden));
        }
        match kind {
            EntryType::Directory => self.directory(dir.as_fd(), &name, &path, &metadata),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                file(dir.as_fd(), &name, entry, &metadata)
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.ok_or_else(|| invalid("a link without a target"))?;
                replace(dir.as_fd(), &name)?;
                symlinkat(target.as_ref(), &dir, name.as_os_str())?;
                own(dir.as_fd(), &name, &metadata)?;
                set_time(dir.as_fd(), &name, metadata.modified)
            }
            EntryType::Link => {
                let target = entry.link_name()?.ok_or_else(|| invalid("a link without a target"))?;
                self.hard_link(dir.as_fd(), &name, &target)
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                node(dir.as_fd(), &name, kind, entry, &metadata)
            }
            other => Err(invalid(&format!("unknown kind of entry {:?}", other.as_byte() as char))),
        }
    }

    fn apply_root(&mut self, metadata: &Metadata) -> io::Result<()> {
        let root = self.root.dir(Path::new("."))?;
        dress(root.as_fd(), metadata)?;
        self.directory_times.insert(PathBuf::from("."), metadata.modified);
        Ok(())
    }

    /// The directory an entry goes into, made when the archive has no entry for it.
    fn parent(&mut self, path: &Path) -> io::Result<OwnedFd> {
        if let Some((last, fd)) = &self.last_parent
            && last == path
        {
            return fd.try_clone();
        }
        let lower = self.lower;
        let fd = self.root.create_dir_all(path, 0o755, &mut |made, fd| imitate(lower, made, fd))?;
        self.last_parent = Some((path.to_owned(), fd.try_clone()?));
        Ok(fd)
    }

    fn whiteout(&self, dir: BorrowedFd<'_>, hidden: &OsStr) -> io::Result<()> {
        // What this layer itself has under the name stays.
        match mknodat(dir, hidden, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        metadata: &Metadata,
    ) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        if openat(dir, name, flags, Mode::empty()).is_err() {
            replace(dir, name)?;
            mkdirat(dir, name, Mode::S_IRWXU)?;
            self.last_parent = None;
        }
        let made = openat(dir, name, flags, Mode::empty())?;
        dress(made.as_fd(), metadata)?;
        self.directory_times.insert(path.to_owned(), metadata.modified);
        Ok(())
    }

    fn hard_link(&self, dir: BorrowedFd<'_>, name: &OsStr, target: &Path) -> io::Result<()> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "link leads out of the layer");
        let target = relative(target).ok_or_else(invalid)?;
        let target_name: OsString = target.file_name().ok_or_else(invalid)?.to_owned();
        let target_dir = self.root.dir(target.parent().unwrap_or(Path::new("")))?;
        replace(dir, name)?;
        linkat(&target_dir, target_name.as_os_str(), dir, name, LinkatFlags::empty())?;
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        for (path, modified) in self.directory_times.iter().rev() {
            // A directory may have been replaced by a later entry.
            if let Ok(dir) = self.root.dir(path) {
                set_time(dir.as_fd(), OsStr::new("."), *modified)?;
            }
        }
        Ok(())
    }
}

fn metadata<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Metadata> {
    let header = entry.header();
    let number = |value: u64| u32::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    let raw = header.as_old();
    let mut metadata = Metadata {
        mode: if is_empty(&raw.mode) { 0 } else { header.mode()? & 0o7777 },
        uid: if is_empty(&raw.uid) { 0 } else { number(header.uid()?)? },
        gid: if is_empty(&raw.gid) { 0 } else { number(header.gid()?)? },
        modified: TimeSpec::new(if is_empty(&raw.mtime) { 0 } else { header.mtime()? as i64 }, 0),
        xattrs: Vec::new(),
    };
    let Some(extensions) = entry.pax_extensions()? else { return Ok(metadata) };
    for extension in extensions {
        let extension = extension?;
        let Ok(key) = extension.key() else { continue };
        let value = extension.value_bytes();
        let text = || std::str::from_utf8(value).unwrap_or_default();
        match key {
            "mtime" => metadata.modified = time(text()).unwrap_or(metadata.modified),
            "uid" => metadata.uid = text().parse().unwrap_or(metadata.uid),
            "gid" => metadata.gid = text().parse().unwrap_or(metadata.gid),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR_RECORD) {
                    metadata.xattrs.push((name.to_owned(), value.to_vec()));
                }
            }
        }
    }
    Ok(metadata)
}

/// Some writers leave numbers out that are 0.
fn is_empty(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, 0 | b' '))
}

/// `1700000000.123456789`
fn time(text: &str) -> Option<TimeSpec> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(TimeSpec::new(seconds.parse().ok()?, nanoseconds))
}

fn file<R: Read>(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    entry: &mut Entry<'_, R>,
    metadata: &Metadata,
) -> io::Result<()> {
    replace(dir, name)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    io::copy(entry, &mut file)?;
    dress(file.as_fd(), metadata)?;
    set_time(dir, name, metadata.modified)
}

fn node<R: Read>(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    kind: EntryType,
    entry: &Entry<'_, R>,
    metadata: &Metadata,
) -> io::Result<()> {
    let header = entry.header();
    let device = makedev(
        header.device_major()?.unwrap_or_default().into(),
        header.device_minor()?.unwrap_or_default().into(),
    );
    let flag = match kind {
        EntryType::Char => SFlag::S_IFCHR,
        EntryType::Block => SFlag::S_IFBLK,
        _ => SFlag::S_IFIFO,
    };
    replace(dir, name)?;
    // The mask of the process must not matter, so the mode is set afterwards too.
    let mode = Mode::from_bits_truncate(metadata.mode);
    mknodat(dir, name, flag, mode, device)?;
    own(dir, name, metadata)?;
    nix::sys::stat::fchmodat(dir, name, mode, nix::sys::stat::FchmodatFlags::FollowSymlink)?;
    set_time(dir, name, metadata.modified)
}

/// Owner first: changing it clears the set-user-ID bit.
fn dress(fd: BorrowedFd<'_>, metadata: &Metadata) -> io::Result<()> {
    nix::unistd::fchown(fd, Some(Uid::from_raw(metadata.uid)), Some(Gid::from_raw(metadata.gid)))?;
    fchmod(fd, Mode::from_bits_truncate(metadata.mode))?;
    for (name, value) in &metadata.xattrs {
        // overlayfs' own attributes would let an image reach other directories.
        if name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") {
            continue;
        }
        match set_xattr(fd, name, value) {
            // Security modules that this host does not have.
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            other => other?,
        }
    }
    Ok(())
}

fn own(dir: BorrowedFd<'_>, name: &OsStr, metadata: &Metadata) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
    Ok(fchownat(dir, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

fn set_time(dir: BorrowedFd<'_>, name: &OsStr, modified: TimeSpec) -> io::Result<()> {
    Ok(utimensat(dir, name, &modified, &modified, UtimensatFlags::NoFollowSymlink)?)
}

/// Removes what an earlier entry of the same archive put there.
fn replace(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EISDIR) => {
            // A path through the directory's descriptor: nothing in it can be followed elsewhere, as
            // remove_dir_all does not follow links.
            let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
            std::fs::remove_dir_all(path)
        }
        Err(e) => Err(e.into()),
    }
}

/// Gives an implied directory the owner and mode it has in the layers below.
fn imitate(lower: &[PathBuf], path: &Path, made: BorrowedFd<'_>) {
    let found = lower.iter().find_map(|layer| std::fs::symlink_metadata(layer.join(path)).ok());
    let Some(meta) = found.filter(std::fs::Metadata::is_dir) else { return };
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    let _ = nix::unistd::fchown(made, Some(uid), Some(gid));
    let _ = fchmod(made, Mode::from_bits_truncate(meta.mode() & 0o7777));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use tar::{Builder, Header};

    use super::*;

    struct Layer(Builder<Vec<u8>>);

    impl Layer {
        fn new() -> Self {
            Self(Builder::new(Vec::new()))
        }

        fn add(&mut self, path: &str, kind: EntryType, mode: u32, body: &str, link: Option<&str>) {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(7);
            header.set_gid(8);
            header.set_mtime(1_600_000_000);
            header.set_size(body.len() as u64);
            // `set_path` refuses what an attacker would write.
            let name = header.as_old_mut();
            name.name[..path.len()].copy_from_slice(path.as_bytes());
            if let Some(link) = link {
                header.set_link_name(link).unwrap();
            }
            header.set_cksum();
            self.0.append(&header, body.as_bytes()).unwrap();
        }

        fn unpack(self) -> (tempfile::TempDir, io::Result<()>) {
            let dir = tempfile::tempdir().unwrap();
            let done = unpack(&self.0.into_inner().unwrap()[..], dir.path(), &[]);
            (dir, done)
        }
    }

    #[test]
    fn entries_keep_their_metadata() {
        let mut layer = Layer::new();
        layer.add("usr/", EntryType::Directory, 0o711, "", None);
        layer.add("usr/su", EntryType::Regular, 0o4755, "root", None);
        layer.add("usr/hard", EntryType::Link, 0o4755, "", Some("usr/su"));
        layer.add("usr/soft", EntryType::Symlink, 0o777, "", Some("/anywhere"));
        layer.add("gone/.wh.file", EntryType::Regular, 0o600, "", None);
        layer.add("opaque/.wh..wh..opq", EntryType::Regular, 0o600, "", None);
        let (dir, done) = layer.unpack();
        done.unwrap();
        let su = std::fs::metadata(dir.path().join("usr/su")).unwrap();
        assert_eq!((su.mode() & 0o7777, su.uid(), su.gid(), su.mtime()), (0o4755, 7, 8, 1_600_000_000));
        assert_eq!(su.nlink(), 2);
        let usr = std::fs::metadata(dir.path().join("usr")).unwrap();
        assert_eq!((usr.permissions().mode() & 0o777, usr.mtime()), (0o711, 1_600_000_000));
        let whiteout = std::fs::symlink_metadata(dir.path().join("gone/file")).unwrap();
        assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    }

    #[test]
    fn nothing_is_written_outside() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        let mut layer = Layer::new();
        layer.add("link", EntryType::Symlink, 0o777, "", Some(target));
        layer.add("link/evil", EntryType::Regular, 0o644, "x", None);
        let (dir, _) = layer.unpack();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        drop(dir);
        let mut layer = Layer::new();
        layer.add("../evil", EntryType::Regular, 0o644, "x", None);
        let (_, done) = layer.unpack();
        assert!(done.unwrap_err().to_string().contains("leads out"));
    }

    #[test]
    fn later_entries_replace_earlier_ones() {
        let mut layer = Layer::new();
        layer.add("a/b", EntryType::Regular, 0o644, "x", None);
        layer.add("a", EntryType::Symlink, 0o777, "", Some("/etc"));
        let (dir, done) = layer.unpack();
        done.unwrap();
        assert!(dir.path().join("a").is_symlink());
    }
}
