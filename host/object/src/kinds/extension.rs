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
    let service = Row {
        categories: &["api-extensions"],
        columns: print::registration::columns(),
        strategy: strategy::registration::STRATEGY,
        ..Row::cluster("apiregistration.k8s.io/v1", "APIService", "apiservices")
    };
    vec![definition.with_status(), service.with_status()]
}
