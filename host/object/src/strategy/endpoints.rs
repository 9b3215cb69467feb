//! Endpoints and EndpointSlices.

use serde_json::Value;

use super::{PLAIN, count_generation, default_to, each};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const ENDPOINTS: Strategy = Strategy {
    default: default_endpoints,
    validate: validation::endpoints::validate_endpoints,
    deprecated: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ..PLAIN
};

pub(crate) const SLICE: Strategy = Strategy {
    default: default_slice,
    // Its labels say whose it is: they count, too.
    prepare_update: |new, old| {
        if new["metadata"]["labels"] != old["metadata"]["labels"] {
            count_generation(new, old);
        }
    },
    validate: validation::slice::validate,
    warn: validation::slice::warn,
    ..PLAIN
};

fn default_endpoints(endpoints: &mut Value) {
    for subset in each(endpoints, "subsets") {
        for port in each(subset, "ports") {
            default_to(port, "protocol", "TCP");
        }
    }
}

fn default_slice(slice: &mut Value) {
    for port in each(slice, "ports") {
        default_to(port, "protocol", "TCP");
        default_to(port, "name", "");
    }
}
