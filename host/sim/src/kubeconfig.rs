//! What a kubeconfig says about one cluster and one user: enough to speak to any API server.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the kubeconfig {} is not YAML of kind Config: {why}", path.display())]
    Parse { path: PathBuf, why: String },
    #[error("the kubeconfig {} has no {what} named {name:?}; `kubectl config view` shows what it has", path.display())]
    Missing { path: PathBuf, what: &'static str, name: String },
    #[error("{field} of the kubeconfig is not base64")]
    Base64 { field: &'static str },
    #[error(
        "the kubeconfig's user signs in by {how}, which orch sim does not do; give it a user with a client certificate or a token"
    )]
    Unsupported { how: &'static str },
}

/// Where the API is, and who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    pub server: String,
    /// PEM; none: what the system trusts.
    pub certificate_authority: Option<Vec<u8>>,
    pub insecure: bool,
    /// PEM of certificate and key after one another.
    pub identity: Option<Vec<u8>>,
    pub token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    current_context: Option<String>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
    username: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

impl Access {
    /// The current context of the file.
    pub fn read(path: &Path) -> Result<Access, KubeconfigError> {
        let text = read(path)?;
        let parse = |why: String| KubeconfigError::Parse { path: path.into(), why };
        let text = String::from_utf8(text).map_err(|e| parse(e.to_string()))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|e| parse(e.to_string()))?;
        let missing =
            |what, name: &str| KubeconfigError::Missing { path: path.into(), what, name: name.into() };
        let current = file.current_context.unwrap_or_default();
        let context =
            file.contexts.iter().find(|c| c.name == current).ok_or_else(|| missing("context", &current))?;
        let Context { cluster, user } = &context.context;
        let cluster =
            file.clusters.iter().find(|c| &c.name == cluster).ok_or_else(|| missing("cluster", cluster))?;
        let user = file.users.iter().find(|u| &u.name == user).ok_or_else(|| missing("user", user))?;
        // Relative paths of a kubeconfig are relative to it.
        let beside = path.parent().unwrap_or(Path::new("."));
        access(&cluster.cluster, &user.user, beside)
    }
}

fn access(cluster: &Cluster, user: &User, beside: &Path) -> Result<Access, KubeconfigError> {
    let how = match user {
        User { exec: Some(_), .. } => Some("an exec plugin"),
        User { auth_provider: Some(_), .. } => Some("an auth provider"),
        User { username: Some(_), .. } => Some("a password"),
        _ => None,
    };
    if let Some(how) = how {
        return Err(KubeconfigError::Unsupported { how });
    }
    let pem = |data: &Option<String>, file: &Option<PathBuf>, field| pem(data, file, field, beside);
    let certificate =
        pem(&user.client_certificate_data, &user.client_certificate, "client-certificate-data")?;
    let key = pem(&user.client_key_data, &user.client_key, "client-key-data")?;
    let identity = certificate.zip(key).map(|(certificate, key)| [certificate, key].join(&b'\n'));
    let token = match (&user.token, &user.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => Some(String::from_utf8_lossy(&read(&beside.join(file))?).trim().to_string()),
        (None, None) => None,
    };
    Ok(Access {
        server: cluster.server.trim_end_matches('/').into(),
        certificate_authority: pem(
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
            "certificate-authority-data",
        )?,
        insecure: cluster.insecure_skip_tls_verify,
        identity,
        token,
    })
}

fn pem(
    data: &Option<String>,
    file: &Option<PathBuf>,
    field: &'static str,
    beside: &Path,
) -> Result<Option<Vec<u8>>, KubeconfigError> {
    match (data, file) {
        (Some(data), _) => {
            BASE64.decode(data.trim()).map(Some).map_err(|_| KubeconfigError::Base64 { field })
        }
        (None, Some(file)) => read(&beside.join(file)).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KubeconfigError> {
    std::fs::read(path).map_err(|source| KubeconfigError::Read { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(user: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(folder.path().join("ca.pem"), "CA").unwrap();
        let text = format!(
            "current-context: here\n\
             contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://h:1/', certificate-authority: ca.pem}}}}]\n\
             users: [{{name: u, user: {user}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_certificate_and_a_file_beside_it() {
        let (_folder, path) = written("{client-certificate-data: Q0VSVA==, client-key-data: S0VZ}");
        let access = Access::read(&path).unwrap();
        assert_eq!(access.server, "https://h:1");
        assert_eq!(access.certificate_authority.as_deref(), Some(&b"CA"[..]));
        assert_eq!(access.identity.as_deref(), Some(&b"CERT\nKEY"[..]));
        assert_eq!(access.token, None);
    }

    #[test]
    fn a_token() {
        let (_folder, path) = written("{token: secret}");
        assert_eq!(Access::read(&path).unwrap().token.as_deref(), Some("secret"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (_folder, path) = written("{exec: {command: aws}}");
        let error = Access::read(&path).unwrap_err().to_string();
        assert!(error.contains("an exec plugin") && error.contains("client certificate"), "{error}");
        let (_folder, path) = written("{client-certificate-data: '%', client-key-data: S0VZ}");
        assert!(Access::read(&path).unwrap_err().to_string().contains("client-certificate-data"));
        let (folder, path) = written("{token: t}");
        std::fs::write(&path, "current-context: nowhere\n").unwrap();
        let error = Access::read(&path).unwrap_err().to_string();
        assert!(error.contains("no context named \"nowhere\""), "{error}");
        let gone = folder.path().join("gone");
        assert!(Access::read(&gone).unwrap_err().to_string().contains("cannot read"));
    }
}
