//! The kubeconfig that clients on this machine use.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::pki::{Pair, Pki, PkiError, write};

/// A kubeconfig with one cluster, user and context, as JSON (which is YAML).
pub fn render(server: &str, ca: &str, user: &str, client: &Pair) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "orch",
            "cluster": { "server": server, "certificate-authority-data": BASE64.encode(ca) },
        }],
        "users": [{
            "name": user,
            "user": {
                "client-certificate-data": BASE64.encode(&client.certificate),
                "client-key-data": BASE64.encode(&client.key),
            },
        }],
        "contexts": [{ "name": "orch", "context": { "cluster": "orch", "user": user } }],
        "current-context": "orch",
    });
    format!("{config:#}\n")
}

/// Writes the administrator's kubeconfig (mode 0600): user `orch-admin`, group `system:masters`.
pub fn write_admin(path: &Path, server: &str, pki: &Pki) -> Result<(), PkiError> {
    let client = pki.client("admin", "orch-admin", &["system:masters"])?;
    write(path, &render(server, pki.ca_certificate(), "orch-admin", &client))
}
