//! Asking what a person may do.

use std::fmt;
use std::sync::Arc;

use super::{Fault, Meter, Native, Row, Value, text};
use crate::names;

/// Two checks in one expression are as much as it may cost.
const CHECK: u64 = 350_000;

/// Who is asked; the API's authorizer, or a fake.
pub trait Authority: fmt::Debug + Send + Sync {
    fn decide(&self, question: &Question<'_>) -> Decision;
}

/// May somebody do something?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// `None`: who sent the request. Else a service account's namespace and name.
    pub service_account: Option<(&'a str, &'a str)>,
    pub verb: &'a str,
    /// Set for a path that is no resource.
    pub path: Option<&'a str>,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl<'a> Question<'a> {
    /// About who sent the request, and nothing in particular yet.
    pub fn of(verb: &'a str) -> Question<'a> {
        Question {
            service_account: None,
            verb,
            path: None,
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    pub allowed: bool,
    pub reason: String,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// The `authorizer` of an expression.
#[derive(Debug, Clone)]
pub struct Authorizer {
    pub authority: Arc<dyn Authority>,
    /// Who is asked about; none: who sent the request.
    pub service_account: Option<(String, String)>,
}

/// A question that still lacks its verb.
#[derive(Debug, Clone)]
pub struct ResourceCheck {
    pub authorizer: Authorizer,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

pub(super) const ROWS: &[Row] = &[
    ("(kubernetes.authorization.Authorizer).path(string): kubernetes.authorization.PathCheck", |a, _| {
        let (authorizer, path) = (authorizer(&a[0])?, text(&a[1])?);
        if path.trim().is_empty() {
            return Err(Fault::other("path must not be empty"));
        }
        Ok(Value::native(Native::PathCheck { authorizer: authorizer.clone(), path: path.into() }))
    }),
    ("(kubernetes.authorization.Authorizer).group(string): kubernetes.authorization.GroupCheck", |a, _| {
        let (authorizer, group) = (authorizer(&a[0])?, text(&a[1])?);
        Ok(Value::native(Native::GroupCheck { authorizer: authorizer.clone(), group: group.into() }))
    }),
    (
        "(kubernetes.authorization.Authorizer).serviceAccount(string, string): kubernetes.authorization.Authorizer",
        |a, _| {
            let (authorizer, namespace, name) = (authorizer(&a[0])?, text(&a[1])?, text(&a[2])?);
            if !names::is_dns1123_subdomain(name) {
                return Err(Fault::other("Invalid service account name"));
            }
            if !names::is_dns1123_label(namespace) {
                return Err(Fault::other("Invalid service account namespace"));
            }
            let authorizer = Authorizer {
                authority: authorizer.authority.clone(),
                service_account: Some((namespace.into(), name.into())),
            };
            Ok(Value::native(Native::Authorizer(authorizer)))
        },
    ),
    (
        "(kubernetes.authorization.GroupCheck).resource(string): kubernetes.authorization.ResourceCheck",
        resource,
    ),
    (
        "(kubernetes.authorization.ResourceCheck).subresource(string): kubernetes.authorization.ResourceCheck",
        |a, _| narrowed(a, |check, text| check.subresource = text),
    ),
    (
        "(kubernetes.authorization.ResourceCheck).namespace(string): kubernetes.authorization.ResourceCheck",
        |a, _| narrowed(a, |check, text| check.namespace = text),
    ),
    (
        "(kubernetes.authorization.ResourceCheck).name(string): kubernetes.authorization.ResourceCheck",
        |a, _| narrowed(a, |check, text| check.name = text),
    ),
    // RBAC grants nothing by selectors: what it allows, it allows for all of them.
    (
        "(kubernetes.authorization.ResourceCheck).fieldSelector(string): kubernetes.authorization.ResourceCheck",
        |a, _| narrowed(a, |_, _| {}),
    ),
    (
        "(kubernetes.authorization.ResourceCheck).labelSelector(string): kubernetes.authorization.ResourceCheck",
        |a, _| narrowed(a, |_, _| {}),
    ),
    ("(kubernetes.authorization.PathCheck).check(string): kubernetes.authorization.Decision", check_path),
    (
        "(kubernetes.authorization.ResourceCheck).check(string): kubernetes.authorization.Decision",
        check_resource,
    ),
    ("(kubernetes.authorization.Decision).allowed(): bool", |a, _| Ok(Value::Bool(decision(&a[0])?.allowed))),
    ("(kubernetes.authorization.Decision).reason(): string", |a, _| {
        Ok(Value::text(&decision(&a[0])?.reason))
    }),
    ("(kubernetes.authorization.Decision).errored(): bool", |a, _| {
        Ok(Value::Bool(decision(&a[0])?.error.is_some()))
    }),
    ("(kubernetes.authorization.Decision).error(): string", |a, _| {
        Ok(Value::text(decision(&a[0])?.error.as_deref().unwrap_or_default()))
    }),
];

fn native(value: &Value) -> Result<&Native, Fault> {
    match value {
        Value::Native(native) => Ok(native),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn authorizer(value: &Value) -> Result<&Authorizer, Fault> {
    match native(value)? {
        Native::Authorizer(authorizer) => Ok(authorizer),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn decision(value: &Value) -> Result<&Decision, Fault> {
    match native(value)? {
        Native::Decision(decision) => Ok(decision),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn resource(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    let Native::GroupCheck { authorizer, group } = native(&a[0])? else { return Err(Fault::NoSuchOverload) };
    let resource = text(&a[1])?;
    if resource.trim().is_empty() {
        return Err(Fault::other("resource must not be empty"));
    }
    Ok(Value::native(Native::ResourceCheck(ResourceCheck {
        authorizer: authorizer.clone(),
        group: group.clone(),
        resource: resource.into(),
        subresource: String::new(),
        namespace: String::new(),
        name: String::new(),
    })))
}

fn narrowed(a: &[Value], narrow: fn(&mut ResourceCheck, String)) -> Result<Value, Fault> {
    let Native::ResourceCheck(check) = native(&a[0])? else { return Err(Fault::NoSuchOverload) };
    let mut check = check.clone();
    narrow(&mut check, text(&a[1])?.to_owned());
    Ok(Value::native(Native::ResourceCheck(check)))
}

impl Authorizer {
    fn question<'a>(&'a self, verb: &'a str) -> Question<'a> {
        let service_account = self.service_account.as_ref().map(|(namespace, name)| (&**namespace, &**name));
        Question { service_account, ..Question::of(verb) }
    }
}

fn check_path(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let Native::PathCheck { authorizer, path } = native(&a[0])? else { return Err(Fault::NoSuchOverload) };
    meter.spend(CHECK)?;
    let question = Question { path: Some(path), ..authorizer.question(text(&a[1])?) };
    Ok(Value::native(Native::Decision(authorizer.authority.decide(&question))))
}

fn check_resource(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let Native::ResourceCheck(check) = native(&a[0])? else { return Err(Fault::NoSuchOverload) };
    meter.spend(CHECK)?;
    let question = Question {
        group: &check.group,
        resource: &check.resource,
        subresource: &check.subresource,
        namespace: &check.namespace,
        name: &check.name,
        ..check.authorizer.question(text(&a[1])?)
    };
    Ok(Value::native(Native::Decision(check.authorizer.authority.decide(&question))))
}
