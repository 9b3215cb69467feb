//! What a driver may answer. A driver that breaks CSI's rules is refused here, once, so that whoever uses
//! volumes need not expect it.

use crate::calls::csi::{
    Attributes, Capabilities, CapacityRange, Code, Description, Error, Expansion, NewSnapshot, NewVolume,
    NodeInfo, Room, Snapshot, Volume,
};

type Checked = Result<(), String>;

const LONGEST_ID: usize = 128;
const LONGEST_NODE_ID: usize = 192;
const LONGEST_NAME: usize = 63;
const LARGEST_CONTEXT: usize = 4 << 10;
const LONGEST_MESSAGE: usize = 1 << 10;

pub fn no_description() -> Description {
    Description {
        name: String::new(),
        version: String::new(),
        capabilities: Capabilities::empty(),
        topology_keys: Vec::new(),
    }
}

pub fn check_description(description: &Description) -> Checked {
    let Description { name, capabilities, .. } = description;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    let is_inner = |byte: u8| is_letter(byte) || matches!(byte, b'.' | b'-' | b'_');
    let ends = name.bytes().next().zip(name.bytes().last());
    let is_name = ends.is_some_and(|(first, last)| is_letter(first) && is_letter(last))
        && name.len() <= LONGEST_NAME
        && name.bytes().all(is_inner);
    if !is_name {
        return Err(format!("{name:?} is no name of a driver: a domain of at most {LONGEST_NAME} letters"));
    }
    let copies = Capabilities::CLONE | Capabilities::SNAPSHOT;
    if capabilities.intersects(copies) && !capabilities.contains(Capabilities::CREATE_DELETE) {
        return Err("it copies volumes, but makes none: create-delete is missing".into());
    }
    Ok(())
}

/// Codes that mean something only in some calls. All others may come at any time.
pub fn check_code(function: &str, code: Code) -> Checked {
    let where_known: &[&str] = match code {
        Code::NotFound => &[
            "create-volume",
            "validate-capabilities",
            "controller-publish",
            "controller-unpublish",
            "controller-expand",
            "create-snapshot",
            "stage",
            "unstage",
            "publish",
            "unpublish",
            "volume-stats",
            "node-expand",
        ],
        Code::AlreadyExists => {
            &["create-volume", "controller-publish", "create-snapshot", "stage", "publish"]
        }
        Code::OutOfRange => &["create-volume", "controller-expand", "node-expand"],
        Code::FailedPrecondition => &[
            "delete-volume",
            "controller-publish",
            "delete-snapshot",
            "controller-expand",
            "create-snapshot",
            "stage",
            "publish",
            "node-expand",
        ],
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Unavailable
        | Code::Aborted
        | Code::ResourceExhausted
        | Code::InvalidArgument
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented
        | Code::Internal
        | Code::Unknown => return Ok(()),
    };
    if where_known.contains(&function) {
        return Ok(());
    }
    let hint = match (function, code) {
        ("delete-volume" | "delete-snapshot", Code::NotFound) => {
            ": what is gone is deleted, which is success"
        }
        _ => "",
    };
    Err(format!("it answered {code}, which CSI does not know there{hint}"))
}

/// A message is for people.
pub fn cut(mut error: Error) -> Error {
    if error.message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE).rev().find(|end| error.message.is_char_boundary(*end));
        error.message.truncate(end.unwrap_or(0));
        error.message.push('…');
    }
    error
}

pub fn check_volume(request: &NewVolume, volume: &Volume) -> Checked {
    check_id("volume", &volume.volume_id, LONGEST_ID)?;
    check_context(&volume.context)?;
    if volume.capacity_bytes > 0 {
        check_capacity(&request.capacity, volume.capacity_bytes)?;
    }
    let wanted = &request.accessibility.requisite;
    let is_near =
        |place: &Attributes| wanted.iter().any(|wanted| place.iter().all(|segment| wanted.contains(segment)));
    if !wanted.is_empty() && !volume.accessible.is_empty() && !volume.accessible.iter().any(is_near) {
        return Err("the volume can be reached from none of the places that were asked for".into());
    }
    Ok(())
}

pub fn check_capacity(range: &CapacityRange, bytes: u64) -> Checked {
    if bytes < range.required_bytes {
        return Err(format!("it made {bytes} bytes and was asked for at least {}", range.required_bytes));
    }
    if range.limit_bytes > 0 && bytes > range.limit_bytes {
        return Err(format!("it made {bytes} bytes and was asked for at most {}", range.limit_bytes));
    }
    Ok(())
}

pub fn check_expansion(range: &CapacityRange, expansion: &Expansion) -> Checked {
    check_capacity(range, expansion.capacity_bytes)
}

pub fn check_snapshot(request: &NewSnapshot, snapshot: &Snapshot) -> Checked {
    check_id("snapshot", &snapshot.snapshot_id, LONGEST_ID)?;
    if snapshot.source_volume_id != request.source_volume_id {
        let (asked, found) = (&request.source_volume_id, &snapshot.source_volume_id);
        return Err(format!("it was asked for a snapshot of {asked:?} and made one of {found:?}"));
    }
    Ok(())
}

pub fn check_room(room: &Room) -> Checked {
    if room.largest_bytes > room.available_bytes {
        return Err(format!(
            "the largest volume ({} bytes) is larger than the room ({})",
            room.largest_bytes, room.available_bytes
        ));
    }
    Ok(())
}

pub fn check_info(description: &Description, info: &NodeInfo) -> Checked {
    check_id("node", &info.node_id, LONGEST_NODE_ID)?;
    let place = info.accessible.as_deref().unwrap_or_default();
    match place.iter().find(|(key, _)| !description.topology_keys.contains(key)) {
        Some((key, _)) => Err(format!("{key:?} is not one of its topology keys")),
        None => Ok(()),
    }
}

pub fn check_context(context: &Attributes) -> Checked {
    let bytes: usize = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > LARGEST_CONTEXT {
        return Err(format!("its context has {bytes} bytes and may have {LARGEST_CONTEXT}"));
    }
    let twice = context
        .iter()
        .enumerate()
        .find(|(index, (key, _))| context[..*index].iter().any(|(known, _)| known == key));
    match twice {
        Some((_, (key, _))) => Err(format!("its context names {key:?} twice")),
        None => Ok(()),
    }
}

/// An id is a word: it becomes part of names and paths, so that no control character may be in it.
fn check_id(what: &str, id: &str, longest: usize) -> Checked {
    if id.is_empty() {
        return Err(format!("the {what} has no id"));
    }
    if id.len() > longest {
        return Err(format!("the {what}'s id has {} bytes and may have {longest}", id.len()));
    }
    if id.chars().any(char::is_control) {
        return Err(format!("the {what}'s id {id:?} has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(name: &str, capabilities: Capabilities) -> Description {
        Description { name: name.into(), capabilities, ..no_description() }
    }

    #[test]
    fn drivers_have_domains_for_names() {
        for name in ["disk.example.com", "a", "a-b_c.d"] {
            assert!(check_description(&description(name, Capabilities::empty())).is_ok(), "{name}");
        }
        for name in ["", "-a", "a.", "a b", "a/b", "ä", &"a".repeat(64)] {
            assert!(check_description(&description(name, Capabilities::empty())).is_err(), "{name}");
        }
        let lame = description("a", Capabilities::SNAPSHOT | Capabilities::PUBLISH);
        assert!(check_description(&lame).unwrap_err().contains("create-delete"));
    }

    #[test]
    fn what_is_gone_cannot_be_missing() {
        assert!(check_code("delete-volume", Code::NotFound).unwrap_err().contains("success"));
        assert!(check_code("publish", Code::NotFound).is_ok());
        assert!(check_code("unpublish", Code::AlreadyExists).is_err());
        assert!(check_code("capacity", Code::Internal).is_ok());
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let cut = cut(Error::new(Code::Unknown, "ä".repeat(1000)));
        assert!(cut.message.len() <= LONGEST_MESSAGE + 3 && cut.message.ends_with('…'));
    }

    #[test]
    fn sizes_must_be_within_what_was_asked_for() {
        let range = |required_bytes, limit_bytes| CapacityRange { required_bytes, limit_bytes };
        assert!(check_capacity(&range(0, 0), 7).is_ok());
        assert!(check_capacity(&range(7, 7), 7).is_ok());
        assert!(check_capacity(&range(8, 0), 7).is_err());
        assert!(check_capacity(&range(0, 6), 7).is_err());
    }
}
