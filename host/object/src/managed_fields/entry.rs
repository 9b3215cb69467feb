//! The list `metadata.managedFields`.

use serde_json::{Map, Value, json};

use super::{FieldManager, FieldSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
    /// RFC 3339 in UTC, or empty.
    pub time: String,
    pub fields: FieldSet,
}

impl Entry {
    pub fn new(manager: &FieldManager<'_>, operation: Operation, fields: FieldSet) -> Self {
        Entry {
            manager: manager.name().to_owned(),
            operation,
            api_version: manager.api_version.to_owned(),
            subresource: manager.subresource.to_owned(),
            time: manager.time(),
            fields,
        }
    }

    /// An applier is the same whatever version it speaks; an updater is not.
    pub fn belongs_to(&self, manager: &FieldManager<'_>, operation: Operation) -> bool {
        self.operation == operation
            && self.manager == manager.name()
            && self.subresource == manager.subresource
            && (operation == Operation::Apply || self.api_version == manager.api_version)
    }

    fn order(&self) -> (Operation, &str, &str, &str, &str) {
        (self.operation, &self.time, &self.manager, &self.api_version, &self.subresource)
    }

    fn into_wire(self) -> Value {
        let mut wire = json!({
            "manager": self.manager,
            "operation": match self.operation { Operation::Apply => "Apply", Operation::Update => "Update" },
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
        });
        wire["fieldsV1"] = self.fields.into_wire();
        if !self.time.is_empty() {
            wire["time"] = self.time.into();
        }
        if !self.subresource.is_empty() {
            wire["subresource"] = self.subresource.into();
        }
        wire
    }
}

fn take(wire: &mut Map<String, Value>, name: &str) -> String {
    match wire.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Entries whose sets were written here are taken as they are; a client's are checked first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stored,
    Client,
}

fn read(wire: Value, origin: Origin) -> Result<Entry, String> {
    let Value::Object(mut wire) = wire else { return Err("an entry is no object".to_owned()) };
    let operation = match take(&mut wire, "operation").as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    let api_version = take(&mut wire, "apiVersion");
    if api_version.is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match take(&mut wire, "fieldsType").as_str() {
        "FieldsV1" => {}
        "" => return Err("missing fieldsType in managed fields entry".to_owned()),
        other => return Err(format!("invalid fieldsType {other:?} in managed fields entry")),
    }
    let fields = wire.remove("fieldsV1").unwrap_or_default();
    let fields = match origin {
        Origin::Stored => FieldSet::from_own_wire(fields),
        Origin::Client => FieldSet::from_wire(&fields)?,
    };
    Ok(Entry {
        manager: take(&mut wire, "manager"),
        operation,
        api_version,
        subresource: take(&mut wire, "subresource"),
        time: take(&mut wire, "time"),
        fields,
    })
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Entries(pub Vec<Entry>);

impl Entries {
    /// Of an object from the store; what cannot be read counts as untracked.
    pub fn stored(object: Option<&Value>) -> Self {
        let wire = object.and_then(|o| o.pointer("/metadata/managedFields")).and_then(Value::as_array);
        let read = |entry: &Value| read(entry.clone(), Origin::Stored);
        let entries = wire.into_iter().flatten().map(read).collect::<Result<_, _>>();
        Entries(entries.unwrap_or_default())
    }

    /// The same, taken over from a client that sends back what is stored.
    pub fn returned(wire: Vec<Value>) -> Self {
        let entries: Result<Vec<_>, _> = wire.into_iter().map(|entry| read(entry, Origin::Stored)).collect();
        Entries(entries.unwrap_or_default())
    }

    pub fn from_client(wire: Vec<Value>) -> Result<Self, String> {
        let entries: Result<Vec<_>, _> = wire.into_iter().map(|entry| read(entry, Origin::Client)).collect();
        entries.map(Entries)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn position(&self, manager: &FieldManager<'_>, operation: Operation) -> Option<usize> {
        self.0.iter().position(|entry| entry.belongs_to(manager, operation))
    }

    /// Takes paths from everybody; who has none left goes.
    pub fn subtract(&mut self, fields: &FieldSet) {
        self.0.retain_mut(|entry| {
            entry.fields.subtract(fields);
            !entry.fields.is_empty()
        });
    }

    /// Adds what an update changed to its manager's entry.
    pub fn add_update(&mut self, manager: &FieldManager<'_>, fields: FieldSet) {
        match self.position(manager, Operation::Update) {
            Some(own) => {
                self.0[own].fields.add(&fields);
                self.0[own].time = manager.time();
            }
            None => self.0.push(Entry::new(manager, Operation::Update, fields)),
        }
    }

    /// More than ten updaters: the oldest of each version are folded into one called `ancient-changes`.
    pub fn cap(&mut self) {
        const MOST: usize = 10;
        const BUCKET: &str = "ancient-changes";
        let mut excess =
            self.0.iter().filter(|e| e.operation == Operation::Update).count().saturating_sub(MOST);
        if excess == 0 {
            return;
        }
        self.sort();
        let mut oldest: Vec<Entry> = Vec::new();
        let mut kept = Vec::with_capacity(self.0.len());
        for entry in std::mem::take(&mut self.0) {
            if entry.operation == Operation::Apply || excess == 0 {
                kept.push(entry);
                continue;
            }
            match oldest.iter_mut().find(|first| first.api_version == entry.api_version) {
                Some(bucket) => {
                    bucket.manager = BUCKET.to_owned();
                    bucket.subresource = String::new();
                    bucket.time = entry.time;
                    bucket.fields.add(&entry.fields);
                    excess -= 1;
                }
                None => oldest.push(entry),
            }
        }
        kept.extend(oldest);
        self.0 = kept;
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Writes the list into an object that has none.
    pub fn write(mut self, object: &mut Value) {
        if self.is_empty() {
            return;
        }
        self.sort();
        let wire = self.0.into_iter().map(Entry::into_wire).collect();
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("managedFields".to_owned(), Value::Array(wire));
        }
    }
}

/// Takes `metadata.managedFields` out of an object.
pub(crate) fn take_managed_fields(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}
