//! From a core module to a component, and what a component is.

use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{AuthorError, Project, World};

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Interfaces: `orch:host/log@0.1.0`.
    pub imports: Vec<String>,
    /// Interfaces: `orch:scheduler/policy@0.2.0`.
    pub exports: Vec<String>,
    /// `sha256:…`
    pub digest: String,
    /// In bytes.
    pub size: usize,
}

impl Inspected {
    /// The package, with its version, that the component was built against: `orch:scheduler@0.2.0`.
    pub fn package(&self, world: World) -> Option<String> {
        let prefix = format!("{}/", world.package());
        let export = self.exports.iter().find(|export| export.starts_with(&prefix))?;
        let version = export.split_once('@').map(|(_, version)| version)?;
        Some(format!("{}@{version}", world.package()))
    }
}

/// A component from a core module that carries its bindings' description.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, AuthorError> {
    let encode = || ComponentEncoder::default().module(module)?.validate(true).encode();
    encode().map_err(|error| AuthorError::Componentize(format!("{error:#}")))
}

/// The same for modules of languages whose library asks for WASI: a stub answers it.
pub fn encode_without_wasi(module: &[u8]) -> Result<Vec<u8>, AuthorError> {
    let failed = |error: &dyn std::fmt::Display| AuthorError::Componentize(format!("{error:#}"));
    let stub = wat::parse_str(include_str!("without-wasi.wat")).map_err(|error| failed(&error))?;
    let mut encoder = ComponentEncoder::default();
    let encoder = encoder.module(module).map_err(|error| failed(&error))?.validate(true);
    let encoder = encoder.adapter("wasi_snapshot_preview1", &stub).map_err(|error| failed(&error))?;
    encoder.encode().map_err(|error| failed(&error))
}

/// Adds to a module what its bindings could not: the description of the project's world.
pub fn describe(project: &Project, mut module: Vec<u8>) -> Result<Vec<u8>, AuthorError> {
    let failed = |error: &dyn std::fmt::Display| AuthorError::Componentize(format!("{error:#}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(project.wit()).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some(&project.wit_world)).map_err(|error| failed(&error))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|error| failed(&error))?;
    Ok(module)
}

/// Checks that the component is a plugin of the world and asks for nothing that no host grants.
pub fn inspect(component: &[u8], world: World) -> Result<Inspected, AuthorError> {
    let wrong = |found: String| AuthorError::WrongWorld { expected: world, found };
    let decoded = wit_component::decode(component).map_err(|error| wrong(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, id) = decoded else {
        return Err(wrong("it is a package of contracts".into()));
    };
    let decoded = &resolve.worlds[id];
    let inspected = Inspected {
        imports: decoded.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
        exports: decoded.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
        digest: format!("sha256:{}", hex::encode(Sha256::digest(component))),
        size: component.len(),
    };
    if inspected.package(world).is_none() {
        return Err(wrong(format!("it exports {}", inspected.exports.join(", "))));
    }
    let own = format!("{}/", world.package());
    match inspected
        .imports
        .iter()
        .find(|import| !import.starts_with("orch:host/") && !import.starts_with(&own))
    {
        Some(import) => Err(AuthorError::ForbiddenImport { import: import.clone(), world }),
        None => Ok(inspected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty component, and an empty core module.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn what_is_no_plugin_is_named() {
        let message = |bytes| inspect(bytes, World::Scheduler).unwrap_err().to_string();
        assert!(message(EMPTY).contains("not a plugin of the world scheduler"));
        assert!(message(MODULE).contains("not a plugin of the world scheduler"));
        assert!(matches!(encode(b"nothing"), Err(AuthorError::Componentize(_))));
    }
}
