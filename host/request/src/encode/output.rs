//! Objects, lists and watch events in the form the client asked for.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use orch_object::table::{IncludeObject, partial_metadata, partial_metadata_list, table};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use super::negotiate::Form;
use crate::verbs::{Listed, WatchItem};

/// The form of an answer, and what a Table's rows carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    pub form: Form,
    pub include: IncludeObject,
}

/// One object.
pub fn object(kind: &Kind, bytes: Bytes, value: &Value, shape: Shape) -> Bytes {
    match shape.form {
        Form::Object | Form::Discovery => bytes,
        Form::Metadata => partial_metadata(value).to_string().into(),
        Form::Table => {
            let revision = value["metadata"]["resourceVersion"].as_str();
            table(kind, [value], shape.include, list_meta(revision, None, None), true).to_string().into()
        }
    }
}

/// A list: a frame around the items' own bytes.
pub fn list(listed: &Listed, shape: Shape) -> Bytes {
    let revision = listed.revision.to_string();
    let metadata = list_meta(Some(&revision), listed.continue_token.as_deref(), listed.remaining);
    if matches!(shape.form, Form::Object | Form::Discovery) {
        return framed(listed, &metadata);
    }
    let values: Vec<Arc<Value>> = listed.items.iter().map(|object| object.value()).collect();
    let values = values.iter().map(|value| &**value);
    match shape.form {
        Form::Table => table(&listed.kind, values, shape.include, metadata, true),
        Form::Metadata | Form::Object | Form::Discovery => partial_metadata_list(values, metadata),
    }
    .to_string()
    .into()
}

fn framed(listed: &Listed, metadata: &Value) -> Bytes {
    let kind = &listed.kind;
    let head = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"metadata\":{metadata},\"items\":[",
        Value::from(kind.api_version()),
        Value::from(kind.list_kind.as_str()),
    );
    let size: usize = listed.items.iter().map(|o| o.bytes.len() + 1).sum();
    let mut out = BytesMut::with_capacity(head.len() + size + 2);
    out.put(head.as_bytes());
    for (index, object) in listed.items.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        out.put(object.bytes.clone());
    }
    out.put(&b"]}"[..]);
    out.freeze()
}

fn list_meta(revision: Option<&str>, continue_token: Option<&str>, remaining: Option<usize>) -> Value {
    let mut metadata = json!({ "resourceVersion": revision.unwrap_or_default() });
    if let Some(token) = continue_token {
        metadata["continue"] = token.into();
    }
    if let Some(remaining) = remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    metadata
}

/// Writes watch events, each a line.
pub struct WatchEncoder {
    kind: Arc<Kind>,
    shape: Shape,
    first: bool,
}

impl WatchEncoder {
    pub fn new(kind: Arc<Kind>, shape: Shape) -> Self {
        WatchEncoder { kind, shape, first: true }
    }

    pub fn encode(&mut self, item: Result<WatchItem, Status>) -> Bytes {
        let (event, payload) = match item {
            Ok(WatchItem::Added(payload)) => ("ADDED", payload),
            Ok(WatchItem::Modified(payload)) => ("MODIFIED", payload),
            Ok(WatchItem::Deleted(payload)) => ("DELETED", payload),
            Ok(WatchItem::Bookmark(payload)) => ("BOOKMARK", payload),
            Err(status) => return frame("ERROR", status.to_json().to_string().as_bytes()),
        };
        match self.shape.form {
            Form::Object | Form::Discovery => frame(event, payload.bytes()),
            Form::Metadata => frame(event, partial_metadata(&payload.value()).to_string().as_bytes()),
            Form::Table => frame(event, self.table(event, &payload.value()).to_string().as_bytes()),
        }
    }

    /// The first carries the headers.
    fn table(&mut self, event: &str, value: &Value) -> Value {
        let metadata = list_meta(value["metadata"]["resourceVersion"].as_str(), None, None);
        let headers = std::mem::take(&mut self.first);
        let rows = Some(value).filter(|_| event != "BOOKMARK");
        table(&self.kind, rows, self.shape.include, metadata, headers)
    }
}

fn frame(event: &str, object: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put(format!("{{\"type\":\"{event}\",\"object\":").as_bytes());
    out.put(object);
    out.put(&b"}\n"[..]);
    out.freeze()
}
