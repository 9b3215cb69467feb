use orch_container::images::registry::RegistryError;

/// Why a component is not to be had, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{reference} is not a reference such as registry.example/team/plugin:1: {message}")]
    Reference { reference: String, message: String },
    #[error(
        "the registry of {reference} does not answer ({message}): see whether it runs and can be reached from \
         this host, or name a mirror with --registry-mirror"
    )]
    Unreachable { reference: String, message: String },
    #[error(
        "{reference} is not in its registry: check the name and the tag, or push it with `orch plugin push FILE {reference}`"
    )]
    NotFound { reference: String },
    #[error("the registry refuses {reference}: {remedy}")]
    Unauthorized { reference: String, remedy: String },
    #[error(
        "{reference} is not a Wasm artifact: its {what} is {found}, not {expected}; push the component with \
         `orch plugin push`, or with another tool that writes the CNCF layout"
    )]
    MediaType { reference: String, what: &'static str, found: String, expected: &'static str },
    #[error(
        "{what} has the digest {found}, not {expected}: it was changed on the way or in store; pin the digest you \
         mean, or store it again"
    )]
    Digest { what: String, expected: String, found: String },
    #[error("{what} is larger than {limit} bytes, the most a component may have")]
    TooLarge { what: String, limit: usize },
    #[error("{what} is broken: {message}")]
    Broken { what: String, message: String },
    #[error("the policy {policy} is not usable: {message}; nothing it covers is loaded until it is mended")]
    Policy { policy: String, message: String },
    #[error(
        "the policy {policy} (spec.rules[{rule}]) does not let {what} load: change the policy, or the plugin's source"
    )]
    Denied { policy: String, rule: usize, what: String },
    #[error(
        "the policy {policy} (spec.rules[{rule}]) wants {what} signed, and it has no signature: {remedy}"
    )]
    Unsigned { policy: String, rule: usize, what: String, remedy: &'static str },
    #[error(
        "the policy {policy} (spec.rules[{rule}]) wants {what} signed by {wanted}: {why}; sign it with the private key of \
         one of them, or add the signer's public key to the policy"
    )]
    WrongSignature { policy: String, rule: usize, what: String, wanted: String, why: String },
}

impl SourceError {
    /// CamelCase, for a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            SourceError::Reference { .. } => "InvalidReference",
            SourceError::Unreachable { .. } => "RegistryUnavailable",
            SourceError::NotFound { .. } => "NotFound",
            SourceError::Unauthorized { .. } => "Unauthorized",
            SourceError::MediaType { .. } => "WrongMediaType",
            SourceError::Digest { .. } => "DigestMismatch",
            SourceError::TooLarge { .. } => "TooLarge",
            SourceError::Broken { .. } => "Broken",
            SourceError::Policy { .. } => "InvalidPolicy",
            SourceError::Denied { .. } => "DeniedByPolicy",
            SourceError::Unsigned { .. } => "SignatureMissing",
            SourceError::WrongSignature { .. } => "SignatureInvalid",
        }
    }

    pub(crate) fn of_registry(reference: &str, authenticated: bool, error: RegistryError) -> Self {
        let reference = reference.to_owned();
        match error {
            RegistryError::NotFound(_) | RegistryError::Platform { .. } => {
                SourceError::NotFound { reference }
            }
            RegistryError::Denied(_) => {
                let remedy = if authenticated {
                    "the credentials given for it are wrong, or may not do this".to_owned()
                } else {
                    "no credentials were given for it. For a Plugin name a Secret of type \
                     kubernetes.io/dockerconfigjson in kube-system as spec.source.pullSecret; on the command \
                     line use `docker login` or --auth FILE"
                        .to_owned()
                };
                SourceError::Unauthorized { reference, remedy }
            }
            RegistryError::Request(message) => SourceError::Unreachable { reference, message },
            RegistryError::Digest { what, expected, actual } => {
                SourceError::Digest { what: format!("{reference}: the {what}"), expected, found: actual }
            }
            RegistryError::Unsupported(message) => SourceError::Broken { what: reference, message },
            error @ RegistryError::Io { .. } => {
                SourceError::Broken { what: reference, message: error.to_string() }
            }
        }
    }
}
