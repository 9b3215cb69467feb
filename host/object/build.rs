//! Turns k8s-openapi's schemas, our own kinds and the table of markers into two embedded files:
//! `schemas.full` with descriptions (OpenAPI) and `schemas.compact` without (everything else).
//! Both hold one `NAME<TAB>JSON` line per definition, compressed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::apimachinery::pkg::version;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const MARKERS: &str = "data/markers.txt";
const OWN: &str = "data/plugin.json";
const FORMS: &str = "data/forms.txt";
const TYPES: &str = "data/types.txt";

type Definitions = BTreeMap<String, Value>;

fn main() {
    for input in ["build.rs", MARKERS, OWN, FORMS, TYPES] {
        println!("cargo:rerun-if-changed={input}");
    }
    let mut upstream = upstream();
    let theirs: Vec<String> = upstream.keys().cloned().collect();
    let documents_only = for_documents();
    let forms = read(FORMS);
    upstream.extend(documents_only.clone());
    let mut definitions = upstream;
    definitions.extend(own());
    definitions.values_mut().for_each(drop_dialect);
    apply_markers(&mut definitions, &read(MARKERS));
    let mut full = definitions.clone();
    apply_published(&mut full, &theirs, &read(MARKERS));
    apply_zeros(&mut full, &forms);
    write("schemas.full", &full);
    // Only the compact file: clients have no use for how the server writes its fields.
    definitions.retain(|name, _| !documents_only.contains_key(name));
    for (name, schema) in &mut definitions {
        if !EMPTY_STRUCTS.iter().any(|empty| name.ends_with(empty)) {
            open_free_form(schema);
        }
        drop_words(schema);
    }
    apply_forms(&mut definitions, &theirs, &forms);
    apply_types(&mut definitions, &read(TYPES));
    write("schemas.compact", &definitions);
}

/// Names types as `(module) { Kind, … }`; the group keeps the module's path one token for the repetition.
macro_rules! register {
    ($generator:expr, $($module:tt { $($kind:ident),+ $(,)? }),+ $(,)?) => {
        $($(register!(@kind $generator, $module, $kind);)+)+
    };
    (@kind $generator:expr, ($($module:tt)+), $kind:ident) => {
        $generator.subschema_for::<$($module)+::$kind>()
    };
}

/// Every type reachable from the kinds of upstream's stable API, by upstream's definition name.
fn upstream() -> Definitions {
    let mut generator = generator();
    register!(
        generator,
        (api::admissionregistration::v1) {
            MutatingAdmissionPolicy,
            MutatingAdmissionPolicyBinding,
            MutatingWebhookConfiguration,
            ValidatingAdmissionPolicy,
            ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        },
        (api::apps::v1) { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet },
        (api::authentication::v1) { SelfSubjectReview, TokenRequest, TokenReview },
        (api::authorization::v1) {
            LocalSubjectAccessReview,
            SelfSubjectAccessReview,
            SelfSubjectRulesReview,
            SubjectAccessReview,
        },
        (api::autoscaling::v1) { HorizontalPodAutoscaler, Scale },
        (api::autoscaling::v2) { HorizontalPodAutoscaler },
        (api::batch::v1) { CronJob, Job },
        (api::certificates::v1) { CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest },
        (api::coordination::v1) { Lease },
        (api::core::v1) {
            Binding,
            ComponentStatus,
            ConfigMap,
            Endpoints,
            Event,
            LimitRange,
            Namespace,
            Node,
            PersistentVolume,
            PersistentVolumeClaim,
            Pod,
            PodTemplate,
            ReplicationController,
            ResourceQuota,
            Secret,
            Service,
            ServiceAccount,
        },
        (api::discovery::v1) { EndpointSlice },
        (api::events::v1) { Event },
        (api::flowcontrol::v1) { FlowSchema, PriorityLevelConfiguration },
        (api::networking::v1) { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR },
        (api::node::v1) { RuntimeClass },
        (api::policy::v1) { Eviction, PodDisruptionBudget },
        (api::rbac::v1) { ClusterRole, ClusterRoleBinding, Role, RoleBinding },
        (api::resource::v1) {
            DeviceClass,
            DeviceTaintRule,
            ResourceClaim,
            ResourceClaimTemplate,
            ResourceSlice,
        },
        (api::scheduling::v1) { PriorityClass },
        (api::storage::v1) {
            CSIDriver,
            CSINode,
            CSIStorageCapacity,
            StorageClass,
            VolumeAttachment,
            VolumeAttributesClass,
        },
        (api::storagemigration::v1) { StorageVersionMigration },
        (apiextensions::v1) { CustomResourceDefinition },
        (apiregistration::v1) { APIService },
        (meta::v1) { APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions, ListMeta, Status },
    );
    let mut definitions: Definitions = generator.take_definitions(true).into_iter().collect();
    definitions.values_mut().for_each(let_metadata_be_absent);
    definitions
}

/// What no kind holds, but what documents tell of.
fn for_documents() -> Definitions {
    let mut generator = generator();
    register!(generator, (version) { Info }, (meta::v1) { Patch });
    generator.subschema_for::<meta::v1::WatchEvent<()>>();
    let mut definitions: Definitions = generator.take_definitions(true).into_iter().collect();
    definitions.retain(|name, _| !name.ends_with(".RawExtension"));
    definitions.values_mut().for_each(describe_field);
    definitions
}

/// k8s-openapi tells of the event's object with the event.
fn describe_field(schema: &mut Value) {
    let Some((whole, field)) = schema["description"].as_str().and_then(|text| text.split_once("\n\n")) else {
        return;
    };
    let (whole, field) = (whole.to_owned(), field.trim_end().to_owned());
    schema["description"] = whole.into();
    schema["properties"]["object"]["description"] = field.into();
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .into_generator()
}

/// k8s-openapi's types always have `metadata`; upstream's documents require it of nobody.
fn let_metadata_be_absent(schema: &mut Value) {
    let Some(Value::Array(required)) = schema.get_mut("required") else { return };
    required.retain(|name| name != "metadata");
    if required.is_empty() {
        schema.as_object_mut().map(|schema| schema.remove("required"));
    }
}

/// The definitions of orch's own kinds, with markers in place.
fn own() -> Definitions {
    serde_json::from_str(&read(OWN)).unwrap_or_else(|error| panic!("{OWN}: {error}"))
}

/// Types without fields, which upstream's documents do not tell from those that may have any.
const EMPTY_STRUCTS: [&str; 1] = [".CustomResourceSubresourceStatus"];

/// `type: object` alone means "any object" in upstream's documents (`RawExtension`, `FieldsV1`).
fn open_free_form(schema: &mut Value) {
    if let Value::Object(map) = schema {
        let bare = map.get("type").is_some_and(|t| t == "object")
            && !map.contains_key("properties")
            && !map.contains_key("additionalProperties");
        if bare {
            map.insert("x-kubernetes-preserve-unknown-fields".into(), true.into());
            // Whose it is, is told of the whole.
            map.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
    }
    each_subschema(schema, &mut open_free_form);
}

fn drop_dialect(schema: &mut Value) {
    schema.as_object_mut().map(|map| map.remove("$schema"));
}

/// What only readers look at.
fn drop_words(schema: &mut Value) {
    if let Value::Object(map) = schema {
        for key in ["description", "enum", "x-kubernetes-unions"] {
            map.remove(key);
        }
    }
    each_subschema(schema, &mut drop_words);
}

fn each_subschema(schema: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let Value::Object(map) = schema else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(&mut *visit);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            visit(child);
        }
    }
}

/// Each line names a definition or one of its fields, and its markers:
/// `io.k8s.api.core.v1.PodSpec.containers list=map keys=name merge=name strategy=merge`. `[]` after a
/// field is its items, `{}` its values, `%20` a space in a value. The table tells of every stable type, some of which no kind here
/// holds.
fn apply_markers(definitions: &mut Definitions, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (path, markers) =
            line.split_once(' ').unwrap_or_else(|| panic!("{MARKERS}: no markers in {line}"));
        let Some(schema) = locate(definitions, path) else {
            let known = path.rsplit_once('.').is_some_and(|(name, _)| definitions.contains_key(name));
            assert!(!known, "{MARKERS}: unknown field {path}");
            continue;
        };
        for marker in markers.split_whitespace() {
            mark(schema, marker);
        }
    }
}

fn locate<'d>(definitions: &'d mut Definitions, path: &str) -> Option<&'d mut Map<String, Value>> {
    if definitions.contains_key(path) {
        return definitions.get_mut(path)?.as_object_mut();
    }
    let below = [("[]", "items"), ("{}", "additionalProperties")];
    if let Some((field, key)) = below.iter().find_map(|(end, key)| Some((path.strip_suffix(end)?, key))) {
        return locate(definitions, field)?.get_mut(*key)?.as_object_mut();
    }
    let (definition, field) = path.rsplit_once('.')?;
    definitions.get_mut(definition)?.get_mut("properties")?.get_mut(field)?.as_object_mut()
}

fn mark(schema: &mut Map<String, Value>, marker: &str) {
    let (key, value) = marker.split_once('=').unwrap_or_else(|| panic!("{MARKERS}: {marker} has no value"));
    let value = &value.replace("%20", " ");
    let words = || Value::from(value.split(',').collect::<Vec<_>>());
    let (key, value): (&str, Value) = match key {
        "list" => ("x-kubernetes-list-type", value.as_str().into()),
        "keys" => ("x-kubernetes-list-map-keys", words()),
        "merge" => ("x-kubernetes-patch-merge-key", value.as_str().into()),
        "strategy" => ("x-kubernetes-patch-strategy", value.as_str().into()),
        "map" => ("x-kubernetes-map-type", value.as_str().into()),
        "default" => ("default", serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into())),
        "enum" => {
            describe_values(schema, value);
            ("enum", words())
        }
        "union" => return add_union(schema, value),
        // Of documents alone: see `apply_published`.
        "required" | "type" => return,
        other => panic!("{MARKERS}: unknown marker {other}"),
    };
    schema.insert(key.into(), value);
}

/// Which fields upstream's documents require, and which definitions they give no type: k8s-openapi has
/// more of both.
fn apply_published(definitions: &mut Definitions, theirs: &[String], table: &str) {
    for name in theirs {
        definitions.get_mut(name).and_then(Value::as_object_mut).map(|schema| schema.remove("required"));
    }
    for (path, markers) in table.lines().filter_map(|line| line.split_once(' ')) {
        let Some(schema) = definitions.get_mut(path).and_then(Value::as_object_mut) else { continue };
        for (key, value) in markers.split(' ').filter_map(|marker| marker.split_once('=')) {
            match key {
                "required" => drop(schema.insert("required".into(), value.split(',').collect())),
                "type" => schema.retain(|key, _| key == "description"),
                _ => {}
            }
        }
    }
}

/// Upstream's descriptions end with the values; what each means is told in words that we do not have.
fn describe_values(schema: &mut Map<String, Value>, values: &str) {
    let Some(Value::String(description)) = schema.get_mut("description") else { return };
    description.push_str("\n\nPossible enum values:");
    for value in values.split(',') {
        description.push_str(&format!("\n - `\"{value}\"`"));
    }
}

/// `type:exempt/Exempt,limited/Limited`: a discriminator, if there is one, and which of its values each
/// field goes with.
fn add_union(schema: &mut Map<String, Value>, text: &str) {
    let (discriminator, fields) = text.split_once(':').unwrap_or(("", text));
    let fields: Map<String, Value> = fields
        .split(',')
        .filter_map(|field| field.split_once('/'))
        .map(|(field, value)| (field.to_owned(), value.into()))
        .collect();
    let mut union = json!({ "fields-to-discriminateBy": fields });
    if !discriminator.is_empty() {
        union["discriminator"] = discriminator.into();
    }
    let unions = schema.entry("x-kubernetes-unions").or_insert_with(|| json!([]));
    unions.as_array_mut().expect("a list").push(union);
}

/// The zero of a field that is always written is its default.
fn apply_zeros(definitions: &mut Definitions, forms: &str) {
    let objects: BTreeSet<String> =
        definitions.iter().filter(|(_, schema)| is_struct(schema)).map(|(name, _)| name.clone()).collect();
    for line in forms.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, fields)) = line.split_once(' ') else { continue };
        for field in fields.split(' ').filter_map(|field| field.strip_suffix("=a")) {
            let Some(schema) = locate(definitions, &format!("{name}.{field}")) else { continue };
            if let Some(zero) = zero(schema, &objects) {
                schema.entry("default").or_insert(zero);
            }
        }
    }
}

fn is_struct(schema: &Value) -> bool {
    schema["type"] == "object" && schema["properties"].is_object()
}

fn zero(schema: &Map<String, Value>, objects: &BTreeSet<String>) -> Option<Value> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or(target);
        return objects.contains(name).then(|| json!({}));
    }
    match (schema.get("type")?.as_str()?, schema.get("format").and_then(Value::as_str)) {
        ("string", None) => Some("".into()),
        ("integer" | "number", _) => Some(0.into()),
        ("boolean", _) => Some(false.into()),
        _ => None,
    }
}

/// Says of each field of upstream's types how it is written when it is zero: `x-form` is a letter of
/// `data/forms.txt`; fields without are left out when they are absent, and only then.
fn apply_forms(definitions: &mut Definitions, theirs: &[String], table: &str) {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let listed: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(' ')).collect();
    for name in theirs {
        let exceptions = listed.get(name.as_str()).copied().unwrap_or_default();
        let forms: BTreeMap<&str, &str> =
            exceptions.split(' ').filter_map(|field| field.split_once('=')).collect();
        let properties = definitions.get_mut(name).and_then(|schema| schema.get_mut("properties"));
        let properties = properties.and_then(Value::as_object_mut);
        for (field, schema) in properties.into_iter().flatten() {
            let usual = if is_left_out_when_empty(schema) { "z" } else { "p" };
            let form = forms.get(field.as_str()).copied().unwrap_or(usual);
            if let Some(schema) = schema.as_object_mut().filter(|_| form != "p") {
                schema.insert("x-form".into(), form.into());
            }
        }
    }
}

/// What decode errors call a field, where the schema does not say: `x-go` is an entry of `data/types.txt`.
fn apply_types(definitions: &mut Definitions, table: &str) {
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, fields)) = line.split_once(' ') else { continue };
        let properties = definitions.get_mut(name).and_then(|schema| schema.get_mut("properties"));
        let Some(properties) = properties.and_then(Value::as_object_mut) else { continue };
        for (field, called) in fields.split(' ').filter_map(|field| field.split_once('=')) {
            if let Some(schema) = properties.get_mut(field).and_then(Value::as_object_mut) {
                schema.insert("x-go".into(), called.into());
            }
        }
    }
}

/// Strings, lists and maps.
fn is_left_out_when_empty(schema: &Value) -> bool {
    match schema["type"].as_str() {
        Some("array") => true,
        Some("string") => schema["format"] != "date-time",
        Some("object") => schema["additionalProperties"].is_object(),
        _ => false,
    }
}

fn write(name: &str, definitions: &Definitions) {
    let directory = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let file = fs::File::create(Path::new(&directory).join(name)).expect("OUT_DIR is writable");
    let mut encoder = DeflateEncoder::new(file, Compression::best());
    for (name, schema) in definitions {
        writeln!(encoder, "{name}\t{schema}").expect("OUT_DIR is writable");
    }
    encoder.finish().expect("OUT_DIR is writable");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
