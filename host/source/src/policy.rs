//! Which plugins may load: `spec` of a PluginPolicy.
//!
//! In each policy the first rule that fits decides; a policy without a fitting rule says nothing, and
//! without any policy everything may load. All policies must agree: one that denies is enough, and
//! every signature that is asked for must be there. Built-ins are part of the host: only a rule whose
//! `match.sources` names them (`builtin:*`) covers them, so that "deny the rest" does not take the
//! cluster's own policies away. A policy that cannot be read lets nothing but built-ins load: whoever
//! wrote it wanted less to be allowed, not more.

use serde::Deserialize;
use serde_json::Value;

use crate::SourceError;
use crate::key::PublicKey;
use crate::signature::{Signed, verify_bytes, verify_manifest};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default, rename = "match")]
    fits: Match,
    action: Action,
    /// PEM.
    #[serde(default)]
    keys: Vec<String>,
}

/// An empty list fits everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Match {
    #[serde(default)]
    worlds: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    sources: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Action {
    Allow,
    Deny,
    RequireSignature,
}

/// A plugin that wants to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    pub world: String,
    /// Every way to write its source: `oci:registry.example/team/p:1` and without the tag, `file:/…`,
    /// `digest:sha256:…`, `builtin:NAME`. The first stands in messages.
    pub sources: Vec<String>,
}

/// A signature that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    policy: String,
    rule: usize,
    keys: Vec<PublicKey>,
}

/// What a plugin has to show.
pub enum Evidence<'e> {
    /// Of an artifact: its manifest's digest, and the signatures in its repository.
    Manifest { digest: &'e str, signed: &'e [Signed] },
    /// Of a file or an upload: the component, and the detached signature in the spec.
    Bytes { wasm: &'e [u8], signature: Option<&'e str> },
    /// A built-in's signature is the binary's.
    Builtin,
}

impl Subject {
    fn is_builtin(&self) -> bool {
        self.sources.iter().any(|source| source.starts_with("builtin:"))
    }

    fn what(&self) -> String {
        let source = self.sources.first().map_or("", String::as_str);
        format!("the {} plugin {} from {source}", self.world, self.name)
    }
}

/// What these policies (name and spec) ask of a plugin; an error where one does not let it load.
pub fn decide<'p>(
    policies: impl IntoIterator<Item = (&'p str, &'p Value)>,
    subject: &Subject,
) -> Result<Vec<Demand>, SourceError> {
    let mut demands = Vec::new();
    for (policy, spec) in policies {
        let broken = |message: String| SourceError::Policy { policy: policy.into(), message };
        let spec = match Spec::deserialize(spec) {
            Ok(spec) => spec,
            Err(_) if subject.is_builtin() => continue,
            Err(error) => return Err(broken(error.to_string())),
        };
        let Some((index, rule)) = spec.rules.iter().enumerate().find(|(_, rule)| rule.fits.covers(subject))
        else {
            continue;
        };
        match rule.action {
            Action::Allow => {}
            Action::Deny => {
                return Err(SourceError::Denied { policy: policy.into(), rule: index, what: subject.what() });
            }
            Action::RequireSignature => {
                let keys = rule.keys().map_err(|why| broken(format!("spec.rules[{index}].{why}")))?;
                demands.push(Demand { policy: policy.into(), rule: index, keys });
            }
        }
    }
    Ok(demands)
}

impl Rule {
    fn keys(&self) -> Result<Vec<PublicKey>, String> {
        if self.keys.is_empty() {
            return Err("keys: at least one public key is needed".into());
        }
        let read = |(n, pem): (usize, &String)| {
            PublicKey::from_pem(pem).map_err(|error| format!("keys[{n}]: {error}"))
        };
        self.keys.iter().enumerate().map(read).collect()
    }
}

impl Match {
    fn covers(&self, subject: &Subject) -> bool {
        let names_builtins = self.sources.iter().any(|pattern| pattern.starts_with("builtin:"));
        if subject.is_builtin() && !names_builtins {
            return false;
        }
        one_of(&self.worlds, std::slice::from_ref(&subject.world))
            && one_of(&self.names, std::slice::from_ref(&subject.name))
            && one_of(&self.sources, &subject.sources)
    }
}

fn one_of(patterns: &[String], texts: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| texts.iter().any(|text| fits(pattern, text)))
}

/// `*` stands for any run of characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    // The shortest run that lets the rest fit, if any does.
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| fits(rest, &text[at..]))
}

/// Whether every demand is met.
pub fn check(demands: &[Demand], subject: &Subject, evidence: &Evidence<'_>) -> Result<(), SourceError> {
    for Demand { policy, rule, keys } in demands {
        let unsigned = |remedy| SourceError::Unsigned {
            policy: policy.clone(),
            rule: *rule,
            what: subject.what(),
            remedy,
        };
        let verified = match evidence {
            Evidence::Builtin => Err("a built-in has no signature of its own".to_owned()),
            Evidence::Manifest { signed: [], .. } => {
                return Err(unsigned("sign it with `orch plugin sign REFERENCE --key KEY` or `cosign sign`"));
            }
            Evidence::Manifest { digest, signed } => verify_manifest(signed, digest, keys),
            Evidence::Bytes { signature: None | Some(""), .. } => {
                return Err(unsigned(
                    "sign the file with `orch plugin sign FILE --key KEY` and set spec.source.signature",
                ));
            }
            Evidence::Bytes { wasm, signature: Some(signature) } => verify_bytes(wasm, signature, keys),
        };
        verified.map_err(|why| SourceError::WrongSignature {
            policy: policy.clone(),
            rule: *rule,
            what: subject.what(),
            wanted: wanted(keys),
            why,
        })?;
    }
    Ok(())
}

fn wanted(keys: &[PublicKey]) -> String {
    match keys {
        [only] => format!("the key {}", only.fingerprint()),
        keys => {
            let all: Vec<String> = keys.iter().map(PublicKey::fingerprint).collect();
            format!("one of the keys {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::{Algorithm, PrivateKey};
    use crate::signature::{sign_bytes, sign_manifest};

    fn subject(source: &str) -> Subject {
        Subject { name: "team-fit".into(), world: "orch:scheduler".into(), sources: vec![source.into()] }
    }

    fn decided(policies: &[Value], source: &str) -> Result<usize, SourceError> {
        let named: Vec<(&str, &Value)> = ["a", "b", "c"].into_iter().zip(policies).collect();
        decide(named, &subject(source)).map(|demands| demands.len())
    }

    #[test]
    fn patterns_are_anchored() {
        for (pattern, text) in [("*", ""), ("a*", "abc"), ("a*c", "abbc"), ("*b*", "abc"), ("a", "a")] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abcd"), ("b*", "ab"), ("", "a"), ("a.c", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(!fits("oci:registry.example/*", "oci:registry.example.evil/x"));
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_all_policies_must_agree() {
        let allow_then_deny = json!({"rules": [
            {"match": {"sources": ["oci:registry.example/*"]}, "action": "Allow"},
            {"action": "Deny"},
        ]});
        let deny_files = json!({"rules": [{"match": {"sources": ["file:*"]}, "action": "Deny"}]});
        assert_eq!(decided(&[], "file:/a"), Ok(0));
        assert_eq!(decided(std::slice::from_ref(&allow_then_deny), "oci:registry.example/a"), Ok(0));
        let denied = decided(std::slice::from_ref(&allow_then_deny), "oci:other.example/a").unwrap_err();
        assert_eq!(denied.reason(), "DeniedByPolicy");
        assert!(denied.to_string().contains("spec.rules[1]"), "{denied}");
        assert_eq!(decided(std::slice::from_ref(&deny_files), "oci:other.example/a"), Ok(0));
        assert!(decided(&[json!({"rules": [{"action": "Allow"}]}), deny_files], "file:/a").is_err());
        let other_world = json!({"rules": [{"match": {"worlds": ["orch:cni"]}, "action": "Deny"}]});
        assert_eq!(decided(&[other_world], "file:/a"), Ok(0));
        let names = json!({"rules": [{"match": {"names": ["team-*"]}, "action": "Deny"}]});
        assert!(decided(&[names], "file:/a").is_err());
    }

    #[test]
    fn builtins_are_denied_only_by_name() {
        let rest = json!({"rules": [{"action": "Deny"}]});
        assert_eq!(decided(&[rest], "builtin:node-name"), Ok(0));
        let named = json!({"rules": [{"match": {"sources": ["builtin:node-*"]}, "action": "Deny"}]});
        assert!(decided(&[named], "builtin:node-name").is_err());
    }

    #[test]
    fn a_policy_that_cannot_be_read_allows_nothing_but_builtins() {
        for rule in [
            json!({"action": "Maybe"}),
            json!({"action": "RequireSignature"}),
            json!({"action": "RequireSignature", "keys": ["junk"]}),
        ] {
            let policy = json!({"rules": [rule]});
            let error = decided(std::slice::from_ref(&policy), "file:/a").unwrap_err();
            assert_eq!(error.reason(), "InvalidPolicy", "{error}");
            assert_eq!(decided(&[policy], "builtin:a"), Ok(0));
        }
    }

    #[test]
    fn signatures_are_asked_for_and_checked() {
        let (key, other) = (PrivateKey::generate(Algorithm::P256), PrivateKey::generate(Algorithm::Ed25519));
        let pem = key.public().to_pem().unwrap();
        let policy = json!({"rules": [{"action": "RequireSignature", "keys": [pem]}]});
        let subject = subject("oci:registry.example/a");
        let demands = decide([("p", &policy)], &subject).unwrap();
        let judge = |evidence: Evidence<'_>| check(&demands, &subject, &evidence);
        let reason = |evidence: Evidence<'_>| judge(evidence).unwrap_err().reason();

        let (good, bad) = (sign_bytes(&key, b"wasm"), sign_bytes(&other, b"wasm"));
        judge(Evidence::Bytes { wasm: b"wasm", signature: Some(&good) }).unwrap();
        assert_eq!(reason(Evidence::Bytes { wasm: b"wasm", signature: Some(&bad) }), "SignatureInvalid");
        assert_eq!(reason(Evidence::Bytes { wasm: b"mask", signature: Some(&good) }), "SignatureInvalid");
        assert_eq!(reason(Evidence::Bytes { wasm: b"wasm", signature: None }), "SignatureMissing");

        let good = [sign_manifest(&key, "r/a", "sha256:1")];
        let bad = [sign_manifest(&other, "r/a", "sha256:1")];
        judge(Evidence::Manifest { digest: "sha256:1", signed: &good }).unwrap();
        assert_eq!(reason(Evidence::Manifest { digest: "sha256:1", signed: &bad }), "SignatureInvalid");
        assert_eq!(reason(Evidence::Manifest { digest: "sha256:2", signed: &good }), "SignatureInvalid");
        assert_eq!(reason(Evidence::Manifest { digest: "sha256:1", signed: &[] }), "SignatureMissing");
        let message = judge(Evidence::Manifest { digest: "sha256:1", signed: &bad }).unwrap_err().to_string();
        assert!(message.contains(&key.public().fingerprint()) && message.contains("other keys"), "{message}");
    }
}
