//! The roots of volumes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::mounts;

/// An `emptyDir`: writable by all, owned by `group` when the pod has an `fsGroup`.
pub fn empty(path: &Path, memory: bool, size_limit: Option<i64>, group: Option<u32>) -> Result<(), String> {
    if path.exists() && (!memory || mounts::is_mounted(path)?) {
        return Ok(());
    }
    make(path, 0o777)?;
    if memory {
        let size = size_limit.map(|bytes| format!("size={bytes}"));
        mount_tmpfs(path, size.as_deref())?;
        set_mode(path, 0o777)?;
    }
    if let Some(group) = group {
        chown(path, None, Some(group)).map_err(|e| told("chown", path, &e))?;
        set_mode(path, 0o2777)?;
    }
    Ok(())
}

/// The root of files made from objects; what is confidential stays off the disk.
pub fn content(path: &Path, confidential: bool) -> Result<(), String> {
    make(path, 0o755)?;
    if confidential && !mounts::is_mounted(path)? {
        mount_tmpfs(path, None)?;
        set_mode(path, 0o755)?;
    }
    Ok(())
}

fn make(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|e| told("create", path, &e))?;
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|e| told("chmod", path, &e))
}

fn mount_tmpfs(path: &Path, options: Option<&str>) -> Result<(), String> {
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, options)
        .map_err(|e| told("mount tmpfs at", path, &e))
}

fn told(verb: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{verb} {}: {error}", path.display())
}

/// Checks a `hostPath` against its type, and makes it where the type asks for that.
pub fn host_path(path: &Path, kind: &str) -> Result<(), String> {
    let found = fs::metadata(path).ok().map(|m| m.file_type());
    let fails = |what: &str| Err(format!("hostPath type check failed: {} is not {what}", path.display()));
    match kind {
        "" => Ok(()),
        "DirectoryOrCreate" if found.is_none() => make(path, 0o755),
        "FileOrCreate" if found.is_none() => {
            fs::File::create(path).map_err(|e| told("create", path, &e))?;
            set_mode(path, 0o644)
        }
        "Directory" | "DirectoryOrCreate" if !found.is_some_and(|t| t.is_dir()) => fails("a directory"),
        "File" | "FileOrCreate" if !found.is_some_and(|t| t.is_file()) => fails("a file"),
        "Socket" if !found.is_some_and(|t| t.is_socket()) => fails("a socket file"),
        "CharDevice" if !found.is_some_and(|t| t.is_char_device()) => fails("a character device"),
        "BlockDevice" if !found.is_some_and(|t| t.is_block_device()) => fails("a block device"),
        "Directory" | "DirectoryOrCreate" | "File" | "FileOrCreate" | "Socket" | "CharDevice"
        | "BlockDevice" => Ok(()),
        other => Err(format!("{other} is an invalid volume type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_path_types_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        assert!(host_path(&path, "Directory").unwrap_err().ends_with("is not a directory"));
        host_path(&path, "DirectoryOrCreate").unwrap();
        host_path(&path, "Directory").unwrap();
        assert!(host_path(&path, "File").unwrap_err().ends_with("is not a file"));
        assert!(host_path(&path, "Nope").is_err());
    }

    #[test]
    fn an_empty_dir_is_writable_by_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v");
        empty(&path, false, None, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o777);
    }
}
