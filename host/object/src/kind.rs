//! One table of kinds. A kind is a row; routes, discovery, OpenAPI, authorization, patches,
//! printing, defaulting and validation read the row. Custom resources add rows at run time.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::conversion::Conversion;
use crate::custom::{ConversionWebhook, Custom};
use crate::schema::{Decoded, Node, Schemas, decode, drop_zeros, fill, shape};
use crate::status::{FieldError, Status};
use crate::validation::{declared, metadata};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Cluster,
    Namespaced,
}

/// A part of the object with routes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `binding`, `finalize`, `token`, `log`, `exec`, …
    pub name: String,
    /// The kind discovery shows for it: `Scale` in `autoscaling/v1`, `Pod` in ``, ….
    pub group: String,
    pub version: String,
    pub kind: String,
    /// `get`, `update`, `patch`, `create`.
    pub verbs: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    String,
    Integer,
    Number,
    Boolean,
    Date,
}

/// How a cell's value is found: printing is data and pure functions, never handlers.
#[derive(Debug, Clone)]
pub enum Cell {
    /// A dotted path into the object.
    Path(String),
    /// What a definition's author wrote; the first match is shown.
    JsonPath(Arc<JsonPath>),
    /// Computed, for what upstream computes (`READY`, `STATUS`, …).
    Compute(fn(&Value) -> Value),
}

/// A column of `kubectl get`.
#[derive(Debug, Clone)]
pub struct Column {
    /// `Name`, `Ready`, …, as upstream's Table says.
    pub name: String,
    pub column_type: ColumnType,
    /// `name` for the name column, else empty.
    pub format: String,
    pub description: String,
    /// 0: always shown; 1: with `-o wide`.
    pub priority: i32,
    pub cell: Cell,
}

/// How an object gives permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Its `rules`, or those of the roles that its `aggregationRule` selects.
    Rules,
    /// The rules of the role that its `roleRef` names.
    Role,
}

/// Where the objects of a kind come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Store,
    /// The parts of the host are asked how they are.
    Components,
}

/// What `proxy`, `log`, `exec` and their like of an object lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connects {
    /// Its containers, and what listens in them.
    Pod,
    /// What listens behind it.
    Service,
    /// What listens on it, its agent first of all.
    Node,
    /// What it logged.
    Plugin,
}

/// A permission that a write needs beside the write itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    /// The permission on any of these is enough.
    pub names: Vec<String>,
    /// For the 403.
    pub refusal: String,
}

/// What a kind does beyond the generic pipeline. Every hook is a pure function on JSON.
#[derive(Debug, Clone, Copy)]
pub struct Strategy {
    pub source: Source,
    /// Its objects hold those of other kinds: one that is deleted is `Terminating` until what
    /// `spec.finalizers` names has emptied it, and requests about it are made in it.
    pub is_namespace: bool,
    /// `None`: to nothing.
    pub connects: Option<Connects>,
    /// What every answer about it warns of: clients should leave it. Empty: nothing.
    pub deprecated: &'static str,
    /// Fills in defaults, in the object as the client sent it; idempotent.
    pub default: fn(&mut Value),
    /// A new object that has no name gets one.
    pub names_itself: bool,
    /// Before validation of a create: clears what clients may not set (status), allocates what is derived.
    pub prepare_create: fn(&mut Value),
    /// Before validation of an update of the main resource: `(new, old)`; restores what it may not change.
    pub prepare_update: fn(&mut Value, &Value),
    /// Set for kinds whose objects are ended by the server itself: what the first delete does, at an RFC 3339
    /// time, in place of everything else.
    pub begin_delete: Option<fn(&mut Value, &str)>,
    /// Seconds between a delete, with the `gracePeriodSeconds` that it asks for, and the removal, while an
    /// agent ends the object gracefully (30 for a running Pod that nothing was asked of, 0 when nobody has
    /// to); `None`: objects of this kind go at once (unless finalizers hold them).
    pub grace_period: fn(&Value, Option<i64>) -> Option<i64>,
    /// What is wrong, as upstream would name it. `old` is set for updates (immutability).
    pub validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
    /// What a client is warned of when a write of the main resource is good.
    pub warn: fn(&Value, Option<&Value>) -> Vec<String>,
    /// Set where a delete that does not say what becomes of the dependents leaves them alone: what its client
    /// is warned of.
    pub warn_of_orphans: &'static str,
    /// Set for kinds that give permissions: nobody gives what they do not have.
    pub grants: Option<Grants>,
    /// What its writer must be allowed beside the write itself: `(new, old, sub-resource)`.
    #[allow(clippy::type_complexity)] // one hook, named by its field
    pub demands: fn(&Value, Option<&Value>, &str) -> Option<Demand>,
    /// Writes into a new object who made it: `(object, user)`, the latter as `userInfo` of a SelfSubjectReview.
    pub record_requester: Option<fn(&mut Value, &Value)>,
    /// What a sub-resource that is neither `status` nor like it may not change: `(new, old, sub-resource)`.
    pub keep_rest: fn(&mut Value, &Value, &str),
    /// Before validation of a write to `status` or a sub-resource like it: `(new, old, sub-resource, now)`,
    /// the time in RFC 3339.
    pub prepare_part: fn(&mut Value, &Value, &str, &str),
    /// Paths that a write to `status` leaves alone, so that nobody comes to own them by one
    /// (upstream's `GetResetFields`).
    pub reset_by_status: &'static [&'static str],
    /// What is wrong with such a write, where that differs from an update: `(new, old, sub-resource, now)`.
    #[allow(clippy::type_complexity)] // one hook, named by its field
    pub validate_part: Option<fn(&Value, &Value, &str, &str) -> Vec<FieldError>>,
}

impl Default for Strategy {
    /// Of a kind about which nothing is special.
    fn default() -> Strategy {
        crate::strategy::PLAIN
    }
}

/// One row: one version of one kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Empty for core.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub scope: Scope,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    /// `create delete deletecollection get list patch update watch`, or fewer.
    pub verbs: Vec<String>,
    pub subresources: Vec<Subresource>,
    pub columns: Vec<Column>,
    /// Field paths selectors may name beside `metadata.name` and `metadata.namespace`.
    pub selectable_fields: Vec<String>,
    /// The name of its definition in the schema set: `io.k8s.api.core.v1.Pod`.
    pub schema: String,
    /// True when changes of `spec` count in `metadata.generation`.
    pub has_generation: bool,
    pub strategy: Strategy,
    /// Set for versions whose objects are stored as another's.
    pub conversion: Option<Conversion>,
    /// Set for kinds that a CustomResourceDefinition added.
    pub custom: Option<Arc<Custom>>,
}

impl Kind {
    /// The schema of its objects.
    pub fn node(&self) -> Option<Node<'_>> {
        match &self.custom {
            Some(custom) => custom.schemas().root(&self.schema),
            None => Schemas::builtin().root(&self.schema),
        }
    }

    /// Checks types and drops what the schema does not know, naming both.
    pub fn decode(&self, object: &mut Value) -> Decoded {
        match &self.custom {
            Some(custom) => custom.decode(object),
            None => self.node().map(|node| decode(node, object)).unwrap_or_default(),
        }
    }

    /// Fills in defaults; idempotent.
    pub fn default(&self, object: &mut Value) {
        match &self.custom {
            Some(custom) => custom.default(object),
            None => {
                if let Some(node) = self.node() {
                    drop_zeros(node, object);
                }
                (self.strategy.default)(object)
            }
        }
    }

    /// Gives the object the form that upstream's types give it in JSON: zeros left out or written.
    pub fn shape(&self, object: &mut Value) {
        if let Some(node) = self.node() {
            shape(node, object);
        }
    }

    /// As [`Kind::shape`], an empty list being another thing than none: before it is recorded who sent it.
    pub fn fill(&self, object: &mut Value) {
        if let Some(node) = self.node() {
            fill(node, object);
        }
    }

    pub fn prepare_create(&self, object: &mut Value) {
        if self.custom.is_some() && self.has_subresource("status") {
            object.as_object_mut().map(|fields| fields.remove("status"));
        }
        (self.strategy.prepare_create)(object);
    }

    /// What is wrong, as upstream would name it. `old` is set for updates.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match &self.custom {
            Some(custom) => custom.validate(object, old),
            None => self.with_common(object, old, (self.strategy.validate)(object, old)),
        }
    }

    /// What is wrong with a write to `status` or a sub-resource like it, at an RFC 3339 time.
    pub fn validate_part(&self, object: &Value, old: &Value, part: &str, now: &str) -> Vec<FieldError> {
        match self.strategy.validate_part {
            Some(validate) => self.with_common(object, Some(old), validate(object, old, part, now)),
            None => self.validate(object, Some(old)),
        }
    }

    /// With what is asked of every kind: before its own words of changes, after them what its schema declares.
    fn with_common(&self, object: &Value, old: Option<&Value>, own: Vec<FieldError>) -> Vec<FieldError> {
        let mut errors = old.map(|old| metadata::validate_every_change(object, old)).unwrap_or_default();
        errors.extend(own);
        declared::extend(&self.schema, object, old, &mut errors);
        errors
    }

    /// A stored object as this version of its kind shows it; `None`: as it is stored.
    pub fn present(&self, stored: &Value) -> Option<Value> {
        if let Some(conversion) = &self.conversion {
            return Some((conversion.show)(stored));
        }
        self.custom.as_ref()?.present(stored, &self.api_version())
    }

    /// Whether stored objects are always shown as they are.
    pub fn is_shown_as_stored(&self) -> bool {
        self.conversion.is_none() && self.custom.is_none()
    }

    /// An object of this version in the form it is stored in; `None`: as it is.
    pub fn to_stored(&self, object: &Value) -> Option<Value> {
        if let Some(conversion) = &self.conversion {
            return Some((conversion.store)(object));
        }
        let custom = self.custom.as_ref().filter(|custom| object["apiVersion"] != custom.stored_as)?;
        let mut stored = object.clone();
        stored["apiVersion"] = custom.stored_as.clone().into();
        Some(stored)
    }

    /// Who shows objects that are stored under another version; `None`: the row itself does.
    pub fn conversion_webhook(&self) -> Option<&ConversionWebhook> {
        self.custom.as_ref()?.webhook()
    }

    /// The group under which its objects are stored.
    pub fn stored_group(&self) -> &str {
        self.conversion.as_ref().map_or(&self.group, |conversion| conversion.group)
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
    /// `deployments.apps`, `pods`: as messages and RBAC name it.
    pub fn qualified_resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
    pub fn namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
    pub fn delete_answers_with_object(&self) -> bool {
        RETURNED.contains(&(self.group.as_str(), self.plural.as_str()))
    }
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.iter().any(|s| s.name == name)
    }

    /// Counts a change of anything but `metadata` and `status` in `metadata.generation`. A custom
    /// resource without a `status` sub-resource has nothing special about that field.
    pub fn count_generation(&self, new: &mut Value, old: &Value) {
        let counts_status = self.custom.is_some() && !self.has_subresource("status");
        let counted = |name: &str| name != "metadata" && (counts_status || name != "status");
        if self.has_generation && !same_fields(new, old, counted) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            new["metadata"]["generation"] = generation.into();
        }
    }
}

/// Whether two objects agree in the fields counted; nothing is copied.
fn same_fields(new: &Value, old: &Value, counted: impl Fn(&str) -> bool) -> bool {
    let body =
        |object: &Value| object.as_object().into_iter().flatten().filter(|(name, _)| counted(name)).count();
    let mut fields = new.as_object().into_iter().flatten().filter(|(name, _)| counted(name));
    body(new) == body(old) && fields.all(|(name, value)| old.get(name) == Some(value))
}

/// Kinds whose delete answers with the object instead of a Status (`ReturnDeletedObject`).
const RETURNED: &[(&str, &str)] = &[
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceclaimtemplates"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
    ("storage.k8s.io", "volumeattributesclasses"),
];

/// The table. Cheap to clone; rows are shared.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    rows: Vec<Arc<Kind>>,
    index: Arc<Index>,
}

/// Where the rows of a name stand, in the table's order.
#[derive(Debug, Default)]
struct Index {
    plurals: HashMap<String, Vec<usize>>,
    kinds: HashMap<String, Vec<usize>>,
}

impl Index {
    fn of(rows: &[Arc<Kind>]) -> Self {
        let mut index = Index::default();
        for (at, row) in rows.iter().enumerate() {
            index.plurals.entry(row.plural.clone()).or_default().push(at);
            index.kinds.entry(row.kind.clone()).or_default().push(at);
        }
        index
    }
}

impl Kinds {
    pub fn new(rows: Vec<Kind>) -> Self {
        Kinds::default().with(rows.into_iter().map(Arc::new))
    }
    /// This table with rows added at its end.
    pub fn with(&self, added: impl IntoIterator<Item = Arc<Kind>>) -> Self {
        let rows: Vec<_> = self.rows.iter().cloned().chain(added).collect();
        let index = Arc::new(Index::of(&rows));
        Kinds { rows, index }
    }
    pub fn rows(&self) -> &[Arc<Kind>] {
        &self.rows
    }
    pub fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.find(self.index.plurals.get(plural)?, group, version)
    }
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.find(self.index.kinds.get(kind)?, group, version)
    }
    fn find(&self, places: &[usize], group: &str, version: &str) -> Option<&Arc<Kind>> {
        let mut rows = places.iter().map(|at| &self.rows[*at]);
        rows.find(|kind| kind.group == group && kind.version == version)
    }
}

/// Constructors of `Status` that name a resource; see `status.rs` for the others.
impl Status {
    /// `pods "web-0" not found`
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Status::about(
            kind,
            name,
            404,
            "NotFound",
            format!("{} \"{name}\" not found", kind.qualified_resource()),
        )
    }
    /// `pods "web-0" already exists`
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified_resource());
        Status::about(kind, name, 409, "AlreadyExists", message)
    }
    /// `Operation cannot be fulfilled on pods "web-0": …`
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified_resource());
        Status::about(kind, name, 409, "Conflict", message)
    }
    /// As `conflict`, about the kind by its name: what a delete's preconditions find.
    pub fn conflict_of_kind(kind: &Kind, name: &str, why: &str) -> Self {
        // Upstream names the kind that it keeps, whichever was asked for.
        let group = kind.stored_group();
        let dotted = if group.is_empty() { String::new() } else { format!(".{group}") };
        let message = format!("Operation cannot be fulfilled on {}{dotted} \"{name}\": {why}", kind.kind);
        let mut details = serde_json::json!({ "name": name, "kind": kind.kind });
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Status { details: Some(details), ..Status::new(409, "Conflict", message) }
    }
    /// `pods "web-0" is forbidden: …`
    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.qualified_resource());
        Status::about(kind, name, 403, "Forbidden", message)
    }

    fn about(kind: &Kind, name: &str, code: u16, reason: &str, message: String) -> Self {
        let mut details = serde_json::json!({ "name": name, "kind": kind.plural });
        if !kind.group.is_empty() {
            details["group"] = kind.group.clone().into();
        }
        Status { details: Some(details), ..Status::new(code, reason, message) }
    }
}
