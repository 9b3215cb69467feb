//! What is mounted on this machine, and the safe removal of trees that may hold mounts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

const MOUNT_TABLE: &str = "/proc/self/mountinfo";

pub fn is_mounted(path: &Path) -> Result<bool, String> {
    let all = fs::read_to_string(MOUNT_TABLE).map_err(|e| format!("read {MOUNT_TABLE}: {e}"))?;
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    Ok(mount_points(&all).any(|point| point == path))
}

/// Unmounts everything at and below `tree`, then deletes it. Refuses to delete through a mount that
/// stays: it may be a user's own directory.
pub fn remove_tree(tree: &Path) -> io::Result<()> {
    let Ok(tree) = tree.canonicalize() else { return Ok(()) };
    for point in below(&tree)?.iter().rev() {
        umount2(point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    if let Some(point) = below(&tree)?.first() {
        return Err(io::Error::other(format!("still mounted: {}", point.display())));
    }
    match fs::remove_dir_all(&tree) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Mount points at or below `tree`, in the order they were made.
fn below(tree: &Path) -> io::Result<Vec<PathBuf>> {
    let all = fs::read_to_string(MOUNT_TABLE)?;
    Ok(mount_points(&all).filter(|point| point.starts_with(tree)).collect())
}

fn mount_points(table: &str) -> impl Iterator<Item = PathBuf> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(|field| PathBuf::from(unescape(field)))
}

/// The kernel writes space, tab, newline and backslash as `\ooo`.
fn unescape(field: &str) -> String {
    let mut out = String::new();
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_escaped_mount_points() {
        let table = "36 35 98:0 / /a\\040b rw - ext3 /dev/root rw\n37 36 0:1 / /c rw - tmpfs x rw\n";
        let points: Vec<_> = mount_points(table).collect();
        assert_eq!(points, [PathBuf::from("/a b"), PathBuf::from("/c")]);
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        remove_tree(Path::new("/nonexistent/tree")).unwrap();
    }
}
