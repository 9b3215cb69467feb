//! Directories in memory, for a driver's own tests.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Answer, Code, Directory, Entry, Error, Usage};

/// Handles that are clones of one another are one directory.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By path; `None` is a directory.
    entries: BTreeMap<String, Option<Vec<u8>>>,
    mounted: Option<Mount>,
}

/// What a directory shows in its own stead.
#[derive(Debug, Clone)]
pub struct Mount {
    pub source: Memory,
    pub path: String,
    pub read_only: bool,
}

const LARGEST: usize = 64 << 10;

/// Whether they are one directory, not whether the same is in them.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Memory {}

impl Memory {
    pub fn new() -> Self {
        Memory::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn mounted(&self) -> Option<Mount> {
        self.state().mounted.clone()
    }

    /// All that is in it, by path; `None` is a directory.
    pub fn tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        self.state().entries.clone()
    }

    /// Every file, by path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.tree().into_iter().filter_map(|(path, file)| Some((path, file?))).collect()
    }

    fn below(&self, path: &str) -> Vec<(String, Option<Vec<u8>>)> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let state = self.state();
        let below = state.entries.iter().filter_map(|(known, file)| {
            let rest = if known == path { Some("") } else { known.strip_prefix(&prefix) };
            rest.map(|rest| (rest.to_string(), file.clone()))
        });
        below.collect()
    }

    fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || matches!(self.state().entries.get(path), Some(None))
    }
}

fn error(code: Code, message: &str, path: &str) -> Error {
    Error::new(code, format!("{path:?}: {message}"))
}

/// As the host does it: names joined by `/`.
fn check(path: &str) -> Answer<()> {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains('\0');
    match path.is_empty() || (path.len() <= 1024 && path.split('/').all(is_name)) {
        true => Ok(()),
        false => Err(error(Code::InvalidArgument, "not a path below the directory", path)),
    }
}

fn memory(directory: &dyn Directory) -> Answer<&Memory> {
    let any: &dyn Any = directory;
    any.downcast_ref().ok_or_else(|| Error::new(Code::Internal, "not a directory of the fake"))
}

impl Directory for Memory {
    fn make_directory(&self, path: &str) -> Answer<()> {
        check(path)?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for parent in ends.map(|end| &path[..end]).filter(|parent| !parent.is_empty()) {
            let mut state = self.state();
            if let Some(_file) = state.entries.entry(parent.into()).or_insert(None) {
                return Err(error(Code::FailedPrecondition, "a file is there", parent));
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> Answer<()> {
        check(path)?;
        let prefix = format!("{path}/");
        let is_in = |known: &str| path.is_empty() || known == path || known.starts_with(&prefix);
        self.state().entries.retain(|known, _| !is_in(known));
        Ok(())
    }

    fn entries(&self, path: &str) -> Answer<Vec<Entry>> {
        check(path)?;
        if !self.is_directory(path) {
            return Err(error(Code::NotFound, "no such directory", path));
        }
        let direct = self.below(path).into_iter().filter(|(name, _)| !name.is_empty() && !name.contains('/'));
        let entry = |(name, file): (String, Option<Vec<u8>>)| Entry {
            name,
            is_directory: file.is_none(),
            size_bytes: file.map_or(0, |contents| contents.len() as u64),
        };
        Ok(direct.map(entry).collect())
    }

    fn read(&self, path: &str) -> Answer<Vec<u8>> {
        check(path)?;
        match self.state().entries.get(path) {
            Some(Some(contents)) => Ok(contents.clone()),
            Some(None) => Err(error(Code::FailedPrecondition, "a directory", path)),
            None => Err(error(Code::NotFound, "no such file", path)),
        }
    }

    fn write(&self, path: &str, contents: &[u8]) -> Answer<()> {
        check(path)?;
        if contents.len() > LARGEST {
            return Err(error(Code::OutOfRange, "more than 64 KiB", path));
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if path.is_empty() || self.is_directory(path) {
            return Err(error(Code::FailedPrecondition, "a directory", path));
        }
        if !self.is_directory(parent) {
            return Err(error(Code::NotFound, "no such directory", parent));
        }
        self.state().entries.insert(path.into(), Some(contents.into()));
        Ok(())
    }

    fn copy(&self, path: &str, target: &dyn Directory, target_path: &str) -> Answer<()> {
        check(path)?;
        check(target_path)?;
        let target = memory(target)?;
        let found = self.below(path);
        if found.is_empty() && !path.is_empty() {
            return Err(error(Code::NotFound, "nothing to copy", path));
        }
        target.remove(target_path)?;
        target.make_directory(target_path)?;
        for (rest, file) in found {
            let place = [target_path, rest.as_str()].into_iter().filter(|part| !part.is_empty());
            let place = place.collect::<Vec<_>>().join("/");
            if !place.is_empty() {
                target.state().entries.insert(place, file);
            }
        }
        Ok(())
    }

    fn usage(&self, path: &str) -> Answer<Usage> {
        check(path)?;
        let found = self.below(path);
        let used_bytes =
            found.iter().filter_map(|(_, file)| file.as_ref()).map(|file| file.len() as u64).sum();
        let (total_bytes, total_inodes, used_inodes) = (1 << 30, 1 << 16, found.len() as u64);
        let (available_bytes, available_inodes) = (total_bytes - used_bytes, total_inodes - used_inodes);
        Ok(Usage { used_bytes, available_bytes, total_bytes, used_inodes, available_inodes, total_inodes })
    }

    fn bind_mount(&self, path: &str, target: &dyn Directory, read_only: bool) -> Answer<()> {
        check(path)?;
        if !self.is_directory(path) {
            return Err(error(Code::NotFound, "no such directory", path));
        }
        let target = memory(target)?;
        match target.mounted() {
            Some(mount) if mount.source == *self && mount.path == path && mount.read_only == read_only => {
                Ok(())
            }
            Some(_) => Err(error(Code::AlreadyExists, "something else is mounted there", path)),
            None => {
                let mount = Mount { source: self.clone(), path: path.into(), read_only };
                target.state().mounted = Some(mount);
                Ok(())
            }
        }
    }

    fn unmount(&self) -> Answer<()> {
        self.state().mounted = None;
        Ok(())
    }

    fn is_mounted(&self) -> Answer<bool> {
        Ok(self.mounted().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(answer: Answer<T>) -> Code {
        answer.unwrap_err().code
    }

    #[test]
    fn files_are_where_they_were_put() {
        let directory = Memory::new();
        directory.make_directory("a/b").unwrap();
        directory.make_directory("a/b").unwrap();
        directory.write("a/b/c", b"x").unwrap();
        directory.write("ab", b"yy").unwrap();
        let names = |path: &str| -> Vec<(String, bool)> {
            let entries = directory.entries(path).unwrap();
            entries.into_iter().map(|entry| (entry.name, entry.is_directory)).collect()
        };
        assert_eq!(names(""), [("a".into(), true), ("ab".into(), false)]);
        assert_eq!(names("a/b"), [("c".into(), false)]);
        assert_eq!(directory.usage("").unwrap().used_bytes, 3);
        let copy = Memory::new();
        directory.copy("a", &copy, "there").unwrap();
        assert_eq!(copy.read("there/b/c").unwrap(), b"x");
        directory.remove("a").unwrap();
        directory.remove("a").unwrap();
        assert_eq!(directory.files().into_keys().collect::<Vec<_>>(), ["ab"]);
        assert_eq!(code(directory.read("a/b/c")), Code::NotFound);
        assert_eq!(code(directory.write("a/b/c", b"")), Code::NotFound);
        assert_eq!(code(directory.write("big", &vec![0; LARGEST + 1])), Code::OutOfRange);
        assert_eq!(code(directory.make_directory("ab/c")), Code::FailedPrecondition);
    }

    #[test]
    fn paths_stay_below() {
        let directory = Memory::new();
        for path in ["..", "../x", "a/../b", "/etc", "a//b", ".", "a/", "\0"] {
            assert_eq!(code(directory.write(path, b"")), Code::InvalidArgument, "{path:?}");
            assert_eq!(code(directory.read(path)), Code::InvalidArgument, "{path:?}");
        }
    }

    #[test]
    fn one_place_shows_one_thing() {
        let (one, other, target) = (Memory::new(), Memory::new(), Memory::new());
        one.bind_mount("", &target, false).unwrap();
        one.bind_mount("", &target, false).unwrap();
        assert_eq!(code(other.bind_mount("", &target, false)), Code::AlreadyExists);
        assert_eq!(code(one.bind_mount("data", &other, false)), Code::NotFound);
        assert!(target.is_mounted().unwrap());
        target.unmount().unwrap();
        target.unmount().unwrap();
        assert!(!target.is_mounted().unwrap());
    }
}
