//! ConfigMaps, Secrets, service accounts, and how the parts of the host are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{PLAIN, default_to, ensure};
use crate::kind::{Source, Strategy};
use crate::validation;

pub(crate) const CONFIG_MAP: Strategy =
    Strategy { validate: validation::config::validate_config_map, ..PLAIN };

pub(crate) const SECRET: Strategy = Strategy {
    default: default_secret,
    validate: validation::config::validate_secret,
    warn: |secret, _| validation::config::warn_of_secret(secret),
    ..PLAIN
};

pub(crate) const SERVICE_ACCOUNT: Strategy =
    Strategy { validate: validation::metadata::validate_object, ..PLAIN };

pub(crate) const COMPONENT: Strategy = Strategy {
    source: Source::Components,
    deprecated: "v1 ComponentStatus is deprecated in v1.19+",
    ..PLAIN
};

fn default_secret(secret: &mut Value) {
    default_to(secret, "type", "Opaque");
    fold_string_data(secret);
}

/// `stringData` is a way to write `data`, never to read it.
fn fold_string_data(secret: &mut Value) {
    let Value::Object(map) = secret else { return };
    let Some(Value::Object(strings)) = map.remove("stringData") else { return };
    let Some(data) = ensure(secret, "data") else { return };
    for (key, text) in strings {
        if let Some(text) = text.as_str() {
            data[key.as_str()] = STANDARD.encode(text).into();
        }
    }
}
