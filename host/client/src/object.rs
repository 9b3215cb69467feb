//! Objects as those hold them who keep many.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Where an object's value comes from. In process that is the watch cache, which has its bytes anyway.
pub trait Document: Send + Sync + 'static {
    /// Parsed anew when nobody has asked lately.
    fn value(&self) -> Arc<Value>;
    /// Its JSON.
    fn text(&self) -> String;
}

/// One version of an object. Its parsed form takes many times the room of its bytes: keep this, and ask
/// it for the value.
#[derive(Clone)]
pub struct Object(Source);

#[derive(Clone)]
enum Source {
    Document(Arc<dyn Document>),
    Value(Arc<Value>),
}

impl Object {
    pub fn of(document: Arc<dyn Document>) -> Self {
        Object(Source::Document(document))
    }

    pub fn value(&self) -> Arc<Value> {
        match &self.0 {
            Source::Document(document) => document.value(),
            Source::Value(value) => value.clone(),
        }
    }

    /// Its JSON, without parsing where it is there.
    pub fn text(&self) -> String {
        match &self.0 {
            Source::Document(document) => document.text(),
            Source::Value(value) => value.to_string(),
        }
    }
}

impl From<Arc<Value>> for Object {
    fn from(value: Arc<Value>) -> Self {
        Object(Source::Value(value))
    }
}

/// How an informer keeps its objects.
pub trait Kept: Clone + Send + Sync + 'static {
    fn keep(object: Object) -> Self;
    fn value(&self) -> Arc<Value>;
}

impl Kept for Object {
    fn keep(object: Object) -> Self {
        object
    }
    fn value(&self) -> Arc<Value> {
        self.value()
    }
}

/// Parsed, and so it stays.
impl Kept for Arc<Value> {
    fn keep(object: Object) -> Self {
        object.value()
    }
    fn value(&self) -> Arc<Value> {
        self.clone()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(formatter)
    }
}
