//! `AuthenticationConfiguration` of `apiserver.config.k8s.io`: whose tokens are taken, and whom they name.

use serde::Deserialize;

use super::ConfigFile;
use super::mapper::Mapper;

const VERSIONS: [&str; 2] = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    jwt: Vec<Jwt>,
    anonymous: Option<Anonymous>,
}

/// What the file says.
#[derive(Debug, Clone, Default)]
pub struct AuthenticationConfig {
    pub jwt: Vec<Jwt>,
    pub anonymous: Anonymous,
    /// Where it was read; `None`: it comes from elsewhere and does not change.
    pub file: Option<ConfigFile>,
}

/// One issuer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    pub issuer: Issuer,
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimRule>,
    pub claim_mappings: Mappings,
    #[serde(default)]
    pub user_validation_rules: Vec<UserRule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// As in the tokens' `iss`; `https` only.
    pub url: String,
    /// Where the discovery document is, if not below `url`.
    #[serde(default, rename = "discoveryURL")]
    pub discovery_url: String,
    /// PEM; empty: the machine's.
    #[serde(default)]
    pub certificate_authority: String,
    pub audiences: Vec<String>,
    #[serde(default)]
    pub audience_match_policy: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimRule {
    pub claim: String,
    pub required_value: String,
    pub expression: String,
    /// Of a failed expression.
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserRule {
    pub expression: String,
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mappings {
    pub username: Mapping,
    pub groups: Mapping,
    pub uid: Mapping,
    pub extra: Vec<ExtraMapping>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtraMapping {
    pub key: String,
    pub value_expression: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mapping {
    pub claim: String,
    pub prefix: Option<String>,
    pub expression: String,
}

/// Who may come without naming himself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anonymous {
    enabled: bool,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    path: String,
}

impl Default for Anonymous {
    fn default() -> Self {
        Anonymous { enabled: true, conditions: Vec::new() }
    }
}

impl Anonymous {
    pub fn allows(&self, path: &str) -> bool {
        self.enabled && (self.conditions.is_empty() || self.conditions.iter().any(|c| c.path == path))
    }
}

impl AuthenticationConfig {
    /// The error names the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if !VERSIONS.contains(&file.api_version.as_str()) || file.kind != "AuthenticationConfiguration" {
            return Err(format!(
                "{} {}: only {} AuthenticationConfiguration is known",
                file.api_version, file.kind, VERSIONS[0]
            ));
        }
        for (index, jwt) in file.jwt.iter().enumerate() {
            let before = &file.jwt[..index];
            if before.iter().any(|other| other.issuer.url == jwt.issuer.url) {
                return Err(format!("jwt[{index}].issuer.url: {} stands there twice", jwt.issuer.url));
            }
            jwt.check_issuer().map_err(|(field, why)| format!("jwt[{index}].{field}: {why}"))?;
            Mapper::new(jwt).map_err(|why| format!("jwt[{index}].{why}"))?;
        }
        Ok(AuthenticationConfig { jwt: file.jwt, anonymous: file.anonymous.unwrap_or_default(), file: None })
    }
}

impl Jwt {
    fn check_issuer(&self) -> Result<(), (&'static str, String)> {
        let wrong = |field, why: &str| Err((field, why.to_string()));
        let issuer = &self.issuer;
        if !issuer.url.starts_with("https://") {
            return wrong("issuer.url", "must be an https URL");
        }
        if !issuer.discovery_url.is_empty() && !issuer.discovery_url.starts_with("https://") {
            return wrong("issuer.discoveryURL", "must be an https URL");
        }
        if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
            return wrong("issuer.audiences", "at least one audience is required");
        }
        if issuer.audiences.len() > 1 && issuer.audience_match_policy != "MatchAny" {
            return wrong("issuer.audienceMatchPolicy", "must be MatchAny for multiple audiences");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: 'https://issuer.example', audiences: [orch]}
  claimValidationRules: [{claim: hd, requiredValue: example.com}]
  claimMappings:
    username: {claim: sub, prefix: 'oidc:'}
    groups: {claim: roles, prefix: ''}
anonymous: {enabled: true, conditions: [{path: /livez}]}
";

    #[test]
    fn a_configuration_is_read() {
        let config = AuthenticationConfig::parse(GOOD).unwrap();
        assert_eq!(config.jwt[0].claim_mappings.username.prefix.as_deref(), Some("oidc:"));
        assert!(config.anonymous.allows("/livez") && !config.anonymous.allows("/version"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, why) in [
            ("https://issuer", "http://issuer", "jwt[0].issuer.url"),
            ("[orch]", "[]", "jwt[0].issuer.audiences"),
            ("[orch]", "[a, b]", "jwt[0].issuer.audienceMatchPolicy"),
            (", prefix: 'oidc:'", "", "jwt[0].claimMappings.username.prefix"),
            ("claim: sub, prefix", "expression: claims.sub, prefix", "may not be specified when expression"),
            ("claim: sub", "claim: sub, expression: claims.sub", "username: claim and expression can't both"),
            (
                "claim: sub, prefix: 'oidc:'",
                "expression: claims.",
                "username.expression: compilation failed: ",
            ),
            ("claim: sub, prefix: 'oidc:'", "expression: claims.email", "claims.email_verified must be used"),
            ("claim: hd, requiredValue: example.com", "expression: claims.hd", "must evaluate to bool"),
            (
                "claim: hd, requiredValue: example.com",
                "message: m",
                "claimValidationRules[0]: claim or expression",
            ),
            (
                "claim: hd,",
                "claim: hd, message: no,",
                "claimValidationRules[0].message: may not be specified",
            ),
            ("kind: Auth", "kind: Other", "only apiserver.config.k8s.io/v1"),
            ("anonymous:", "anonymouse:", "anonymouse"),
        ] {
            let error = AuthenticationConfig::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
