//! Who may come in, and what is written down of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use orch_request::{AuditConfig, AuthenticationConfig, Rotation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::arguments::Security;

/// Keys below `security` of the configuration file; the flags' names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    pub audit_policy_file: Option<PathBuf>,
    pub audit_log_path: Option<PathBuf>,
    pub audit_log_maxsize: Option<u64>,
    pub audit_log_maxage: Option<u64>,
    pub audit_log_maxbackup: Option<usize>,
    pub authentication_config: Option<PathBuf>,
    pub oidc_issuer_url: Option<String>,
    pub oidc_client_id: Option<String>,
    pub oidc_username_claim: Option<String>,
    pub oidc_username_prefix: Option<String>,
    pub oidc_groups_claim: Option<String>,
    pub oidc_groups_prefix: Option<String>,
    /// `CLAIM=VALUE`
    pub oidc_required_claim: Vec<String>,
    pub oidc_ca_file: Option<PathBuf>,
}

impl Settings {
    /// Flags win over the file.
    pub fn set(&mut self, flags: Security) {
        fn set<T>(field: &mut Option<T>, given: Option<T>) {
            if given.is_some() {
                *field = given;
            }
        }
        set(&mut self.audit_policy_file, flags.audit_policy_file);
        set(&mut self.audit_log_path, flags.audit_log_path);
        set(&mut self.audit_log_maxsize, flags.audit_log_maxsize);
        set(&mut self.audit_log_maxage, flags.audit_log_maxage);
        set(&mut self.audit_log_maxbackup, flags.audit_log_maxbackup);
        set(&mut self.authentication_config, flags.authentication_config);
        set(&mut self.oidc_issuer_url, flags.oidc_issuer_url);
        set(&mut self.oidc_client_id, flags.oidc_client_id);
        set(&mut self.oidc_username_claim, flags.oidc_username_claim);
        set(&mut self.oidc_username_prefix, flags.oidc_username_prefix);
        set(&mut self.oidc_groups_claim, flags.oidc_groups_claim);
        set(&mut self.oidc_groups_prefix, flags.oidc_groups_prefix);
        set(&mut self.oidc_ca_file, flags.oidc_ca_file);
        if !flags.oidc_required_claim.is_empty() {
            self.oidc_required_claim = flags.oidc_required_claim;
        }
    }

    pub fn check(&self) -> anyhow::Result<()> {
        if self.audit_policy_file.is_some() != self.audit_log_path.is_some() {
            bail!("--audit-policy-file and --audit-log-path: give both, or neither");
        }
        if self.authentication_config.is_some() && self.oidc_issuer_url.is_some() {
            bail!("--authentication-config and --oidc-issuer-url: give one of them, not both");
        }
        if self.oidc_issuer_url.is_some() != self.oidc_client_id.is_some() {
            bail!("--oidc-issuer-url and --oidc-client-id: give both, or neither");
        }
        Ok(())
    }

    pub fn audit(&self) -> Option<AuditConfig> {
        let rotation = Rotation {
            megabytes: self.audit_log_maxsize.unwrap_or(Rotation::default().megabytes),
            days: self.audit_log_maxage.unwrap_or_default(),
            files: self.audit_log_maxbackup.unwrap_or_default(),
        };
        let (policy, log) = (self.audit_policy_file.clone()?, self.audit_log_path.clone()?);
        Some(AuditConfig { policy, log, rotation })
    }

    /// From the file, or as the flags of one issuer say.
    pub fn authentication(&self) -> anyhow::Result<AuthenticationConfig> {
        if let Some(path) = &self.authentication_config {
            return Ok(AuthenticationConfig::read(path)?);
        }
        let (Some(url), Some(client)) = (&self.oidc_issuer_url, &self.oidc_client_id) else {
            return Ok(AuthenticationConfig::default());
        };
        let jwt = self.issuer(url, client)?;
        let document = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [jwt],
        });
        AuthenticationConfig::parse(&document.to_string()).map_err(|why| anyhow::anyhow!("--oidc-…: {why}"))
    }

    fn issuer(&self, url: &str, client: &str) -> anyhow::Result<Value> {
        let claim = self.oidc_username_claim.as_deref().unwrap_or("sub");
        let prefix = match self.oidc_username_prefix.as_deref() {
            Some("-") => String::new(),
            Some(prefix) => prefix.into(),
            None if claim == "email" => String::new(),
            None => format!("{url}#"),
        };
        let mut mappings = json!({ "username": { "claim": claim, "prefix": prefix } });
        if let Some(groups) = &self.oidc_groups_claim {
            let prefix = self.oidc_groups_prefix.as_deref().unwrap_or_default();
            mappings["groups"] = json!({ "claim": groups, "prefix": prefix });
        }
        let rules: Vec<Value> =
            self.oidc_required_claim.iter().map(|rule| required(rule)).collect::<Result<_, _>>()?;
        let authority = self.oidc_ca_file.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(json!({
            "issuer": { "url": url, "audiences": [client], "certificateAuthority": authority },
            "claimValidationRules": rules, "claimMappings": mappings,
        }))
    }
}

fn required(rule: &str) -> anyhow::Result<Value> {
    let Some((claim, value)) = rule.split_once('=') else {
        bail!("--oidc-required-claim {rule}: write it as CLAIM=VALUE");
    };
    Ok(json!({ "claim": claim, "requiredValue": value }))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("--oidc-ca-file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Settings {
        Settings {
            oidc_issuer_url: Some("https://issuer.example".into()),
            oidc_client_id: Some("orch".into()),
            ..Settings::default()
        }
    }

    #[test]
    fn flags_make_one_issuer() {
        let mut settings = issuer();
        settings.oidc_required_claim = vec!["hd=example.com".into()];
        settings.authentication().unwrap();
        let url = "https://issuer.example";
        let prefix = |settings: &Settings| {
            settings.issuer(url, "orch").unwrap()["claimMappings"]["username"]["prefix"].clone()
        };
        assert_eq!(prefix(&settings), "https://issuer.example#");
        settings.oidc_username_claim = Some("email".into());
        assert_eq!(prefix(&settings), "");
        settings.oidc_username_prefix = Some("o:".into());
        assert_eq!(prefix(&settings), "o:");
        settings.oidc_required_claim = vec!["hd".into()];
        assert!(settings.authentication().unwrap_err().to_string().contains("CLAIM=VALUE"));
    }

    #[test]
    fn halves_of_a_pair_are_refused() {
        let error = |settings: Settings| settings.check().unwrap_err().to_string();
        assert!(
            error(Settings { audit_log_path: Some("/a".into()), ..Settings::default() })
                .contains("--audit-policy-file")
        );
        assert!(error(Settings { oidc_client_id: None, ..issuer() }).contains("--oidc-client-id"));
        assert!(
            error(Settings { authentication_config: Some("/a".into()), ..issuer() }).contains("not both")
        );
        issuer().check().unwrap();
    }
}
