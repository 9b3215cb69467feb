//! File operations below a directory whose content is not trusted: every path is resolved as if that
//! directory were `/`, so that no symbolic link leads out of it.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};

/// No configuration file of an image is larger, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

pub struct RootDir {
    fd: OwnedFd,
}

impl RootDir {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { fd: nix::fcntl::open(path, flags, Mode::empty())? })
    }

    /// A directory below, usable for the `*at` calls.
    pub fn dir(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
    }

    /// Anything below, not opened for reading; symbolic links are followed.
    pub fn locate(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(path, OFlag::O_PATH)
    }

    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = File::from(self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut content = Vec::new();
        file.take(FILE_LIMIT).read_to_end(&mut content)?;
        Ok(content)
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // EAGAIN: something was renamed meanwhile.
        loop {
            match openat2(&self.fd, path, how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                other => return other.map_err(io::Error::from),
            }
        }
    }

    /// Makes a directory and its missing parents; `made` is told of each new one.
    pub fn create_dir_all(
        &self,
        path: &Path,
        mode: u32,
        made: &mut dyn FnMut(&Path, BorrowedFd<'_>),
    ) -> io::Result<OwnedFd> {
        match self.dir(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let parent = match path.parent() {
            Some(parent) if path.file_name().is_some() => self.create_dir_all(parent, mode, made)?,
            _ => return self.dir(Path::new(".")),
        };
        let name = path.file_name().unwrap_or(OsStr::new("."));
        match mkdirat(&parent, name, Mode::from_bits_truncate(mode)) {
            Ok(()) => {}
            // A dangling link in the way is refused by the next step.
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(e.into()),
        }
        let dir = self.dir(path)?;
        made(path, dir.as_fd());
        Ok(dir)
    }
}

/// A path from an archive or an image as one below the root: `./a/b`, `/a/b` → `a/b`. `..` is refused.
pub fn relative(path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => relative.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(relative)
}

/// Sets an extended attribute of an open file or directory.
pub fn set_xattr(fd: BorrowedFd<'_>, name: &str, value: &[u8]) -> io::Result<()> {
    let name = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the name ends with a zero byte, the value is given with its length; both outlive the call.
    let done =
        unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_do_not_lead_out() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/passwd"), "inside").unwrap();
        std::os::unix::fs::symlink("../../../../secret", root.join("up")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("absolute")).unwrap();
        let root = RootDir::open(&root).unwrap();
        assert!(root.read(Path::new("up")).is_err());
        assert_eq!(root.read(Path::new("absolute")).unwrap(), b"inside");
    }

    #[test]
    fn archive_paths_are_made_relative() {
        assert_eq!(relative(Path::new("./a/./b")), Some("a/b".into()));
        assert_eq!(relative(Path::new("/a")), Some("a".into()));
        assert_eq!(relative(Path::new("a/../../b")), None);
    }
}
