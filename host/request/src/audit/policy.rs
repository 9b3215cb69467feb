//! Which requests are told, and how much of them; the first rule that matches decides.

use orch_client::Identity;
use serde::Deserialize;

use super::Stage;
use crate::authz::Attributes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Level {
    None,
    /// Who, what, when.
    Metadata,
    /// And the body of the request.
    Request,
    /// And that of the answer.
    RequestResponse,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::None => "None",
            Level::Metadata => "Metadata",
            Level::Request => "Request",
            Level::RequestResponse => "RequestResponse",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    api_version: String,
    kind: String,
    #[serde(default)]
    #[allow(dead_code)] // any, as every object has it
    metadata: serde_json::Value,
    rules: Vec<Rule>,
    #[serde(default)]
    omit_stages: Vec<String>,
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<String>,
    omit_managed_fields: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What the policy says of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub level: Level,
    omitted: Vec<String>,
    pub omit_managed_fields: bool,
}

impl Verdict {
    pub fn wants(&self, stage: Stage) -> bool {
        !self.omitted.iter().any(|omitted| omitted == stage.name())
    }
}

const STAGES: [&str; 4] = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];

impl Policy {
    /// The error says what is wrong with which field.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let policy: Policy = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if policy.api_version != "audit.k8s.io/v1" || policy.kind != "Policy" {
            return Err(format!(
                "{} {}: only audit.k8s.io/v1 Policy is known",
                policy.api_version, policy.kind
            ));
        }
        if policy.rules.is_empty() {
            return Err("rules: at least one rule is required".into());
        }
        let stages = policy.rules.iter().flat_map(|rule| &rule.omit_stages).chain(&policy.omit_stages);
        for stage in stages {
            if !STAGES.contains(&stage.as_str()) {
                return Err(format!("omitStages: {stage:?} is none of {}", STAGES.join(", ")));
            }
        }
        for (index, rule) in policy.rules.iter().enumerate() {
            let resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
            if resources && !rule.non_resource_urls.is_empty() {
                return Err(format!(
                    "rules[{index}]: rules cannot apply to both regular resources and non-resource URLs"
                ));
            }
        }
        Ok(policy)
    }

    pub fn judge(&self, identity: &Identity, attributes: &Attributes) -> Verdict {
        let rule = self.rules.iter().find(|rule| rule.matches(identity, attributes));
        let own = rule.map_or(&[][..], |rule| &rule.omit_stages);
        Verdict {
            level: rule.map_or(Level::None, |rule| rule.level),
            omitted: own.iter().chain(&self.omit_stages).cloned().collect(),
            omit_managed_fields: rule
                .and_then(|rule| rule.omit_managed_fields)
                .unwrap_or(self.omit_managed_fields),
        }
    }
}

impl Rule {
    fn matches(&self, identity: &Identity, attributes: &Attributes) -> bool {
        let among = |list: &[String], wanted: &str| list.is_empty() || list.iter().any(|item| item == wanted);
        let groups =
            self.user_groups.is_empty() || self.user_groups.iter().any(|g| identity.groups.contains(g));
        if !among(&self.users, &identity.name) || !groups || !among(&self.verbs, &attributes.verb) {
            return false;
        }
        let about_resources = !self.namespaces.is_empty() || !self.resources.is_empty();
        match &attributes.path {
            Some(path) if !about_resources => {
                self.non_resource_urls.is_empty()
                    || self.non_resource_urls.iter().any(|url| is_under(url, path))
            }
            Some(_) => false,
            None if about_resources => {
                among(&self.namespaces, &attributes.namespace)
                    && (self.resources.is_empty() || self.resources.iter().any(|r| r.matches(attributes)))
            }
            None => self.non_resource_urls.is_empty(),
        }
    }
}

fn is_under(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

impl GroupResources {
    fn matches(&self, attributes: &Attributes) -> bool {
        if self.group != attributes.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        let (resource, subresource) = (attributes.resource.as_str(), attributes.subresource.as_str());
        let asked =
            if subresource.is_empty() { resource.to_string() } else { format!("{resource}/{subresource}") };
        let named = self.resource_names.is_empty() || self.resource_names.contains(&attributes.name);
        let one = |pattern: &String| {
            let part = match pattern.split_once('/') {
                Some(("*", part)) => !subresource.is_empty() && part == subresource,
                Some((of, "*")) => of == resource,
                _ => false,
            };
            pattern == "*" || *pattern == asked || part
        };
        named && self.resources.iter().any(one)
    }
}
