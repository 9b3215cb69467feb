//! The `storage` import: the directories that a call was handed, and paths below them.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};

use crate::calls::csi::{Code, Entry, Error, LARGEST_FILE, Lent, MOST_ENTRIES, Usage, VolumeDirectory};
use crate::worlds::bindings::csi::orch::csi::{storage, types};
use crate::worlds::{HostState, waiting};

/// What a driver holds for the length of a call.
pub struct Directory(Arc<dyn VolumeDirectory>);

impl Directory {
    pub(super) fn new(directory: Lent) -> Self {
        Directory(directory)
    }
}

type Handle = Resource<Directory>;

impl HostState<ResourceTable> {
    fn directory(&self, handle: &Handle) -> Result<Lent, Error> {
        let directory = self.extra.get(handle);
        let directory = directory.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        Ok(directory.0.clone())
    }

    /// The directory, once the path is known to stay below it.
    fn below(&self, handle: &Handle, path: &str) -> Result<Lent, Error> {
        check_path(path)?;
        self.directory(handle)
    }
}

/// Names joined by `/`, or nothing.
fn check_path(path: &str) -> Result<(), Error> {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains('\0');
    if path.is_empty() || (path.len() <= 1024 && path.split('/').all(is_name)) {
        return Ok(());
    }
    let start: String = path.chars().take(64).collect();
    Err(Error::new(
        Code::InvalidArgument,
        format!("{start:?} is no path below the directory: names joined by /, without . and .."),
    ))
}

fn too_large(what: String) -> Error {
    Error::new(Code::OutOfRange, what)
}

impl types::Host for HostState<ResourceTable> {}
impl storage::Host for HostState<ResourceTable> {}

impl storage::HostDirectory for HostState<ResourceTable> {
    async fn make_directory(&mut self, handle: Handle, path: String) -> Result<(), Error> {
        let directory = self.below(&handle, &path)?;
        waiting(&self.clock.meter, directory.make_directory(&path)).await
    }

    async fn remove(&mut self, handle: Handle, path: String) -> Result<(), Error> {
        let directory = self.below(&handle, &path)?;
        waiting(&self.clock.meter, directory.remove(&path)).await
    }

    async fn entries(&mut self, handle: Handle, path: String) -> Result<Vec<Entry>, Error> {
        let directory = self.below(&handle, &path)?;
        let entries = waiting(&self.clock.meter, directory.entries(&path)).await?;
        if entries.len() > MOST_ENTRIES {
            return Err(too_large(format!("{path:?} has more than {MOST_ENTRIES} entries")));
        }
        Ok(entries)
    }

    async fn read(&mut self, handle: Handle, path: String) -> Result<Vec<u8>, Error> {
        let directory = self.below(&handle, &path)?;
        let contents = waiting(&self.clock.meter, directory.read(&path)).await?;
        if contents.len() > LARGEST_FILE {
            return Err(too_large(format!("{path:?} has more than {LARGEST_FILE} bytes")));
        }
        Ok(contents)
    }

    async fn write(&mut self, handle: Handle, path: String, contents: Vec<u8>) -> Result<(), Error> {
        let directory = self.below(&handle, &path)?;
        if contents.len() > LARGEST_FILE {
            return Err(too_large(format!("{path:?} may have {LARGEST_FILE} bytes")));
        }
        waiting(&self.clock.meter, directory.write(&path, &contents)).await
    }

    async fn copy(
        &mut self,
        handle: Handle,
        path: String,
        target: Handle,
        target_path: String,
    ) -> Result<(), Error> {
        let directory = self.below(&handle, &path)?;
        let target = self.below(&target, &target_path)?;
        waiting(&self.clock.meter, directory.copy(&path, &*target, &target_path)).await
    }

    async fn usage(&mut self, handle: Handle, path: String) -> Result<Usage, Error> {
        let directory = self.below(&handle, &path)?;
        waiting(&self.clock.meter, directory.usage(&path)).await
    }

    async fn bind_mount(
        &mut self,
        handle: Handle,
        path: String,
        target: Handle,
        read_only: bool,
    ) -> Result<(), Error> {
        let directory = self.below(&handle, &path)?;
        let target = self.directory(&target)?;
        waiting(&self.clock.meter, directory.bind_mount(&path, &*target, read_only)).await
    }

    async fn unmount(&mut self, handle: Handle) -> Result<(), Error> {
        let directory = self.directory(&handle)?;
        waiting(&self.clock.meter, directory.unmount()).await
    }

    async fn is_mounted(&mut self, handle: Handle) -> Result<bool, Error> {
        let directory = self.directory(&handle)?;
        waiting(&self.clock.meter, directory.is_mounted()).await
    }

    // The host owns the directories and lends them: a driver never has one to drop.
    async fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        let long = "x".repeat(256);
        let deep = ["x"; 600].join("/");
        for path in
            ["..", "../x", "a/..", "a/../b", "/", "/etc", "a//b", ".", "./a", "a/", "a\0b", &long, &deep]
        {
            assert_eq!(check_path(path).unwrap_err().code, Code::InvalidArgument, "{path:?}");
        }
        for path in ["", "a", "a/b.c/d", "...", "..a", "a\\b", "ü"] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
    }
}
