//! The component's side of `orch:csi`.

use std::any::Any;

use super::{
    Answer, Attributes, CapacityRange, Code, Description, Directory, Driver, Entry, Error, Expansion, Health,
    NewSnapshot, NewVolume, NodeInfo, Places, Pod, Publication, Room, Snapshot, Topology, Usage, Volume,
    VolumeCapability, VolumeUse,
};
use crate::bindings::csi::exports::orch::csi::{controller, identity, node};
use crate::bindings::csi::orch::csi::storage;

/// Implemented by `export_csi!`: where the one instance of the driver lives.
pub trait Exports: 'static {
    type Driver: Driver;
    fn with<R>(f: impl FnOnce(&mut Self::Driver) -> R) -> R;
}

impl<T: Exports> identity::Guest for T {
    fn describe() -> Description {
        crate::log::report_panics();
        T::Driver::describe()
    }

    fn configure(config: String) -> Result<(), String> {
        let config = serde_json::from_str(&config).map_err(|error| format!("not JSON: {error}"))?;
        T::with(|driver| driver.configure(&config))
    }

    fn probe() -> Answer<bool> {
        T::with(|driver| driver.probe())
    }
}

impl<T: Exports> controller::Guest for T {
    fn create_volume(
        request: NewVolume,
        volume: &storage::Directory,
        source: Option<&storage::Directory>,
    ) -> Answer<Volume> {
        let source = source.map(|source| source as &dyn Directory);
        T::with(|driver| driver.create_volume(&request, volume, source))
    }

    fn delete_volume(id: String, secrets: Attributes, volume: &storage::Directory) -> Answer<()> {
        T::with(|driver| driver.delete_volume(&id, &secrets, volume))
    }

    fn validate_capabilities(
        id: String,
        capabilities: Vec<VolumeCapability>,
        context: Attributes,
    ) -> Answer<Option<String>> {
        T::with(|driver| driver.validate_capabilities(&id, &capabilities, &context))
    }

    fn controller_publish(request: Publication) -> Answer<Attributes> {
        T::with(|driver| driver.controller_publish(&request))
    }

    fn controller_unpublish(id: String, node: Option<String>, secrets: Attributes) -> Answer<()> {
        T::with(|driver| driver.controller_unpublish(&id, node.as_deref(), &secrets))
    }

    fn capacity(
        parameters: Attributes,
        accessible: Option<Topology>,
        pool: &storage::Directory,
    ) -> Answer<Room> {
        T::with(|driver| driver.capacity(&parameters, accessible.as_ref(), pool))
    }

    fn controller_expand(
        id: String,
        capacity: CapacityRange,
        secrets: Attributes,
        volume: &storage::Directory,
    ) -> Answer<Expansion> {
        T::with(|driver| driver.controller_expand(&id, capacity, &secrets, volume))
    }

    fn create_snapshot(
        request: NewSnapshot,
        volume: &storage::Directory,
        snapshot: &storage::Directory,
    ) -> Answer<Snapshot> {
        T::with(|driver| driver.create_snapshot(&request, volume, snapshot))
    }

    fn delete_snapshot(id: String, secrets: Attributes, snapshot: &storage::Directory) -> Answer<()> {
        T::with(|driver| driver.delete_snapshot(&id, &secrets, snapshot))
    }
}

impl<T: Exports> node::Guest for T {
    fn info(name: String, labels: Attributes) -> Answer<NodeInfo> {
        T::with(|driver| driver.info(&name, &labels))
    }

    fn stage(request: VolumeUse, volume: &storage::Directory, staging: &storage::Directory) -> Answer<()> {
        T::with(|driver| driver.stage(&request, volume, staging))
    }

    fn unstage(id: String, staging: &storage::Directory) -> Answer<()> {
        T::with(|driver| driver.unstage(&id, staging))
    }

    fn publish(
        request: VolumeUse,
        pod: Pod,
        read_only: bool,
        volume: &storage::Directory,
        staging: Option<&storage::Directory>,
        target: &storage::Directory,
    ) -> Answer<()> {
        let at = Places { volume, staging: staging.map(|staging| staging as &dyn Directory) };
        T::with(|driver| driver.publish(&request, &pod, read_only, at, target))
    }

    fn unpublish(id: String, target: &storage::Directory) -> Answer<()> {
        T::with(|driver| driver.unpublish(&id, target))
    }

    fn volume_stats(id: String, target: &storage::Directory) -> Answer<Health> {
        T::with(|driver| driver.volume_stats(&id, target))
    }

    fn node_expand(id: String, capacity: CapacityRange, target: &storage::Directory) -> Answer<u64> {
        T::with(|driver| driver.node_expand(&id, capacity, target))
    }
}

impl Directory for storage::Directory {
    fn make_directory(&self, path: &str) -> Answer<()> {
        storage::Directory::make_directory(self, path)
    }
    fn remove(&self, path: &str) -> Answer<()> {
        storage::Directory::remove(self, path)
    }
    fn entries(&self, path: &str) -> Answer<Vec<Entry>> {
        storage::Directory::entries(self, path)
    }
    fn read(&self, path: &str) -> Answer<Vec<u8>> {
        storage::Directory::read(self, path)
    }
    fn write(&self, path: &str, contents: &[u8]) -> Answer<()> {
        storage::Directory::write(self, path, contents)
    }
    fn copy(&self, path: &str, target: &dyn Directory, target_path: &str) -> Answer<()> {
        storage::Directory::copy(self, path, handle(target)?, target_path)
    }
    fn usage(&self, path: &str) -> Answer<Usage> {
        storage::Directory::usage(self, path)
    }
    fn bind_mount(&self, path: &str, target: &dyn Directory, read_only: bool) -> Answer<()> {
        storage::Directory::bind_mount(self, path, handle(target)?, read_only)
    }
    fn unmount(&self) -> Answer<()> {
        storage::Directory::unmount(self)
    }
    fn is_mounted(&self) -> Answer<bool> {
        storage::Directory::is_mounted(self)
    }
}

/// In a component every directory is the host's.
fn handle(directory: &dyn Directory) -> Answer<&storage::Directory> {
    let any: &dyn Any = directory;
    any.downcast_ref().ok_or_else(|| Error::new(Code::Internal, "the directory is not one of the host's"))
}
