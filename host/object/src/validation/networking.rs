//! Ingresses, network policies, and the addresses of Services
//! (`pkg/apis/networking/validation/validation.go`).

mod address;
mod ingress;
mod policy;

pub(crate) use address::{validate_address, validate_range};
pub(crate) use ingress::{validate_ingress, validate_ingress_class, validate_ingress_status};
pub(crate) use policy::{validate_policy, warn_of_policy};
