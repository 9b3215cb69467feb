//! Who may do what: `system:masters`, then nodes, then RBAC.

mod escalation;
mod node;
mod policy;
mod rbac;

use orch_client::Identity;
use orch_object::Status;

pub use escalation::Grant;
pub use node::pod_nodes;
pub use rbac::Rbac;

/// What is being attempted, in the words of `SubjectAccessReview`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    pub verb: String,
    pub namespace: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub name: String,
    /// Set for requests that are not about resources; the other fields but `verb` are then empty.
    pub path: Option<String>,
}

/// A decision and, when RBAC allowed it, the binding that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allow(String),
    NoOpinion,
}

impl Attributes {
    /// The 403 that clients see, word for word.
    pub fn forbidden(&self, identity: &Identity) -> Status {
        let user = quoted(&identity.name);
        if let Some(path) = &self.path {
            let message = format!("forbidden: User {user} cannot {} path {}", self.verb, quoted(path));
            let mut status = Status::new(403, "Forbidden", message);
            status.details = Some(serde_json::json!({}));
            return status;
        }
        let qualified = match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        };
        let resource = match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        };
        let place = match self.namespace.as_str() {
            "" => "at the cluster scope".to_string(),
            namespace => format!("in the namespace {}", quoted(namespace)),
        };
        let about =
            if self.name.is_empty() { qualified } else { format!("{qualified} {}", quoted(&self.name)) };
        let message = format!(
            "{about} is forbidden: User {user} cannot {} resource {} in API group {} {place}",
            self.verb,
            quoted(&resource),
            quoted(&self.group),
        );
        let mut details = serde_json::json!({ "kind": self.resource });
        if !self.name.is_empty() {
            details["name"] = self.name.clone().into();
        }
        if !self.group.is_empty() {
            details["group"] = self.group.clone().into();
        }
        Status { details: Some(details), ..Status::new(403, "Forbidden", message) }
    }
}

/// Go's `%q` for the characters that occur in names.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Decides. Cheap: a hash look-up for the identity and each of its groups, then its rules.
pub struct Authorizer {
    rbac: Rbac,
    nodes: node::NodeAuthorizer,
}

impl Authorizer {
    pub fn new(rbac: Rbac, pods: std::sync::Arc<dyn node::PodPlacement>) -> Self {
        Authorizer { rbac, nodes: node::NodeAuthorizer::new(pods) }
    }

    pub fn decide(&self, identity: &Identity, attributes: &Attributes) -> Decision {
        if identity.groups.iter().any(|g| g == "system:masters") {
            return Decision::Allow(String::new());
        }
        if self.nodes.allows(identity, attributes) {
            return Decision::Allow(String::new());
        }
        self.rbac.policy().decide(identity, attributes)
    }

    pub fn authorize(&self, identity: &Identity, attributes: &Attributes) -> Result<(), Status> {
        match self.decide(identity, attributes) {
            Decision::Allow(_) => Ok(()),
            Decision::NoOpinion => Err(attributes.forbidden(identity)),
        }
    }

    pub fn rbac(&self) -> &Rbac {
        &self.rbac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_upstream_writes_them() {
        let identity = Identity::new("x", &[]);
        let mut attributes = Attributes {
            verb: "list".into(),
            namespace: "default".into(),
            resource: "pods".into(),
            ..Default::default()
        };
        assert_eq!(
            attributes.forbidden(&identity).message,
            r#"pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default""#
        );
        attributes = Attributes {
            verb: "patch".into(),
            group: "apps".into(),
            resource: "deployments".into(),
            subresource: "scale".into(),
            name: "web".into(),
            ..Default::default()
        };
        assert_eq!(
            attributes.forbidden(&identity).message,
            r#"deployments.apps "web" is forbidden: User "x" cannot patch resource "deployments/scale" in API group "apps" at the cluster scope"#
        );
        attributes = Attributes { verb: "get".into(), path: Some("/metrics".into()), ..Default::default() };
        assert_eq!(
            attributes.forbidden(&identity).message,
            r#"forbidden: User "x" cannot get path "/metrics""#
        );
    }
}
