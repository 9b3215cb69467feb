//! Values of Kubernetes' own libraries.

use super::authorizer::{Authorizer, Decision, ResourceCheck};
use super::formats::NamedFormat;
use super::network::Cidr;
use super::semver::Semver;
use super::url::Url;
use crate::Quantity;

#[derive(Debug, Clone)]
pub enum Native {
    Quantity(Quantity),
    Url(Url),
    Ip(std::net::IpAddr),
    Cidr(Cidr),
    Format(&'static NamedFormat),
    Semver(Semver),
    Authorizer(Authorizer),
    PathCheck { authorizer: Authorizer, path: String },
    GroupCheck { authorizer: Authorizer, group: String },
    ResourceCheck(ResourceCheck),
    Decision(Decision),
}

impl Native {
    pub fn type_name(&self) -> &'static str {
        match self {
            Native::Quantity(_) => "kubernetes.Quantity",
            Native::Url(_) => "kubernetes.URL",
            Native::Ip(_) => "net.IP",
            Native::Cidr(_) => "net.CIDR",
            Native::Format(_) => "kubernetes.NamedFormat",
            Native::Semver(_) => "kubernetes.Semver",
            Native::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Native::PathCheck { .. } => "kubernetes.authorization.PathCheck",
            Native::GroupCheck { .. } => "kubernetes.authorization.GroupCheck",
            Native::ResourceCheck(_) => "kubernetes.authorization.ResourceCheck",
            Native::Decision(_) => "kubernetes.authorization.Decision",
        }
    }

    /// What `string(value)` gives, for those that have such a conversion.
    pub(in crate::cel) fn print(&self) -> Option<String> {
        match self {
            Native::Ip(address) => Some(address.to_string()),
            Native::Cidr(cidr) => Some(cidr.to_string()),
            _ => None,
        }
    }
}

/// What stands for a person's rights is never equal to anything.
impl PartialEq for Native {
    fn eq(&self, other: &Native) -> bool {
        match (self, other) {
            (Native::Quantity(a), Native::Quantity(b)) => a == b,
            (Native::Url(a), Native::Url(b)) => a == b,
            (Native::Ip(a), Native::Ip(b)) => a == b,
            (Native::Cidr(a), Native::Cidr(b)) => a == b,
            (Native::Format(a), Native::Format(b)) => a.name == b.name,
            (Native::Semver(a), Native::Semver(b)) => a == b,
            _ => false,
        }
    }
}
