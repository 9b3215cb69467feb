//! `kubectl --as`: acting as somebody else, for those who may (`Impersonate-…` headers).
//!
//! Constrained first, as upstream: who may `impersonate:user-info` a user (`:serviceaccount`,
//! `:arbitrary-node`, `:associated-node`) and `impersonate-on:user-info:VERB` what is asked acts as that
//! user in that request only. Then the older way: who may `impersonate` acts as the user in everything.

use http::HeaderMap;
use orch_client::Identity;
use orch_object::{Status, names};

use crate::authz::{Attributes, Authorizer, Decision};
use crate::routes::percent_decode;

const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";
const NODE: &str = "system:node:";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// So many groups or extra values are asked about at once first.
const MANY: usize = 4;

/// Who acts, and by which constrained permission.
#[derive(Debug, Clone, PartialEq)]
pub struct Acting {
    pub identity: Identity,
    /// `impersonate:user-info`, …; empty when it was the older way.
    pub constraint: String,
}

/// Whom the request acts as; `None`: the caller. `request` is what is asked.
pub fn effective(
    caller: &Identity,
    headers: &HeaderMap,
    request: &Attributes,
    authorizer: &Authorizer,
) -> Result<Option<Acting>, Status> {
    let Some(wanted) = wanted(headers)? else { return Ok(None) };
    let mut first = None;
    for mode in MODES {
        if !mode.concerns(&wanted, caller) {
            continue;
        }
        match (Attempt { mode, caller, wanted: &wanted, authorizer }).act(request) {
            Ok(acting) => return Ok(Some(acting)),
            Err(status) => drop(first.get_or_insert(status)),
        }
    }
    Err(first.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
}

/// Whom the headers name; without groups that come by themselves.
fn wanted(headers: &HeaderMap) -> Result<Option<Identity>, Status> {
    let mut wanted = Identity {
        name: text(headers, "impersonate-user"),
        uid: text(headers, "impersonate-uid"),
        groups: all(headers, "impersonate-group"),
        extra: Vec::new(),
    };
    for name in headers.keys().filter_map(|name| name.as_str().strip_prefix(EXTRA)) {
        let key = percent_decode(name).unwrap_or_else(|| name.to_string()).to_lowercase();
        wanted.extra.push((key, all(headers, &format!("{EXTRA}{name}"))));
    }
    if !wanted.name.is_empty() {
        return Ok(Some(wanted));
    }
    match only_named(&wanted) {
        true => Ok(None),
        false => {
            Err(Status::bad_request("requested a uid, groups or extra without impersonating a user name"))
        }
    }
}

fn only_named(identity: &Identity) -> bool {
    identity.uid.is_empty() && identity.groups.is_empty() && identity.extra.is_empty()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A pod acts as the node it runs on.
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

const MODES: [Mode; 5] =
    [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy];

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::AssociatedNode => "associated-node",
            Mode::ArbitraryNode => "arbitrary-node",
            Mode::ServiceAccount => "serviceaccount",
            Mode::UserInfo => "user-info",
            Mode::Legacy => "legacy",
        }
    }

    fn concerns(self, wanted: &Identity, caller: &Identity) -> bool {
        let node = node(&wanted.name);
        match self {
            Mode::AssociatedNode => {
                only_named(wanted)
                    && service_account(&caller.name).is_some()
                    && node.is_some_and(|node| runs_on(caller, node))
            }
            Mode::ArbitraryNode => only_named(wanted) && node.is_some(),
            Mode::ServiceAccount => only_named(wanted) && service_account(&wanted.name).is_some(),
            Mode::UserInfo => node.is_none() && service_account(&wanted.name).is_none(),
            Mode::Legacy => true,
        }
    }
}

fn runs_on(caller: &Identity, node: &str) -> bool {
    caller.extra.iter().any(|(key, values)| key == NODE_NAME && values.as_slice() == [node])
}

struct Attempt<'a> {
    mode: Mode,
    caller: &'a Identity,
    wanted: &'a Identity,
    authorizer: &'a Authorizer,
}

impl Attempt<'_> {
    fn act(&self, request: &Attributes) -> Result<Acting, Status> {
        let constrained = self.mode != Mode::Legacy;
        if constrained {
            let verb = format!("impersonate-on:{}:{}", self.mode.name(), request.verb);
            self.may(Attributes { verb, ..request.clone() })?;
        }
        let mut identity = self.wanted.clone();
        self.check_name(&mut identity)?;
        if !self.wanted.uid.is_empty() {
            self.may(self.attributes(AUTHENTICATION, "uids", "", &self.wanted.uid))?;
        }
        self.check_groups()?;
        self.check_extra()?;
        complete(&mut identity);
        let constraint = if constrained { self.verb() } else { String::new() };
        Ok(Acting { identity, constraint })
    }

    fn verb(&self) -> String {
        match self.mode {
            Mode::Legacy => "impersonate".into(),
            mode => format!("impersonate:{}", mode.name()),
        }
    }

    fn attributes(&self, group: &str, resource: &str, subresource: &str, name: &str) -> Attributes {
        Attributes {
            verb: self.verb(),
            group: group.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            ..Attributes::default()
        }
    }

    fn may(&self, attributes: Attributes) -> Result<(), Status> {
        match self.authorizer.decide(self.caller, &attributes) {
            Decision::Allow(_) => Ok(()),
            Decision::NoOpinion => Err(attributes.forbidden(self.caller)),
        }
    }

    fn refused(&self, attributes: &Attributes, why: &str) -> Status {
        let mut status = attributes.forbidden(self.caller);
        status.message = format!("{}: {why}", status.message);
        status
    }

    /// Users and groups belonged to the core group before impersonation was constrained.
    fn group(&self) -> &'static str {
        if self.mode == Mode::Legacy { "" } else { AUTHENTICATION }
    }

    fn check_name(&self, identity: &mut Identity) -> Result<(), Status> {
        let groups = &self.wanted.groups;
        if let Some((namespace, name)) = service_account(&self.wanted.name) {
            if groups.is_empty() {
                identity.groups = Identity::service_account(namespace, name).groups;
            }
            let attributes = self.attributes(self.group(), "serviceaccounts", "", name);
            return self.may(Attributes { namespace: namespace.into(), ..attributes });
        }
        match node(&self.wanted.name).filter(|_| self.mode != Mode::Legacy) {
            Some(node) => {
                identity.groups = vec!["system:nodes".into()];
                let name = if self.mode == Mode::AssociatedNode { "*" } else { node };
                self.may(self.attributes(self.group(), "nodes", "", name))
            }
            None => self.may(self.attributes(self.group(), "users", "", &self.wanted.name)),
        }
    }

    fn check_groups(&self) -> Result<(), Status> {
        let groups = &self.wanted.groups;
        let attributes = |name: &str| self.attributes(self.group(), "groups", "", name);
        if self.mode != Mode::Legacy {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(self.refused(&attributes(""), why));
            }
            if groups.iter().any(|group| group == "system:masters") {
                let why = "impersonating the system:masters group is not allowed";
                return Err(self.refused(&attributes("system:masters"), why));
            }
            if groups.len() >= MANY && self.may(attributes("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| self.may(attributes(group)))
    }

    fn check_extra(&self) -> Result<(), Status> {
        let extra = &self.wanted.extra;
        let attributes = |key: &str, value: &str| self.attributes(AUTHENTICATION, "userextras", key, value);
        if self.mode != Mode::Legacy {
            if let Some(why) = extra.iter().find_map(|(key, values)| wrong_extra(key, values)) {
                return Err(self.refused(&attributes("", ""), &why));
            }
            let values: usize = extra.iter().map(|(_, values)| values.len()).sum();
            if extra.len().max(values) >= MANY && self.may(attributes("*", "*")).is_ok() {
                return Ok(());
            }
        }
        let mut all = extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        all.try_for_each(|(key, value)| self.may(attributes(key, value)))
    }
}

fn wrong_extra(key: &str, values: &[String]) -> Option<String> {
    let domain = key
        .split_once('/')
        .is_some_and(|(domain, path)| names::is_dns1123_subdomain(domain) && !path.is_empty());
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".into());
    }
    if !domain {
        return Some(format!(
            "impersonating an invalid key in extra is not allowed: {key:?} must be a domain-prefixed path (such as \"acme.io/foo\")"
        ));
    }
    if values.is_empty() || values.iter().any(String::is_empty) {
        return Some("impersonating the empty string value in extra is not allowed".into());
    }
    None
}

/// Everybody but the anonymous user is authenticated.
fn complete(identity: &mut Identity) {
    let has = |group: &str| identity.groups.iter().any(|g| g == group);
    let group = match identity.name.as_str() {
        "system:anonymous" => "system:unauthenticated",
        _ if has("system:unauthenticated") => return,
        _ => "system:authenticated",
    };
    if !has(group) {
        identity.groups.push(group.into());
    }
}

fn node(user: &str) -> Option<&str> {
    user.strip_prefix(NODE).filter(|name| names::is_dns1123_subdomain(name))
}

fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_string()
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(String::from).collect()
}
