//! Schemas of the API types: what the structural decode, strategic merge, apply and pruning ask.
//!
//! Built-in types come from data made by `build.rs`; custom resources bring JSON Schema at run time.
//! Both end in the same form: interned names and flat tables without descriptions, some hundred
//! kilobytes for all of Kubernetes. Descriptions stay compressed until OpenAPI asks for them.

mod builtin;
mod decode;
mod load;
mod parse;
mod shape;

use std::collections::HashMap;

pub(crate) use builtin::with_object_fields;
pub use builtin::{definitions_digest, full_definitions};
pub use decode::{Decoded, base64_fault, decode};
pub use parse::{JsonError, parse_json, paths};
use serde_json::Value;
pub use shape::{drop_zeros, fill, shape};

/// A set of definitions that refer to one another by name.
#[derive(Debug, Default)]
pub struct Schemas {
    names: Vec<Box<str>>,
    nodes: Vec<NodeData>,
    fields: Vec<FieldData>,
    required: Vec<NameId>,
    keys: Vec<Vec<String>>,
    defaults: Vec<Value>,
    definitions: HashMap<Box<str>, NodeId>,
}

/// Index into `Schemas::names`.
type NameId = u32;
/// Index into `Schemas::nodes`.
type NodeId = u32;
/// No name, node, keys or default.
const NONE: u32 = u32::MAX;

/// One schema. Markers belong to the place of use, structure to the definition it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct NodeData {
    value_type: ValueType,
    /// The referenced definition; then every structural part is read from there.
    target: NodeId,
    fields: (u32, u32),
    required: (u32, u32),
    /// Of an array the items, of a map the values.
    child: NodeId,
    list: ListKind,
    keys: u32,
    merge_key: NameId,
    strategies: PatchStrategies,
    /// Where a field says it, that counts, and not what its definition says.
    atomic: Option<bool>,
    preserves_unknown: bool,
    embedded: bool,
    default: u32,
    format: NameId,
    definition: NameId,
}

#[derive(Debug)]
struct FieldData {
    name: NameId,
    node: NodeId,
    form: Form,
    /// What Go calls it: `VolumeSource/`, `/v1.PullPolicy`.
    go: NameId,
}

/// How upstream's types write a field that is absent or zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    /// Left out when it is absent, and only then.
    #[default]
    Optional,
    /// Left out when it is zero: empty, 0 or false.
    NotZero,
    /// Always written, a zero of its type at least.
    Always,
    /// Always written, absent as null.
    Nullable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ListKind {
    Unset,
    Atomic,
    Set,
    Map,
}

/// What a value is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Named fields.
    Object,
    /// Free keys, all values of one schema.
    Map,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    /// A string or number such as `500m`, `1Gi`.
    Quantity,
    /// RFC 3339, seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    /// base64 in a string.
    Bytes,
    /// No schema: kept as it is.
    Any,
}

/// How two versions of a list are merged (`x-kubernetes-list-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListType<'a> {
    /// Replaced whole.
    Atomic,
    /// Of scalars, each at most once.
    Set,
    /// Of objects told apart by these fields.
    Map(&'a [String]),
}

/// Strategic merge's directives for a field (`x-kubernetes-patch-strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PatchStrategies {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
}

impl Schemas {
    /// Every built-in type, decoded on first use.
    pub fn builtin() -> &'static Schemas {
        builtin::schemas()
    }

    /// The schema of a custom resource's version, its `apiVersion`, `kind` and `metadata` completed as
    /// upstream does. `definition` is the name that `root` answers to.
    pub fn custom_resource(definition: &str, schema: &Value) -> Schemas {
        let schema = with_object_fields(schema);
        let mut loader = load::Loader::default();
        builtin::define_metadata(&mut loader);
        loader.define(definition, &schema);
        loader.finish()
    }

    /// `io.k8s.api.core.v1.Pod`
    pub fn root(&self, definition: &str) -> Option<Node<'_>> {
        self.definitions.get(definition).map(|&index| Node { schemas: self, index })
    }

    /// Names of all definitions, in no order.
    pub fn definitions(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(|name| &**name)
    }

    fn name(&self, id: NameId) -> Option<&str> {
        self.names.get(id as usize).map(|name| &**name)
    }
}

/// A cursor into a schema; references are resolved on the way.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    schemas: &'a Schemas,
    index: NodeId,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("index", &self.index).field("data", self.data()).finish()
    }
}

impl<'a> Node<'a> {
    fn data(&self) -> &'a NodeData {
        &self.schemas.nodes[self.index as usize]
    }

    /// The node that says what the value looks like: this one or the definition it refers to.
    fn structure(&self) -> &'a NodeData {
        match self.data().target {
            NONE => self.data(),
            target => &self.schemas.nodes[target as usize],
        }
    }

    fn at(&self, index: NodeId) -> Option<Node<'a>> {
        (index != NONE).then_some(Node { schemas: self.schemas, index })
    }

    fn field_data(&self) -> &'a [FieldData] {
        let (start, end) = self.structure().fields;
        &self.schemas.fields[start as usize..end as usize]
    }

    pub fn value_type(&self) -> ValueType {
        self.structure().value_type
    }

    /// The schema of a named field of an object; of a map, the schema of its values.
    pub fn field(&self, name: &str) -> Option<Node<'a>> {
        self.named_field(name).map(|(_, node)| node).or_else(|| self.values())
    }

    /// A field that the schema names, with the schema's own copy of the name.
    pub fn named_field(&self, name: &str) -> Option<(&'a str, Node<'a>)> {
        let fields = self.field_data();
        let position = fields
            .binary_search_by(|field| self.schemas.names[field.name as usize].as_ref().cmp(name))
            .ok()?;
        Some((self.schemas.name(fields[position].name)?, self.at(fields[position].node)?))
    }

    /// What upstream's decoder calls a field: the struct embedded that has it, and its Go type; either is
    /// empty where the schema says it.
    fn called(&self, name: &str) -> (&'a str, &'a str) {
        let fields = self.field_data();
        let position =
            fields.binary_search_by(|field| self.schemas.names[field.name as usize].as_ref().cmp(name));
        let called = position.ok().and_then(|position| self.schemas.name(fields[position].go));
        called.and_then(|called| called.split_once('/')).unwrap_or_default()
    }

    /// The named fields, in order of their names.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a> {
        let schemas = self.schemas;
        self.field_data()
            .iter()
            .filter_map(move |field| Some((schemas.name(field.name)?, Node { schemas, index: field.node })))
    }

    /// The schema of an array's items.
    pub fn items(&self) -> Option<Node<'a>> {
        if self.value_type() == ValueType::Array { self.at(self.structure().child) } else { None }
    }

    /// The schema of a map's values (`additionalProperties`).
    pub fn values(&self) -> Option<Node<'a>> {
        match self.value_type() {
            ValueType::Map | ValueType::Object => self.at(self.structure().child),
            _ => None,
        }
    }

    /// Whether upstream's type writes a field though it is absent.
    pub fn always_writes(&self, name: &str) -> bool {
        let names = &self.schemas.names;
        let field = self.field_data().iter().find(|field| names[field.name as usize].as_ref() == name);
        field.is_some_and(|field| matches!(field.form, Form::Always | Form::Nullable))
    }

    /// Names of the fields that must be there.
    pub fn required(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let schemas = self.schemas;
        let (start, end) = self.structure().required;
        schemas.required[start as usize..end as usize].iter().filter_map(move |&id| schemas.name(id))
    }

    pub fn list_type(&self) -> ListType<'a> {
        let marked = if self.data().list == ListKind::Unset { self.structure() } else { self.data() };
        match marked.list {
            ListKind::Unset | ListKind::Atomic => ListType::Atomic,
            ListKind::Set => ListType::Set,
            ListKind::Map => match self.schemas.keys.get(marked.keys as usize) {
                Some(keys) => ListType::Map(keys),
                None => ListType::Atomic,
            },
        }
    }

    /// Objects and maps that apply owns as one value.
    pub fn is_atomic_map(&self) -> bool {
        self.data().atomic.or(self.structure().atomic).unwrap_or(false)
    }

    /// The field by which strategic merge pairs the items of a list.
    pub fn merge_key(&self) -> Option<&'a str> {
        self.schemas.name(self.data().merge_key)
    }

    pub fn patch_strategies(&self) -> PatchStrategies {
        self.data().strategies
    }

    /// Unknown fields are kept instead of pruned.
    pub fn preserves_unknown(&self) -> bool {
        self.structure().preserves_unknown || self.data().preserves_unknown
    }

    /// A whole object with `apiVersion`, `kind` and `metadata` (`x-kubernetes-embedded-resource`).
    pub fn is_embedded_resource(&self) -> bool {
        self.structure().embedded
    }

    /// The value an absent field has, for list keys and custom resources.
    pub fn default_value(&self) -> Option<&'a Value> {
        let own = self.data().default;
        let index = if own == NONE { self.structure().default } else { own };
        self.schemas.defaults.get(index as usize)
    }

    /// `int32`, `int64`, `double`, …
    pub fn format(&self) -> Option<&'a str> {
        self.schemas.name(self.structure().format)
    }

    /// The definition this node is, or refers to: `io.k8s.api.core.v1.Pod`.
    pub fn definition(&self) -> Option<&'a str> {
        self.schemas.name(self.structure().definition)
    }

    /// The Go type's name, as decode errors print it: `PodSpec`.
    pub fn type_name(&self) -> Option<&'a str> {
        self.definition().map(|name| name.rsplit('.').next().unwrap_or(name))
    }
}

#[cfg(test)]
mod tests;
