//! The authentication configuration, read again when its file changes (`k8s.io/kubernetes`,
//! `pkg/kubeapiserver/options`). A file that is not valid changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Anonymous, AuthenticationConfig, Oidc, OidcError};
use crate::authn::Authenticator;

/// Between looks at the file.
const LOOK: Duration = Duration::from_secs(10);

/// Where a configuration was read, and what stood there.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    pub fn read(path: &Path) -> Result<ConfigFile, OidcError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| OidcError::Read { path: path.into(), source })?;
        Ok(ConfigFile { path: path.into(), text })
    }

    pub fn parse(self) -> Result<AuthenticationConfig, OidcError> {
        let parsed = AuthenticationConfig::parse(&self.text);
        let config = parsed.map_err(|why| OidcError::Config { path: self.path.clone(), why })?;
        Ok(AuthenticationConfig { file: Some(self), ..config })
    }
}

/// A configuration's file as it was last looked at.
struct Watched {
    file: ConfigFile,
    anonymous: Anonymous,
}

impl Watched {
    /// The issuers that the file names now; `None`: it says what it said. What can never become right is
    /// told once, what may, at every look.
    async fn look(&mut self) -> Result<Option<Oidc>, OidcError> {
        let file = ConfigFile::read(&self.file.path)?;
        if file.text == self.file.text {
            return Ok(None);
        }
        let oidc = match self.issuers(&file) {
            Ok(oidc) => oidc,
            Err(error) => {
                self.file = file;
                return Err(error);
            }
        };
        oidc.fetch_keys().await?;
        self.file = file;
        Ok(Some(oidc))
    }

    fn issuers(&self, file: &ConfigFile) -> Result<Oidc, OidcError> {
        let config = file.clone().parse()?;
        if config.anonymous != self.anonymous {
            let why = "anonymous: Forbidden: changed from initial configuration file".into();
            return Err(OidcError::Config { path: file.path.clone(), why });
        }
        Oidc::new(&config)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    status: &'static str,
}

/// What became of the files that changed, under upstream's names. Cheap to clone.
#[derive(Clone, Default)]
pub struct Reloads {
    total: Family<Outcome, Counter>,
    last: Family<Outcome, Gauge>,
}

impl Reloads {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("apiserver_authentication_config_controller");
        let help = "Authentication configurations that were read again";
        registry.register("automatic_reloads", help, self.total.clone());
        let help = "When that was last done, in seconds since the epoch";
        registry.register("automatic_reload_last_timestamp_seconds", help, self.last.clone());
    }

    fn count(&self, status: &'static str) {
        self.total.get_or_create(&Outcome { status }).inc();
        self.last.get_or_create(&Outcome { status }).set(jiff::Timestamp::now().as_second());
    }
}

/// Follows the file that a configuration was read from. Does not return.
pub async fn follow(authenticator: &Authenticator, config: &AuthenticationConfig, reloads: &Reloads) {
    let Some(file) = config.file.clone() else { return std::future::pending().await };
    let mut watched = Watched { file, anonymous: config.anonymous.clone() };
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        match watched.look().await {
            Ok(None) => {}
            Ok(Some(oidc)) => {
                authenticator.trust(oidc);
                reloads.count("success");
                tracing::info!(path = %watched.file.path.display(), "the authentication configuration was read again");
            }
            Err(error) => {
                reloads.count("failure");
                tracing::error!(%error, "the authentication configuration is not taken; that before stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Issuer, Key};
    use super::*;

    const HEAD: &str = "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration";

    #[tokio::test]
    async fn a_file_that_changes_is_taken_and_a_wrong_one_is_not() {
        let key = Key::new("one");
        let issuer = Issuer::start(&key).await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authentication.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&format!("{HEAD}}}"));
        let config = AuthenticationConfig::read(&path).unwrap();
        let mut watched = Watched { file: config.file.clone().unwrap(), anonymous: config.anonymous };
        assert!(watched.look().await.unwrap().is_none());

        let token = key.sign(&issuer.claims());
        write(&issuer.document().to_string());
        let oidc = watched.look().await.unwrap().expect("there is an issuer now");
        assert!(oidc.verify(&token, &[]).await.unwrap().is_ok());
        assert!(watched.look().await.unwrap().is_none());

        for (wrong, why) in [
            (format!("{HEAD}, jwt: [{{}}]}}"), "is not valid"),
            (
                format!("{HEAD}, anonymous: {{enabled: false}}}}"),
                "anonymous: Forbidden: changed from initial",
            ),
        ] {
            write(&wrong);
            let error = watched.look().await.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(watched.look().await.unwrap().is_none(), "told once: {wrong}");
        }
        // An issuer that cannot be asked may come yet.
        let away = issuer.document().to_string().replace(&issuer.url, "https://127.0.0.1:1");
        write(&away);
        for _ in 0..2 {
            assert!(matches!(watched.look().await, Err(OidcError::Fetch { .. })));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(watched.look().await, Err(OidcError::Read { .. })));
    }

    #[tokio::test]
    async fn the_authenticator_believes_whom_the_file_names_now() {
        let key = Key::new("one");
        let issuer = Issuer::start(&key).await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authentication.yaml");
        std::fs::write(&path, format!("{HEAD}}}")).unwrap();
        let config = AuthenticationConfig::read(&path).unwrap();
        let store =
            orch_store::open("sqlite", &dir.path().join("state.db"), Default::default()).await.unwrap();
        let cache = orch_watch::Cache::start(store, Default::default()).await.unwrap();
        let pki = crate::pki::Pki::open(dir.path()).unwrap();
        let tokens = crate::tokens::Tokens::new(pki.service_account_key(), "https://own", cache).unwrap();
        let authenticator =
            Authenticator::new(std::sync::Arc::new(tokens), Oidc::default(), config.anonymous.clone());
        let reloads = Reloads::default();
        let token = key.sign(&issuer.claims());
        assert!(authenticator.verify(&token, &[]).await.is_err());
        std::fs::write(&path, issuer.document().to_string()).unwrap();
        let taken = async {
            while authenticator.verify(&token, &[]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = follow(&authenticator, &config, &reloads) => unreachable!("it does not return"),
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("it is not taken"),
            () = taken => {}
        }
        let mut registry = Registry::default();
        reloads.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let sample =
            r#"apiserver_authentication_config_controller_automatic_reloads_total{status="success"} 1"#;
        assert!(text.contains(sample), "{text}");
    }
}
