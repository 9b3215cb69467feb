//! `paths`: which URLs there are and what can be done there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::{Action, EVERYWHERE, JSON, Operation, PROTOBUF, YAML, capitalized, content, tag};
use super::parameters::{Options, Parameter};
use super::reference;
use super::schemas::META;
use crate::Kind;
use crate::kind::Subresource;

/// Something that can be done at a URL.
pub(super) struct Route {
    path: String,
    method: &'static str,
    parameters: Vec<Parameter>,
    operation: Value,
}

/// By path; what all operations of a path take stands beside them, as upstream has it.
pub(super) fn items(routes: Vec<Route>) -> Value {
    let mut paths: BTreeMap<String, Vec<Route>> = BTreeMap::new();
    for route in routes {
        paths.entry(route.path.clone()).or_default().push(route);
    }
    paths.into_iter().map(|(path, routes)| (path, item(routes))).collect::<Map<_, _>>().into()
}

fn item(routes: Vec<Route>) -> Value {
    let mut item = Map::new();
    let of_all = |parameter: &&Parameter| routes.iter().all(|route| route.parameters.contains(parameter));
    let common: Vec<Parameter> =
        routes.first().into_iter().flat_map(|route| &route.parameters).filter(of_all).cloned().collect();
    for mut route in routes {
        route.parameters.retain(|parameter| !common.contains(parameter));
        insert_parameters(route.parameters, &mut route.operation);
        item.insert(route.method.into(), route.operation);
    }
    let mut item = Value::Object(item);
    insert_parameters(common, &mut item);
    item
}

fn insert_parameters(mut parameters: Vec<Parameter>, holder: &mut Value) {
    parameters.sort();
    if !parameters.is_empty() {
        holder["parameters"] = parameters.iter().map(Parameter::json).collect();
    }
}

/// A URL that is asked for a document: discovery, the version.
pub(super) struct Inquiry<'a> {
    pub path: &'a str,
    pub id: &'a str,
    pub description: &'a str,
    pub tag: &'a str,
    /// The schema of the answer, and how it is written.
    pub answer: Value,
    pub media: &'a [&'a str],
}

impl Inquiry<'_> {
    pub fn route(&self) -> Route {
        let ok = json!({ "description": "OK", "content": content(&self.answer, self.media.iter().copied()) });
        let operation = json!({
            "operationId": self.id,
            "description": self.description,
            "tags": [self.tag],
            "responses": { "200": ok, "401": { "description": "Unauthorized" } },
        });
        Route { path: self.path.into(), method: "get", parameters: Vec::new(), operation }
    }
}

/// Discovery's forms.
pub(super) const ENCODED: [&str; 3] = [JSON, YAML, PROTOBUF];

/// What resources a version has.
pub(super) fn resources(group: &str, version: &str) -> Route {
    let tag = tag(group, version);
    Inquiry {
        path: &format!("{}/", root(group, version)),
        id: &format!("get{}APIResources", capitalized(&tag.replace("_v", "V"))),
        description: "get available resources",
        tag: &tag,
        answer: reference(&format!("{META}.APIResourceList")),
        media: &ENCODED,
    }
    .route()
}

fn root(group: &str, version: &str) -> String {
    match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    }
}

/// Everything that can be done with a kind.
pub(super) fn of_kind(kind: &Kind, options: &Options) -> Vec<Route> {
    let routes = KindRoutes { kind, options };
    let mut all = routes.of_objects();
    if kind.custom.is_none() {
        all.extend(routes.of_watches());
    }
    all.extend(kind.subresources.iter().flat_map(|part| routes.of_part(part)));
    all
}

struct KindRoutes<'k> {
    kind: &'k Kind,
    options: &'k Options,
}

const PROXIED: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];
const CONNECTED: [&str; 2] = ["get", "post"];

impl KindRoutes<'_> {
    fn of_objects(&self) -> Vec<Route> {
        let collection = self.collection("");
        let item = format!("{collection}/{{name}}");
        let actions = [
            ("list", &collection, Action::List),
            ("create", &collection, Action::Post),
            ("deletecollection", &collection, Action::DeleteCollection),
            ("get", &item, Action::Get),
            ("update", &item, Action::Put),
            ("patch", &item, Action::Patch),
            ("delete", &item, Action::Delete),
        ];
        let possible = actions.into_iter().filter(|(verb, ..)| self.has(verb));
        let mut routes: Vec<Route> =
            possible.map(|(_, path, action)| self.route(path.clone(), None, action, "")).collect();
        if self.kind.namespaced() && self.has("list") {
            routes.push(self.route(self.everywhere(""), None, Action::List, EVERYWHERE));
        }
        routes
    }

    /// Deprecated by the `watch` parameter, and still there.
    fn of_watches(&self) -> Vec<Route> {
        if !self.has("watch") {
            return Vec::new();
        }
        let collection = self.collection("/watch");
        let mut routes = vec![
            self.route(format!("{collection}/{{name}}"), None, Action::Watch, ""),
            self.route(collection, None, Action::WatchList, ""),
        ];
        if self.kind.namespaced() {
            routes.push(self.route(self.everywhere("/watch"), None, Action::WatchList, EVERYWHERE));
        }
        routes
    }

    fn of_part(&self, part: &Subresource) -> Vec<Route> {
        let path = format!("{}/{{name}}/{}", self.collection(""), part.name);
        let methods: &[&'static str] = match part.name.as_str() {
            "proxy" => &PROXIED,
            "attach" | "exec" | "portforward" => &CONNECTED,
            _ => return part.verbs.iter().filter_map(|verb| self.part_route(&path, part, verb)).collect(),
        };
        let connect = |path: &str, suffix| {
            let path = path.to_owned();
            methods
                .iter()
                .map(move |method| self.route(path.clone(), Some(part), Action::Connect(method), suffix))
        };
        let mut routes: Vec<Route> = connect(&path, "").collect();
        if part.name == "proxy" {
            routes.extend(connect(&format!("{path}/{{path}}"), "WithPath"));
        }
        routes
    }

    fn part_route(&self, path: &str, part: &Subresource, verb: &str) -> Option<Route> {
        let action = match verb {
            "get" => Action::Get,
            "update" => Action::Put,
            "patch" => Action::Patch,
            "create" => Action::Post,
            _ => return None,
        };
        Some(self.route(path.to_owned(), Some(part), action, ""))
    }

    fn has(&self, verb: &str) -> bool {
        self.kind.verbs.iter().any(|known| known == verb)
    }

    fn everywhere(&self, prefix: &str) -> String {
        let Kind { group, version, plural, .. } = self.kind;
        format!("{}{prefix}/{plural}", root(group, version))
    }

    fn collection(&self, prefix: &str) -> String {
        let Kind { group, version, plural, .. } = self.kind;
        let place = if self.kind.namespaced() { "/namespaces/{namespace}" } else { "" };
        format!("{}{prefix}{place}/{plural}", root(group, version))
    }

    fn route(&self, path: String, part: Option<&Subresource>, action: Action, suffix: &'static str) -> Route {
        let operation = Operation { kind: self.kind, part, action, suffix };
        let mut parameters = operation.parameters(self.options);
        let named = match part {
            Some(part) if self.kind.custom.is_none() => &part.kind,
            _ => &self.kind.kind,
        };
        let of_path = [
            ("{name}", Parameter::path("name", format!("name of the {named}"))),
            ("{namespace}", Parameter::path("namespace", NAMESPACE)),
            ("{path}", Parameter::path("path", "path to the resource")),
        ];
        let here = of_path.into_iter().filter(|(place, _)| path.contains(place));
        parameters.extend(here.map(|(_, parameter)| parameter));
        Route { method: action.method(), operation: operation.json(), path, parameters }
    }
}

const NAMESPACE: &str = "object name and auth scope, such as for teams and projects";
