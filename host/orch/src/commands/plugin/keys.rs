//! Key files.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use orch_source::key::{Algorithm, PrivateKey};

use super::arguments::AlgorithmArgument;

/// Writes a key pair; never over a file that is there.
pub fn generate(prefix: &Path, algorithm: AlgorithmArgument) -> anyhow::Result<()> {
    let key = PrivateKey::generate(match algorithm {
        AlgorithmArgument::P256 => Algorithm::P256,
        AlgorithmArgument::Ed25519 => Algorithm::Ed25519,
    });
    let (private, public) = (with_ending(prefix, "key"), with_ending(prefix, "pub"));
    write_new(&private, 0o600, &key.to_pem()?)?;
    write_new(&public, 0o644, &key.public().to_pem()?)?;
    println!("{}: the private key, not encrypted: keep it to yourself", private.display());
    println!("{}: the public key, for spec.rules[].keys of a PluginPolicy", public.display());
    println!("next: orch plugin push FILE REFERENCE --sign {}", private.display());
    Ok(())
}

/// `a.b` and `key` → `a.b.key`
fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

fn write_new(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file =
        file.with_context(|| format!("cannot write {}; choose another --prefix", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

pub fn read(path: &Path) -> anyhow::Result<PrivateKey> {
    let pem = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read the private key {}; `orch plugin keygen` makes one", path.display())
    })?;
    PrivateKey::from_pem(&pem).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_written_once_and_for_their_owner() {
        let directory = tempfile::tempdir().unwrap();
        let prefix = directory.path().join("team.release");
        generate(&prefix, AlgorithmArgument::Ed25519).unwrap();
        let private = directory.path().join("team.release.key");
        assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(read(&private).is_ok());
        assert!(generate(&prefix, AlgorithmArgument::P256).unwrap_err().to_string().contains("--prefix"));
        let missing = read(&directory.path().join("none")).err().unwrap().to_string();
        assert!(missing.contains("orch plugin keygen"), "{missing}");
    }
}
