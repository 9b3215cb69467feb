//! Objects, lists and watch events in the form the client asked for.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use super::negotiate::Form;
use crate::verbs::{Listed, WatchItem};

/// One object.
pub fn object(kind: &Kind, bytes: Bytes, value: &Arc<Value>, form: Form) -> Bytes {
    match form {
        Form::Object | Form::Discovery => bytes,
        Form::Metadata => partial(value).to_string().into(),
        Form::Table => {
            table(kind, std::slice::from_ref(value), list_meta(None, None, None), true).to_string().into()
        }
    }
}

/// A list: a frame around the items' own bytes.
pub fn list(listed: &Listed, form: Form) -> Bytes {
    let revision = listed.revision.to_string();
    let metadata = list_meta(Some(&revision), listed.continue_token.as_deref(), listed.remaining);
    match form {
        Form::Object | Form::Discovery => framed(listed, &metadata),
        Form::Metadata => {
            let items: Vec<Value> = listed.items.iter().map(|o| partial(&o.value())).collect();
            json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                "metadata": metadata, "items": items,
            })
            .to_string()
            .into()
        }
        Form::Table => {
            let values: Vec<Arc<Value>> = listed.items.iter().map(|o| o.value()).collect();
            table(&listed.kind, &values, metadata, true).to_string().into()
        }
    }
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

/// `PartialObjectMetadata`
fn partial(value: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": value["metadata"],
    })
}

/// `Table`; `columns` false leaves the headers out, as watch events after the first do.
fn table(kind: &Kind, values: &[Arc<Value>], metadata: Value, columns: bool) -> Value {
    crate::encode::table::render(kind, values, metadata, columns)
}

/// Writes watch events, each a line.
pub struct WatchEncoder {
    pub kind: Arc<Kind>,
    pub form: Form,
    first: bool,
}

impl WatchEncoder {
    pub fn new(kind: Arc<Kind>, form: Form) -> Self {
        WatchEncoder { kind, form, first: true }
    }

    pub fn encode(&mut self, item: Result<WatchItem, Status>) -> Bytes {
        let (event, payload) = match item {
            Ok(WatchItem::Added(payload)) => ("ADDED", payload),
            Ok(WatchItem::Modified(payload)) => ("MODIFIED", payload),
            Ok(WatchItem::Deleted(payload)) => ("DELETED", payload),
            Ok(WatchItem::Bookmark(payload)) => ("BOOKMARK", payload),
            Err(status) => return frame("ERROR", status.to_json().to_string().as_bytes()),
        };
        match self.form {
            Form::Object | Form::Discovery => frame(event, payload.bytes()),
            Form::Metadata => frame(event, partial(&payload.value()).to_string().as_bytes()),
            Form::Table => {
                let value = payload.value();
                let revision = value["metadata"]["resourceVersion"].as_str().map(String::from);
                let metadata = list_meta(revision.as_deref(), None, None);
                let columns = std::mem::take(&mut self.first);
                let rows: &[Arc<Value>] =
                    if event == "BOOKMARK" { &[] } else { std::slice::from_ref(&value) };
                frame(event, table(&self.kind, rows, metadata, columns).to_string().as_bytes())
            }
        }
    }
}

fn frame(event: &str, object: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put(format!("{{\"type\":\"{event}\",\"object\":").as_bytes());
    out.put(object);
    out.put(&b"}\n"[..]);
    out.freeze()
}
