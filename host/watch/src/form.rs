//! The parsed form of an object on its way to the store: who wrote it has it, so nobody need parse it again.

use std::sync::{Arc, Weak};

use orch_store::Revision;
use parking_lot::Mutex;
use serde_json::Value;

/// An object as JSON, whose revision is known once it is committed. Held by nobody here after that.
#[derive(Debug)]
pub struct Form(Mutex<State>);

#[derive(Debug)]
enum State {
    Written(Value),
    Committed(Weak<Value>),
}

impl Form {
    /// Of an object whose bytes are stored as they are here.
    pub fn new(object: Value) -> Arc<Form> {
        Arc::new(Form(Mutex::new(State::Written(object))))
    }

    /// The object as it was committed. `None`: nobody held it any more.
    pub fn at(&self, revision: Revision) -> Option<Arc<Value>> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Written(object) => {
                let mut object = std::mem::take(object);
                object["metadata"]["resourceVersion"] = revision.to_string().into();
                let object = Arc::new(object);
                *state = State::Committed(Arc::downgrade(&object));
                Some(object)
            }
            State::Committed(object) => object.upgrade(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_who_ask_share_one_object_while_somebody_holds_it() {
        let form = Form::new(json!({"metadata": {"name": "a"}}));
        let first = form.at(7).unwrap();
        assert_eq!(*first, json!({"metadata": {"name": "a", "resourceVersion": "7"}}));
        assert!(Arc::ptr_eq(&first, &form.at(7).unwrap()));
        drop(first);
        assert_eq!(form.at(7), None);
    }
}
