//! Where components come from: registries and uploads; who signed them; what may be loaded.
//!
//! [`oci`] reads and writes the CNCF layout of Wasm artifacts, [`upload`] cuts a component into pieces
//! that fit a request, [`signature`] signs and verifies as cosign does, [`policy`] decides, [`records`]
//! remembers on disk what a reference stood for. Knows nothing of Kubernetes and of Wasm engines.

mod error;
pub mod key;
pub mod oci;
pub mod policy;
pub mod records;
pub mod signature;
pub mod upload;

pub use error::SourceError;

/// No component is larger, in bytes.
pub const LARGEST: usize = 64 << 20;

/// `sha256:…`
pub fn digest_of(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
