//! From bytes to a compiled component whose world is known.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::LoadError;

/// The kind of plugin a component is: `spec.world`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum World {
    #[serde(rename = "orch:scheduler")]
    Scheduler,
    #[serde(rename = "orch:controller")]
    Controller,
    #[serde(rename = "orch:admission")]
    Admission,
    #[serde(rename = "orch:cni")]
    Cni,
    #[serde(rename = "orch:csi")]
    Csi,
}

impl World {
    pub const ALL: [World; 5] =
        [World::Scheduler, World::Controller, World::Admission, World::Cni, World::Csi];

    /// The newest version of the world's package that this host speaks. It speaks every earlier one
    /// too: see the adapters in `worlds`.
    pub fn abi(self) -> &'static str {
        match self {
            World::Scheduler => "0.2.0",
            World::Admission => "0.1.2",
            World::Controller => "0.1.1",
            World::Cni | World::Csi => "0.1.0",
        }
    }

    pub fn package(self) -> &'static str {
        match self {
            World::Scheduler => "orch:scheduler",
            World::Controller => "orch:controller",
            World::Admission => "orch:admission",
            World::Cni => "orch:cni",
            World::Csi => "orch:csi",
        }
    }

    /// The interface that makes a component one of this world.
    fn export(self) -> &'static str {
        match self {
            World::Scheduler => "policy",
            World::Controller => "reconciler",
            World::Admission => "check",
            World::Cni => "driver",
            World::Csi => "identity",
        }
    }

    /// Interfaces a component of this world may import (types-only ones included).
    fn imports(self) -> &'static [&'static str] {
        match self {
            World::Scheduler | World::Admission => &["orch:host/log", "orch:host/interests"],
            World::Controller => {
                &["orch:host/log", "orch:host/interests", "orch:controller/api", "orch:controller/metrics"]
            }
            World::Cni => &["orch:host/log", "orch:cni/network"],
            World::Csi => &["orch:host/log", "orch:csi/types", "orch:csi/storage"],
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.package())
    }
}

impl FromStr for World {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        World::ALL.into_iter().find(|world| world.package() == text).ok_or_else(|| LoadError::Spec {
            field: "world",
            message: format!("there is no world {text:?}; known are {}", known_worlds()),
        })
    }
}

/// The package every world builds on.
const HOST: &str = "orch:host";
const HOST_ABI: &str = "0.1.0";

fn known_worlds() -> String {
    World::ALL.map(World::package).join(", ")
}

/// A component inside the host's binary, with its precompiled form.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    pub name: &'static str,
    /// `sha256:…` of `wasm`, told so that nobody need read it.
    pub digest: &'static str,
    pub wasm: &'static [u8],
    /// Made by [`crate::precompile`]; used when it fits the running engine.
    pub precompiled: &'static [u8],
}

/// Where a component's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Builtin(String),
    File(PathBuf),
    /// Fetched by the caller (an OCI artifact, an upload).
    Bytes(Vec<u8>),
}

/// A compiled component.
#[derive(Clone)]
pub struct Artifact {
    pub(crate) component: Component,
    /// `sha256:…` of the component's bytes.
    pub digest: String,
    pub world: World,
    /// The version of the world's package it was built against.
    pub abi: String,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}@{}", self.digest, self.world, self.abi)
    }
}

impl Artifact {
    pub(crate) fn new(engine: &Engine, component: Component, digest: String) -> Result<Self, LoadError> {
        let (world, abi) = world_of(engine, &component)?;
        check_imports(engine, &component, world)?;
        Ok(Artifact { component, digest, world, abi })
    }

    /// The component must be of this world.
    pub fn expect(&self, expected: World) -> Result<(), LoadError> {
        if self.world == expected {
            return Ok(());
        }
        Err(LoadError::WrongWorld { expected, found: self.world })
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Components begin with the magic, version 13 and layer 1; modules with the magic and version 1.
pub(crate) fn check_is_component(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', ..]) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm { found: describe_beginning(bytes) }),
    }
}

fn describe_beginning(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing: it is empty".into(),
        [0x1f, 0x8b, ..] => "gzip's magic".into(),
        bytes => {
            let start = &bytes[..bytes.len().min(8)];
            match std::str::from_utf8(start) {
                Ok(text) if !text.contains(char::is_control) => format!("{text:?}"),
                _ => format!("the bytes {}", hex::encode(start)),
            }
        }
    }
}

/// The world whose interface the component exports, and the version it names.
fn world_of(engine: &Engine, component: &Component) -> Result<(World, String), LoadError> {
    let exports: Vec<String> =
        component.component_type().exports(engine).map(|(name, _)| name.to_string()).collect();
    for world in World::ALL {
        for export in &exports {
            let Some((interface, version)) = export.split_once('@') else { continue };
            if interface == format!("{}/{}", world.package(), world.export()) {
                check_version(world.package(), version, world.abi())?;
                return Ok((world, version.into()));
            }
        }
    }
    let found = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
    Err(LoadError::NoWorld { found, known: known_worlds() })
}

fn check_version(package: &str, found: &str, supported: &'static str) -> Result<(), LoadError> {
    if parse_version(found) <= parse_version(supported) {
        return Ok(());
    }
    Err(LoadError::NewerAbi { package: package.into(), found: found.into(), supported })
}

fn parse_version(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0)).collect()
}

fn check_imports(engine: &Engine, component: &Component, world: World) -> Result<(), LoadError> {
    for (import, _) in component.component_type().imports(engine) {
        let (interface, version) = import.split_once('@').unwrap_or((import, world.abi()));
        if !world.imports().contains(&interface) {
            let allowed = world.imports().join(", ");
            return Err(LoadError::ForbiddenImport { import: import.into(), world, allowed });
        }
        match interface.split('/').next() {
            Some(HOST) => check_version(HOST, version, HOST_ABI)?,
            Some(_) | None => check_version(world.package(), version, world.abi())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_named() {
        let error = |bytes: &[u8]| check_is_component(bytes).unwrap_err().to_string();
        assert!(error(b"").contains("empty"));
        assert!(error(b"hello world").contains("\"hello wo\""));
        assert!(error(b"\x1f\x8b\x08").contains("gzip"));
        assert!(error(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(check_is_component(b"\0asm\x0d\0\x01\0").is_ok());
    }

    #[test]
    fn newer_versions_are_refused() {
        assert!(check_version("orch:cni", "0.1.0", "0.1.0").is_ok());
        let message = check_version("orch:cni", "0.2.0", "0.1.0").unwrap_err().to_string();
        assert!(message.contains("orch:cni@0.2.0") && message.contains("update orch"), "{message}");
        assert!(check_version("orch:cni", "0.10.0", "0.9.0").is_err());
    }
}
