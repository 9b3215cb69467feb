//! The schemas that `build.rs` embedded.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::sync::OnceLock;

use flate2::read::DeflateDecoder;
use serde_json::{Value, json};

use super::Schemas;
use super::load::Loader;

static COMPACT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schemas.compact"));
static FULL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schemas.full"));

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

pub(super) fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let mut loader = Loader::default();
        each_compact(|name, schema| loader.define(name, &schema));
        loader.finish()
    })
}

/// The definitions of the built-in types with descriptions, as JSON text; for OpenAPI, on demand.
pub fn full_definitions() -> BTreeMap<String, String> {
    let mut text = String::new();
    DeflateDecoder::new(FULL).read_to_string(&mut text).expect("build.rs wrote UTF-8");
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, schema)| (name.to_owned(), schema.to_owned()))
        .collect()
}

/// Changes when the built-in definitions do.
pub fn definitions_digest() -> u64 {
    static DIGEST: OnceLock<u64> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        FULL.hash(&mut hasher);
        hasher.finish()
    })
}

/// `metadata` of a custom resource is an `ObjectMeta`, whatever its author wrote beside it.
pub(crate) fn with_object_fields(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if !schema.is_object() {
        schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    }
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = json!({ "type": "string" });
    schema["properties"]["kind"] = json!({ "type": "string" });
    schema["properties"]["metadata"] = json!({ "$ref": format!("#/components/schemas/{OBJECT_META}") });
    schema
}

/// The definitions that `ObjectMeta` needs.
pub(super) fn define_metadata(loader: &mut Loader) {
    each_compact(|name, schema| {
        if name.starts_with("io.k8s.apimachinery.pkg.apis.meta.v1.") {
            loader.define(name, &schema);
        }
    });
}

/// One definition at a time, so that the whole never stands in memory as JSON.
fn each_compact(mut visit: impl FnMut(&str, Value)) {
    let mut lines = BufReader::new(DeflateDecoder::new(COMPACT));
    let mut line = String::new();
    while lines.read_line(&mut line).expect("build.rs wrote UTF-8") > 0 {
        if let Some((name, schema)) = line.split_once('\t') {
            visit(name, serde_json::from_str(schema).expect("build.rs wrote JSON"));
        }
        line.clear();
    }
}
