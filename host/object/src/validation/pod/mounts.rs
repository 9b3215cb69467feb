//! Where containers have their volumes.

use serde_json::Value;

use super::volume::{Volumes, no_backsteps, relative_path};
use crate::validation::{Errors, Path, items, text};

const PROPAGATIONS: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
const MOUNT_OPTIONS: [&str; 3] = ["nodev", "noexec", "nosuid"];
const NO_BLOCK: &str = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";

pub(super) fn validate(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    validate_mounts(container, volumes, &path.child("volumeMounts"), errors);
    validate_devices(container, volumes, &path.child("volumeDevices"), errors);
}

fn validate_mounts(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    let devices = items(&container["volumeDevices"]);
    let mut seen: Vec<&str> = Vec::new();
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let at = path.index(index);
        let (name, place) = (text(&mount["name"]), text(&mount["mountPath"]));
        errors.require_all(mount, &["name"], &at);
        if volumes.get(name).is_none() {
            errors.not_found(&at.child("name"), name);
        }
        errors.require_all(mount, &["mountPath"], &at);
        if seen.contains(&place) {
            errors.invalid(&at.child("mountPath"), &place.into(), "must be unique");
        }
        seen.push(place);
        if devices.iter().any(|device| text(&device["name"]) == name) {
            errors.invalid(&at.child("name"), &name.into(), "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(&device["devicePath"]) == place) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(&at.child("mountPath"), &place.into(), detail);
        }
        validate_sub_paths(mount, path, &at, errors);
        validate_propagation(mount, container, path, errors);
        validate_options(mount, volumes, &at.child("bindMountOptions"), errors);
    }
}

/// What is wrong with a path is said of the list of mounts.
fn validate_sub_paths(mount: &Value, list: &Path, path: &Path, errors: &mut Errors) {
    let given = |field: &str| !text(&mount[field]).is_empty();
    if given("subPath") {
        relative_path(&mount["subPath"], &list.child("subPath"), errors);
    }
    if given("subPathExpr") {
        if given("subPath") {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(&path.child("subPathExpr"), &mount["subPathExpr"], detail);
        }
        relative_path(&mount["subPathExpr"], &list.child("subPathExpr"), errors);
    }
}

fn validate_propagation(mount: &Value, container: &Value, list: &Path, errors: &mut Errors) {
    let (propagation, at) = (&mount["mountPropagation"], list.child("mountPropagation"));
    errors.given_one_of(&at, propagation, &PROPAGATIONS);
    if propagation == "Bidirectional" && container["securityContext"]["privileged"] != true {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(&at, detail);
    }
    let at = list.child("recursiveReadOnly");
    match text(&mount["recursiveReadOnly"]) {
        "Enabled" | "IfPossible" => {
            if mount["readOnly"] != true {
                errors.forbidden(&at, "may only be specified when readOnly is true");
            }
            if !propagation.is_null() && propagation != "None" {
                errors.forbidden(&at, "may only be specified when mountPropagation is None or not specified");
            }
        }
        _ => {
            let modes = ["Disabled", "Enabled", "IfPossible"];
            errors.given_one_of(&at, &mount["recursiveReadOnly"], &modes);
        }
    }
}

fn validate_options(mount: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    let options = items(&mount["bindMountOptions"]);
    for (index, option) in options.iter().enumerate() {
        errors.one_of(&path.index(index), option, &MOUNT_OPTIONS);
        if options[..index].contains(option) {
            errors.duplicate(&path.index(index), option.clone());
        }
    }
    let of_image = volumes.get(text(&mount["name"])).is_some_and(|volume| volume["image"].is_object());
    if !options.is_empty() && of_image {
        let detail = "bindMountOptions may not be used with image volumes";
        errors.invalid(path, &mount["bindMountOptions"], detail);
    }
}

fn validate_devices(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    let mounts = items(&container["volumeMounts"]);
    let (mut names, mut places): (Vec<&str>, Vec<&str>) = Default::default();
    for (index, device) in items(&container["volumeDevices"]).iter().enumerate() {
        let at = path.index(index);
        let (name, place) = (text(&device["name"]), text(&device["devicePath"]));
        errors.require_all(device, &["name"], &at);
        if names.contains(&name) {
            errors.invalid(&at.child("name"), &name.into(), "must be unique");
        }
        match volumes.get(name) {
            None => errors.not_found(&at.child("name"), name),
            Some(volume) if is_claimed(volume) => {}
            Some(_) => errors.invalid(&at.child("name"), &name.into(), NO_BLOCK),
        }
        validate_device_path(device, &mut places, &at, errors);
        if mounts.iter().any(|mount| text(&mount["name"]) == name) {
            errors.invalid(&at.child("name"), &name.into(), "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|mount| text(&mount["mountPath"]) == place) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(&at.child("devicePath"), &place.into(), detail);
        }
        if !name.is_empty() {
            names.push(name);
        }
    }
}

fn is_claimed(volume: &Value) -> bool {
    volume["persistentVolumeClaim"].is_object() || volume["ephemeral"].is_object()
}

fn validate_device_path<'v>(device: &'v Value, seen: &mut Vec<&'v str>, path: &Path, errors: &mut Errors) {
    errors.require_all(device, &["devicePath"], path);
    let (place, at) = (text(&device["devicePath"]), path.child("devicePath"));
    if seen.contains(&place) {
        errors.invalid(&at, &place.into(), "must be unique");
    }
    let mut steps = Errors::default();
    no_backsteps(&device["devicePath"], &at, &mut steps);
    if steps.is_empty() {
        seen.push(place);
    } else {
        errors.invalid(&at, &place.into(), "can not contain backsteps ('..')");
    }
}
