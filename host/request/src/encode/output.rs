//! Objects, lists and watch events in the form the client asked for.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use orch_object::protobuf::{self, ProtobufError};
use orch_object::table::{IncludeObject, partial_metadata, partial_metadata_list, table};
use orch_object::{Kind, Status};
use orch_watch::Object;
use serde_json::{Value, json};

use super::negotiate::{Form, Format};
use super::pieces::Pieces;
use crate::verbs::{Listed, Payload, WatchItem};

/// The form of an answer, and what a Table's rows carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    pub form: Form,
    pub include: IncludeObject,
}

/// One object; its value is asked for where the bytes are not enough.
pub fn object(kind: &Kind, bytes: Bytes, value: impl FnOnce() -> Arc<Value>, shape: Shape) -> Bytes {
    match shape.form {
        Form::Object | Form::Discovery => bytes,
        Form::Metadata => partial_metadata(&value()).to_string().into(),
        Form::Table => {
            let value = &*value();
            let revision = value["metadata"]["resourceVersion"].as_str();
            table(kind, [value], shape.include, list_meta(revision, None, None), true).to_string().into()
        }
    }
}

/// A list: a frame around the items' own bytes.
pub async fn list(listed: Listed, shape: Shape, format: Format) -> Result<Pieces, Status> {
    let revision = (listed.revision > 0).then(|| listed.revision.to_string());
    let metadata = list_meta(revision.as_deref(), listed.continue_token.as_deref(), listed.remaining);
    match (shape.form, format) {
        (Form::Object | Form::Discovery, Format::Protobuf) => list_of_messages(listed, &metadata).await,
        (Form::Object | Form::Discovery, Format::Json | Format::Yaml) => Ok(framed(listed, &metadata)),
        (Form::Table | Form::Metadata, _) => Ok(transformed(&listed, shape, metadata).into()),
    }
}

fn transformed(listed: &Listed, shape: Shape, metadata: Value) -> Bytes {
    let values = listed.items.iter().map(|object| object.glance());
    match shape.form {
        Form::Table => table(&listed.kind, values, shape.include, metadata, true),
        Form::Metadata | Form::Object | Form::Discovery => partial_metadata_list(values, metadata),
    }
    .to_string()
    .into()
}

fn framed(listed: Listed, metadata: &Value) -> Pieces {
    let kind = &listed.kind;
    let mut metadata = metadata.clone();
    // Lists of custom resources always say whether there is more.
    if kind.custom.is_some() && metadata["continue"].is_null() {
        metadata["continue"] = "".into();
    }
    let head = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"metadata\":{metadata},\"items\":[",
        Value::from(kind.api_version()),
        Value::from(kind.list_kind.as_str()),
    );
    let size: usize = listed.items.iter().map(|o| o.bytes.len()).sum();
    let length = head.len() + size + listed.items.len().saturating_sub(1) + 2;
    let items = listed.items.into_iter().enumerate().flat_map(|(index, object)| {
        let comma = if index > 0 { Bytes::from_static(b",") } else { Bytes::new() };
        [comma, object.bytes.clone()]
    });
    let end = std::iter::once(Bytes::from_static(b"]}"));
    Pieces::new(length, std::iter::once(Bytes::from(head)).chain(items).chain(end))
}

/// Objects turned into messages before others on this thread get their turn.
const TURN: usize = 100;

async fn list_of_messages(listed: Listed, metadata: &Value) -> Result<Pieces, Status> {
    let kind = &listed.kind;
    let form = form(kind)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for (index, object) in listed.items.iter().enumerate() {
        items.push(message(form, object)?);
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    let list =
        protobuf::List::new(&kind.api_version(), &kind.list_kind, metadata, items).map_err(unwritable)?;
    Ok(Pieces::new(list.length(), list.into_pieces()))
}

fn form(kind: &Kind) -> Result<protobuf::Form, Status> {
    protobuf::Form::of(kind).ok_or_else(|| {
        unwritable(ProtobufError::UnknownKind { api_version: kind.api_version(), kind: kind.kind.clone() })
    })
}

/// An object's message; made once for all who list or watch it.
fn message(form: protobuf::Form, object: &Object) -> Result<Bytes, Status> {
    object.encoded(|json| form.message(json).map(Bytes::from)).map_err(unwritable)
}

fn unwritable(error: ProtobufError) -> Status {
    tracing::error!(%error, "an object cannot be written as protobuf");
    Status::new(500, "InternalError", format!("the answer cannot be written as protobuf: {error}"))
}

fn list_meta(revision: Option<&str>, continue_token: Option<&str>, remaining: Option<usize>) -> Value {
    let mut metadata = json!({});
    if let Some(revision) = revision {
        metadata["resourceVersion"] = revision.into();
    }
    if let Some(token) = continue_token {
        metadata["continue"] = token.into();
    }
    if let Some(remaining) = remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    metadata
}

/// Writes watch events: each a line of JSON, or a frame of protobuf.
pub struct WatchEncoder {
    kind: Arc<Kind>,
    shape: Shape,
    format: Format,
    first: bool,
}

impl WatchEncoder {
    pub fn new(kind: Arc<Kind>, shape: Shape, format: Format) -> Self {
        WatchEncoder { kind, shape, format, first: true }
    }

    pub fn encode(&mut self, item: Result<WatchItem, Status>) -> Bytes {
        let (event, payload) = match item {
            Ok(WatchItem::Added(payload)) => ("ADDED", payload),
            Ok(WatchItem::Modified(payload)) => ("MODIFIED", payload),
            Ok(WatchItem::Deleted(payload)) => ("DELETED", payload),
            Ok(WatchItem::Bookmark(payload)) => ("BOOKMARK", payload),
            Err(status) => return self.error(&status),
        };
        let framed = match (self.shape.form, self.format) {
            (Form::Object | Form::Discovery, Format::Protobuf) => self.message(event, &payload),
            (Form::Object | Form::Discovery, Format::Json | Format::Yaml) => Ok(line(event, payload.bytes())),
            (Form::Metadata, _) => self.frame(event, &partial_metadata(&payload.value())),
            (Form::Table, _) => {
                let table = self.table(event, &payload.value());
                self.frame(event, &table)
            }
        };
        framed.unwrap_or_else(|status| self.error(&status))
    }

    /// The first carries the headers.
    fn table(&mut self, event: &str, value: &Value) -> Value {
        let metadata = list_meta(value["metadata"]["resourceVersion"].as_str(), None, None);
        let headers = std::mem::take(&mut self.first);
        let rows = Some(value).filter(|_| event != "BOOKMARK");
        table(&self.kind, rows, self.shape.include, metadata, headers)
    }

    fn error(&self, status: &Status) -> Bytes {
        let value = status.to_json();
        self.frame("ERROR", &value).unwrap_or_else(|_| line("ERROR", value.to_string().as_bytes()))
    }

    fn frame(&self, event: &str, value: &Value) -> Result<Bytes, Status> {
        let json = value.to_string();
        match self.format {
            Format::Json | Format::Yaml => Ok(line(event, json.as_bytes())),
            Format::Protobuf => {
                let object = protobuf::encode(json.as_bytes()).map_err(unwritable)?;
                Ok(protobuf::watch_frame(event, &object).into())
            }
        }
    }

    fn message(&self, event: &str, payload: &Payload) -> Result<Bytes, Status> {
        let form = form(&self.kind)?;
        let message = match payload {
            Payload::Shared(object) => message(form, object)?,
            Payload::Own { bytes, .. } => form.message(bytes).map_err(unwritable)?.into(),
        };
        let object = protobuf::enveloped(&self.kind.api_version(), &self.kind.kind, &message);
        Ok(protobuf::watch_frame(event, &object).into())
    }
}

fn line(event: &str, object: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put(format!("{{\"type\":\"{event}\",\"object\":").as_bytes());
    out.put(object);
    out.put(&b"}\n"[..]);
    out.freeze()
}
