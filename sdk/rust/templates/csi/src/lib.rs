//! Volumes that are directories of the node.

use orch_sdk::csi::{
    Answer, Attributes, Capabilities, Description, Directory, Driver, NewVolume, Places, Pod, Volume,
    VolumeUse, describe,
};

#[derive(Default)]
pub struct {{Pascal}};

orch_sdk::export_csi!({{Pascal}});

impl Driver for {{Pascal}} {
    fn describe() -> Description {
        describe("{{name}}.example.com", "0.1.0", Capabilities::CREATE_DELETE | Capabilities::PUBLISH)
    }

    fn create_volume(
        &mut self,
        request: &NewVolume,
        volume: &dyn Directory,
        _source: Option<&dyn Directory>,
    ) -> Answer<Volume> {
        volume.make_directory("data")?;
        let capacity_bytes = request.capacity.required_bytes;
        Ok(Volume { volume_id: request.name.clone(), capacity_bytes, context: vec![], accessible: vec![] })
    }

    fn delete_volume(&mut self, _id: &str, _secrets: &Attributes, volume: &dyn Directory) -> Answer<()> {
        volume.remove("")
    }

    fn publish(
        &mut self,
        _volume: &VolumeUse,
        _pod: &Pod,
        read_only: bool,
        at: Places<'_>,
        target: &dyn Directory,
    ) -> Answer<()> {
        at.volume.bind_mount("data", target, read_only)
    }

    fn unpublish(&mut self, _id: &str, target: &dyn Directory) -> Answer<()> {
        target.unmount()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::csi::fake::Memory;

    #[test]
    fn volumes_are_taken_away_whole_and_twice() {
        let volume = Memory::new();
        volume.make_directory("data").unwrap();
        volume.write("data/file", b"x").unwrap();
        for _ in 0..2 {
            {{Pascal}}.delete_volume("v", &vec![], &volume).unwrap();
            assert!(volume.files().is_empty() && volume.entries("").unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_shown_can_be_hidden_again() {
        let (volume, target) = (Memory::new(), Memory::new());
        volume.make_directory("data").unwrap();
        volume.bind_mount("data", &target, false).unwrap();
        {{Pascal}}.unpublish("v", &target).unwrap();
        assert!(!target.is_mounted().unwrap());
    }
}
