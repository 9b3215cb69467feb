//! What extends the API.

use super::row::Row;
use crate::{print, strategy};

pub(super) fn rows() -> Vec<Row> {
    let definition = Row {
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        columns: print::definition::columns(),
        generation: true,
        strategy: strategy::definition::STRATEGY,
        ..Row::cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
    };
    vec![definition.with_status()]
}
