//! A container's root: its image's layers and a directory of its own, put together by overlayfs.

use std::io;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// Runs in a thread that dies afterwards, so that what it changes about itself (working directory,
/// namespaces) touches nobody else.
pub fn on_own_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("thread panicked")))
}

/// `layers`: names of directories in `layers_dir`, bottom first. `dir` has `upper`, `work` and `rootfs`.
/// `flags`: for the mount as a whole.
pub fn mount_overlay(layers_dir: &Path, layers: &[String], dir: &Path, flags: MsFlags) -> io::Result<()> {
    let (layers_dir, target) = (layers_dir.to_owned(), dir.join(crate::container::ROOTFS));
    let options = options(layers, dir);
    on_own_thread("mount", move || {
        // Relative names keep the options below the one page the kernel takes; the working directory
        // must then be this thread's own.
        unshare(CloneFlags::CLONE_FS)?;
        std::env::set_current_dir(&layers_dir)?;
        Ok(mount(Some("overlay"), &target, Some("overlay"), flags, Some(options.as_str()))?)
    })
}

fn options(layers: &[String], dir: &Path) -> String {
    let own = |name: &str| escape(&dir.join(name));
    let lower: Vec<String> = match layers {
        // An image without files still needs something below.
        [] => vec![own("empty")],
        layers => layers.iter().rev().cloned().collect(),
    };
    format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), own("upper"), own("work"))
}

fn escape(path: &Path) -> String {
    let mut escaped = String::new();
    for c in path.display().to_string().chars() {
        if matches!(c, '\\' | ',' | ':') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// No error when nothing is mounted there.
pub fn unmount(path: &Path) {
    while umount2(path, MntFlags::MNT_DETACH).is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_layer_comes_first() {
        let layers = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            options(&layers, Path::new("/d,x")),
            "lowerdir=b:a,upperdir=/d\\,x/upper,workdir=/d\\,x/work"
        );
    }
}
