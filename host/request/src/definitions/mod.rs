//! CustomResourceDefinitions at work: the table of kinds follows them, their names are accepted, and
//! their instances go before they do.

mod cleanup;
mod follow;
mod table;

pub use follow::follow;
pub use table::{KindTable, Latest};

use orch_client::{Identity, Resource, Target};

use crate::verbs::Call;

const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";

fn target(name: &str) -> Target {
    Target { name: name.into(), ..Target::all(&Resource::new(GROUP, "v1", PLURAL)) }
}

/// The server itself.
pub(crate) fn call() -> Call {
    Call::new(Identity::new("system:apiserver", &["system:masters"]), "kube-apiserver")
}
