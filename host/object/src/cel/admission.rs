//! Expressions of admission policies and webhooks: what they may name, and what they must be
//! (`apiserver/pkg/admission/plugin/cel`).

use std::sync::Arc;

use super::{Declared, Environment, Fields, Program, Type, compile};

/// What an expression has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A variable may be anything.
    Anything,
    Bool,
    String,
    /// An annotation may be left out.
    StringOrNull,
    /// An apply configuration.
    Object,
    JsonPatches,
}

/// What an expression is given besides `object`, `oldObject`, `request` and `namespaceObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    pub params: bool,
    pub authorizer: bool,
}

/// The expressions of one policy: variables that have been declared can be named by what follows.
#[derive(Debug, Clone, Default)]
pub struct Composition {
    /// What `object` and `oldObject` are; dyn while a policy is only looked at.
    object: Option<Type>,
    params: Option<Type>,
    variables: Vec<(String, Type)>,
}

impl Composition {
    /// With the types of a kind a policy is about, to look closer.
    pub fn typed(object: Type, params: Option<Type>) -> Composition {
        Composition { object: Some(object), params, variables: Vec::new() }
    }

    /// # Errors
    /// What is wrong with it. It can be named by later expressions all the same.
    pub fn declare(&mut self, name: &str, text: &str, given: Given) -> Result<Program, String> {
        let program = self.compile(text, given, Wanted::Anything);
        let of = program.as_ref().map_or(Type::Dyn, |program| program.of().clone());
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), of));
        program
    }

    /// # Errors
    /// `compilation failed: …`, or what it must evaluate to.
    pub fn compile(&self, text: &str, given: Given, wanted: Wanted) -> Result<Program, String> {
        let composed = Composed(self.variables.clone());
        let environment = self.environment(given).with("variables", Type::Object(Arc::new(composed)));
        let patches = matches!(wanted, Wanted::Object | Wanted::JsonPatches);
        finish(text, &if patches { environment.with_patches() } else { environment }, wanted)
    }

    /// A match condition, which knows no variables.
    ///
    /// # Errors
    /// As [`Composition::compile`].
    pub fn condition(&self, text: &str, given: Given) -> Result<Program, String> {
        finish(text, &self.environment(given), Wanted::Bool)
    }

    fn environment(&self, given: Given) -> Environment {
        let object = self.object.clone().unwrap_or(Type::Dyn);
        let mut environment = Environment::default()
            .with("object", object.clone())
            .with("oldObject", object)
            .with("namespaceObject", namespace_type())
            .with("request", request_type());
        if given.params {
            environment = environment.with("params", self.params.clone().unwrap_or(Type::Dyn));
        }
        if given.authorizer {
            environment = environment
                .with("authorizer", Type::Native("kubernetes.authorization.Authorizer"))
                .with("authorizer.requestResource", Type::Native("kubernetes.authorization.ResourceCheck"));
        }
        environment
    }
}

fn finish(text: &str, environment: &Environment, wanted: Wanted) -> Result<Program, String> {
    let program = compile(text, environment).map_err(|issues| format!("compilation failed: {issues}"))?;
    let names: &[&str] = match wanted {
        Wanted::Anything => return Ok(program),
        Wanted::Bool => &["bool"],
        Wanted::String => &["string"],
        Wanted::StringOrNull => &["string", "null"],
        Wanted::Object => &["Object"],
        Wanted::JsonPatches => &["list(JSONPatch)"],
    };
    let found = program.of().to_string();
    match names {
        names if names.contains(&&*found) => Ok(program),
        [one] => Err(format!("must evaluate to {one} but got {found}")),
        names => Err(format!("must evaluate to one of [{}] but got {found}", names.join(" "))),
    }
}

/// `variables`, as far as they have been declared.
#[derive(Debug)]
struct Composed(Vec<(String, Type)>);

impl Fields for Composed {
    fn name(&self) -> &str {
        "kubernetes.variables"
    }

    fn field(&self, name: &str) -> Option<Type> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, of)| of.clone())
    }
}

fn texts(names: &[&'static str]) -> Vec<(&'static str, Type)> {
    names.iter().map(|name| (*name, Type::String)).collect()
}

/// `AdmissionRequest` without the objects, which have names of their own.
fn request_type() -> Type {
    let kind = || Declared::object("kubernetes.GroupVersionKind", texts(&["group", "version", "kind"]));
    let resource =
        || Declared::object("kubernetes.GroupVersionResource", texts(&["group", "version", "resource"]));
    let mut fields = texts(&["subResource", "requestSubResource", "name", "namespace", "operation"]);
    fields.extend([
        ("kind", kind()),
        ("resource", resource()),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("userInfo", user_type()),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ]);
    Declared::object("kubernetes.AdmissionRequest", fields)
}

/// `UserInfo` of `authentication.k8s.io`.
pub fn user_type() -> Type {
    let strings = || Type::list(Type::String);
    let mut fields = texts(&["username", "uid"]);
    fields.extend([("groups", strings()), ("extra", Type::map(Type::String, strings()))]);
    Declared::object("kubernetes.UserInfo", fields)
}

fn namespace_type() -> Type {
    let texts_by_name = || Type::map(Type::String, Type::String);
    let mut condition = texts(&["status", "type", "message", "reason"]);
    condition.push(("lastTransitionTime", Type::Timestamp));
    let conditions = Type::list(Declared::object("kubernetes.NamespaceCondition", condition));
    let mut metadata = texts(&["name", "generateName", "namespace", "UID", "resourceVersion"]);
    metadata.extend([
        ("labels", texts_by_name()),
        ("annotations", texts_by_name()),
        ("creationTimestamp", Type::Timestamp),
        ("deletionTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("generation", Type::Int),
        ("finalizers", Type::list(Type::String)),
    ]);
    let spec = vec![("finalizers", Type::list(Type::String))];
    let status = vec![("conditions", conditions), ("phase", Type::String)];
    let fields = vec![
        ("metadata", Declared::object("kubernetes.NamespaceMetadata", metadata)),
        ("spec", Declared::object("kubernetes.NamespaceSpec", spec)),
        ("status", Declared::object("kubernetes.NamespaceStatus", status)),
    ];
    Declared::object("kubernetes.Namespace", fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Given = Given { params: true, authorizer: true };

    #[test]
    fn expressions_are_held_to_what_is_wanted() {
        let policy = Composition::default();
        let cases = [
            ("object.spec.replicas > 5", Wanted::Bool, Ok(())),
            ("params.most >= 1 && authorizer.requestResource.check('get').allowed()", Wanted::Bool, Ok(())),
            ("request.userInfo.username", Wanted::String, Ok(())),
            ("null", Wanted::StringOrNull, Ok(())),
            ("Object{spec: Object.spec{replicas: 1}}", Wanted::Object, Ok(())),
            ("[JSONPatch{op: 'remove', path: '/a'}]", Wanted::JsonPatches, Ok(())),
            ("object.spec.paused", Wanted::Bool, Err("must evaluate to bool but got dyn")),
            ("1", Wanted::StringOrNull, Err("must evaluate to one of [string null] but got int")),
            ("'a'", Wanted::Object, Err("must evaluate to Object but got string")),
            ("request.nope == ''", Wanted::Bool, Err("undefined field 'nope'")),
            ("variables.nope", Wanted::Anything, Err("undefined field 'nope'")),
            ("Object{}", Wanted::Bool, Err("undeclared reference to 'Object'")),
        ];
        for (text, wanted, expected) in cases {
            match (policy.compile(text, ALL, wanted).map(drop), expected) {
                (Ok(()), Ok(())) => {}
                (Err(found), Err(why)) => assert!(found.contains(why), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn params_and_authorizer_are_there_where_they_are_given() {
        let policy = Composition::default();
        for text in ["params == null", "authorizer.path('/').check('get').allowed()"] {
            let why = policy.compile(text, Given::default(), Wanted::Bool).unwrap_err();
            assert!(why.contains("undeclared reference"), "{why}");
        }
    }

    #[test]
    fn variables_have_types_and_build_on_each_other() {
        let mut policy = Composition::default();
        policy.declare("most", "int(object.spec.most)", ALL).unwrap();
        policy.declare("double", "variables.most * 2", ALL).unwrap();
        policy.compile("variables.double > 3", ALL, Wanted::Bool).unwrap();
        let why = policy.compile("variables.double.startsWith('a')", ALL, Wanted::Bool).unwrap_err();
        assert!(
            why.contains("found no matching overload for 'startsWith' applied to 'int.(string)'"),
            "{why}"
        );
        let why = policy.condition("variables.double > 3", ALL).unwrap_err();
        assert!(why.contains("undeclared reference to 'variables'"), "{why}");
    }
}
