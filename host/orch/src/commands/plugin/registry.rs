//! `push`, `sign`, and what `record` pulls: registries, from the author's machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use orch_container::runtime::Credentials;
use orch_container::{Authority, RegistryConfig};
use orch_source::oci::{Place, Registries};
use serde_json::Value;

use super::arguments::RegistryArguments;
use super::{keys, read_component};

pub async fn push(
    file: &Path,
    reference: &str,
    sign: Option<&Path>,
    arguments: &RegistryArguments,
) -> anyhow::Result<()> {
    let wasm = read_component(file)?;
    let key = sign.map(keys::read).transpose()?;
    let place = Place::parse(reference)?;
    let (registries, credentials) = open(&place, arguments)?;
    let manifest = registries.push(&place, &credentials, wasm).await?;
    println!("pushed {}", place.pinned(&manifest));
    if let Some(key) = key {
        registries.sign(&place, &credentials, &manifest, &key).await?;
        println!("signed by {}", key.public().fingerprint());
    }
    println!("next: orch plugin install NAME --world WORLD --oci {}", place.pinned(&manifest));
    Ok(())
}

/// The component that a reference stands for.
pub async fn pull(reference: &str, arguments: &RegistryArguments) -> anyhow::Result<Vec<u8>> {
    let place = Place::parse(reference)?;
    let (registries, credentials) = open(&place, arguments)?;
    Ok(registries.pull(&place, &credentials, false).await?.wasm)
}

/// A file's signature goes to standard output, a registry's beside the artifact.
pub async fn sign(what: &str, key: &Path, arguments: &RegistryArguments) -> anyhow::Result<()> {
    let key = keys::read(key)?;
    if Path::new(what).is_file() {
        println!("{}", orch_source::signature::sign_bytes(&key, &read_component(Path::new(what))?));
        return Ok(());
    }
    if what.ends_with(".wasm") {
        bail!("{what}: no such file");
    }
    let place = Place::parse(what)?;
    let (registries, credentials) = open(&place, arguments)?;
    let manifest = registries.resolve(&place, &credentials).await?;
    registries.sign(&place, &credentials, &manifest, &key).await?;
    println!("signed {} by {}", place.pinned(&manifest), key.public().fingerprint());
    Ok(())
}

fn open(place: &Place, arguments: &RegistryArguments) -> anyhow::Result<(Registries, Vec<Credentials>)> {
    let mut config = RegistryConfig::default();
    if arguments.plain_http {
        let repository = place.repository();
        config.insecure.push(repository.split('/').next().unwrap_or_default().to_owned());
    }
    if let Some(path) = &arguments.ca {
        config.authorities.push(Authority::read(path).map_err(|why| anyhow!("--ca {why}"))?);
    }
    let credentials = match docker_config(arguments.auth.as_deref())? {
        Some(docker) => orch_node::credentials::in_docker_config(&place.name(), &docker),
        None => Vec::new(),
    };
    Ok((Registries { config }, credentials))
}

/// What `docker login` wrote; a file that was not named need not be there.
fn docker_config(named: Option<&Path>) -> anyhow::Result<Option<Value>> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => {
            let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
            let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
            let Some(directory) = directory.or(home) else { return Ok(None) };
            let path = directory.join("config.json");
            if !path.exists() {
                return Ok(None);
            }
            path
        }
    };
    let text =
        std::fs::read(&path).with_context(|| format!("cannot read the credentials {}", path.display()))?;
    let config = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `docker login` writes", path.display()))?;
    Ok(Some(config))
}
