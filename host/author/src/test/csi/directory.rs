//! The SDK's directories in memory, as the host lends directories.

use std::any::Any;

use async_trait::async_trait;
use orch_plugin::calls::csi::{Code, Entry, Error, Usage, VolumeDirectory};
use orch_sdk::csi::fake::Memory;
use orch_sdk::csi::{self as sdk, Directory};

pub struct Shared(pub Memory);

fn shared(directory: &dyn VolumeDirectory) -> Result<&Memory, Error> {
    let any: &dyn Any = directory;
    let shared = any.downcast_ref::<Shared>().map(|shared| &shared.0);
    shared.ok_or_else(|| Error::new(Code::Internal, "not a directory of the script"))
}

/// Both sides' codes are those of `wit/csi`.
macro_rules! code {
    ($from:expr; $($code:ident)*) => { match $from { $(sdk::Code::$code => Code::$code,)* } };
}

fn failed(error: sdk::Error) -> Error {
    let code = code!(error.code;
        Cancelled DeadlineExceeded Unavailable Aborted ResourceExhausted NotFound AlreadyExists
        InvalidArgument OutOfRange FailedPrecondition PermissionDenied Unauthenticated Unimplemented
        Internal Unknown);
    Error::new(code, error.message)
}

#[async_trait]
impl VolumeDirectory for Shared {
    async fn make_directory(&self, path: &str) -> Result<(), Error> {
        self.0.make_directory(path).map_err(failed)
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        self.0.remove(path).map_err(failed)
    }

    async fn entries(&self, path: &str) -> Result<Vec<Entry>, Error> {
        let entry = |entry: sdk::Entry| {
            let sdk::Entry { name, is_directory, size_bytes } = entry;
            Entry { name, is_directory, size_bytes }
        };
        Ok(self.0.entries(path).map_err(failed)?.into_iter().map(entry).collect())
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.0.read(path).map_err(failed)
    }

    async fn write(&self, path: &str, contents: &[u8]) -> Result<(), Error> {
        self.0.write(path, contents).map_err(failed)
    }

    async fn copy(&self, path: &str, target: &dyn VolumeDirectory, target_path: &str) -> Result<(), Error> {
        self.0.copy(path, shared(target)?, target_path).map_err(failed)
    }

    async fn usage(&self, path: &str) -> Result<Usage, Error> {
        let sdk::Usage {
            used_bytes,
            available_bytes,
            total_bytes,
            used_inodes,
            available_inodes,
            total_inodes,
        } = self.0.usage(path).map_err(failed)?;
        Ok(Usage { used_bytes, available_bytes, total_bytes, used_inodes, available_inodes, total_inodes })
    }

    async fn bind_mount(
        &self,
        path: &str,
        target: &dyn VolumeDirectory,
        read_only: bool,
    ) -> Result<(), Error> {
        self.0.bind_mount(path, shared(target)?, read_only).map_err(failed)
    }

    async fn unmount(&self) -> Result<(), Error> {
        self.0.unmount().map_err(failed)
    }

    async fn is_mounted(&self) -> Result<bool, Error> {
        self.0.is_mounted().map_err(failed)
    }
}
