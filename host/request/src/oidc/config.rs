//! `AuthenticationConfiguration` of `apiserver.config.k8s.io`: whose tokens are taken, and whom they name.

use serde::Deserialize;

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
    pub user_validation_rules: Vec<serde_json::Value>,
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
    expression: String,
    #[allow(dead_code)] // part of an expression's rule, which is refused
    message: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mappings {
    pub username: Mapping,
    pub groups: Mapping,
    pub uid: Mapping,
    extra: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mapping {
    pub claim: String,
    pub prefix: Option<String>,
    expression: String,
}

/// Who may come without naming himself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anonymous {
    enabled: bool,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
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
            jwt.check().map_err(|(field, why)| format!("jwt[{index}].{field}: {why}"))?;
        }
        Ok(AuthenticationConfig { jwt: file.jwt, anonymous: file.anonymous.unwrap_or_default() })
    }
}

const NO_EXPRESSIONS: &str = "expressions are not supported yet; name a claim";

impl Jwt {
    fn check(&self) -> Result<(), (&'static str, String)> {
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
        let mappings = &self.claim_mappings;
        if [&mappings.username, &mappings.groups, &mappings.uid].iter().any(|m| !m.expression.is_empty()) {
            return wrong("claimMappings", NO_EXPRESSIONS);
        }
        if !mappings.extra.is_empty() {
            return wrong("claimMappings.extra", NO_EXPRESSIONS);
        }
        if self.claim_validation_rules.iter().any(|rule| !rule.expression.is_empty()) {
            return wrong("claimValidationRules", NO_EXPRESSIONS);
        }
        if self.claim_validation_rules.iter().any(|rule| rule.claim.is_empty()) {
            return wrong("claimValidationRules", "claim is required");
        }
        if !self.user_validation_rules.is_empty() {
            return wrong("userValidationRules", NO_EXPRESSIONS);
        }
        if mappings.username.claim.is_empty() {
            return wrong("claimMappings.username", "claim is required");
        }
        if mappings.username.prefix.is_none() {
            return wrong(
                "claimMappings.username.prefix",
                "is required when claim is set. It can be set to an empty string",
            );
        }
        if !mappings.groups.claim.is_empty() && mappings.groups.prefix.is_none() {
            return wrong(
                "claimMappings.groups.prefix",
                "is required when claim is set. It can be set to an empty string",
            );
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
            ("claim: sub, prefix: 'oidc:'", "expression: claims.sub", "not supported"),
            ("kind: Auth", "kind: Other", "only apiserver.config.k8s.io/v1"),
            ("anonymous:", "anonymouse:", "anonymouse"),
        ] {
            let error = AuthenticationConfig::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
