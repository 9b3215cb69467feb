//! Requests on resources.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use orch_client::{Patch, PatchType, Resource, Target};
use orch_object::protobuf::Form;
use orch_object::table::IncludeObject;
use orch_object::{Kind, Status};
use serde_json::Value;

use super::Routes;
use super::options::Query;
use super::read_body;
use super::request_info::ResourceRequest;
use crate::encode::negotiate::{self, Accepted, Format, Offer, PROTOBUF, PROTOBUF_WATCH, accept};
use crate::encode::output::{self, Shape, WatchEncoder};
use crate::encode::pieces::Pieces;
use crate::encode::{full, respond};
use crate::verbs::{Api, Call, Deleted, Written, success};
use crate::{causes, subresources};

/// Least life of a watch without `timeoutSeconds`; up to twice as long, so that not all end at once.
const MIN_WATCH_SECONDS: u64 = 1800;

pub async fn answer(
    routes: &Routes,
    call: &Call,
    info: ResourceRequest,
    query: &Query,
    request: Request,
) -> Result<Response, Status> {
    let target = target(&info);
    // A request on what does not exist is refused before it is called unknown, as upstream does.
    let kind = match routes.api.kind(&target.resource).await {
        Ok(kind) => kind,
        Err(missing) => {
            routes.api.authorize(call, &info.verb, &target)?;
            return Err(missing);
        }
    };
    check_place(&kind, &target)?;
    let streams = ["log", "exec", "attach", "portforward", "proxy"];
    if streams.contains(&target.subresource.as_str()) && kind.has_subresource(&target.subresource) {
        return super::stream::answer(routes, call, &kind, &target, &info, request).await;
    }
    if target.subresource.is_empty() && !kind.verbs.contains(&info.verb) {
        routes.api.authorize(call, &info.verb, &target)?;
        return Err(causes::method_not_allowed());
    }
    if !is_allowed(&kind, &target, &info, request.method()) {
        routes.api.authorize(call, &info.verb, &target)?;
        return Err(causes::method_not_allowed());
    }
    let headers = request.headers().clone();
    if kind.custom.is_none()
        && let Some(refusal) = negotiate::refused_by_route(&headers, &info.verb)
    {
        return Err(refusal);
    }
    // Reviews are answered, not kept: they have no rows.
    let transforms = kind.verbs.iter().any(|verb| verb == "get");
    let accepted = accept(&headers, Offer { transforms, ..Offer::objects(Form::of(&kind).is_some()) })?;
    warn_of_kind(call, &kind, &target, &info, &headers);
    let answer = Answer { accepted, shape: shape(accepted, query)? };
    let api = &routes.api;
    match info.verb.as_str() {
        "get" => get(api, call, &kind, &target, query, answer).await,
        "list" => {
            let listed = api.list(call, &target, &query.list()?).await?;
            Ok(large(output::list(listed, answer.shape, accepted.format).await?, answer, &headers))
        }
        "watch" => watch(routes, call, &kind, &target, query, answer).await,
        "create" | "update" => write(api, call, &kind, &target, &info, query, request, answer).await,
        "patch" => patch(api, call, &kind, &target, query, request, answer).await,
        "delete" => delete(api, call, &kind, &target, query, request, answer).await,
        "deletecollection" => {
            let options = query.delete(&delete_body(request).await?)?;
            let listed = api.delete_collection(call, &target, &query.list()?, &options).await?;
            Ok(large(output::list(listed, answer.shape, accepted.format).await?, answer, &headers))
        }
        _ => Err(causes::method_not_allowed()),
    }
}

/// Of what clients should leave; requests that lead nowhere are not warned of.
fn warn_of_kind(call: &Call, kind: &Kind, target: &Target, info: &ResourceRequest, headers: &HeaderMap) {
    let leads = target.subresource.is_empty() || kind.has_subresource(&target.subresource);
    let readable = info.verb != "patch" || patch_type(&negotiate::content_type(headers)).is_some();
    let warning = kind.strategy.deprecated;
    call.warn((leads && readable && !warning.is_empty()).then(|| warning.to_string()));
}

/// Collections are not changed as one, and objects are made in a namespace where they have one.
fn is_allowed(kind: &Kind, target: &Target, info: &ResourceRequest, method: &http::Method) -> bool {
    match info.verb.as_str() {
        _ if method == http::Method::HEAD => false,
        "update" | "patch" => !target.name.is_empty(),
        "create" if target.subresource.is_empty() => {
            target.name.is_empty() && (!kind.namespaced() || target.namespace.is_some())
        }
        _ => true,
    }
}

/// How the client wants to be answered.
#[derive(Debug, Clone, Copy)]
struct Answer {
    accepted: Accepted,
    shape: Shape,
}

fn shape(accepted: Accepted, query: &Query) -> Result<Shape, Status> {
    let include = query.get("includeObject");
    let include = IncludeObject::parse(include)
        .ok_or_else(|| Status::bad_request(format!("Unable to convert to Table as requested: includeObject: Invalid value: {include:?}: must be 'Metadata', 'Object', 'None', or empty")))?;
    Ok(Shape { form: accepted.form, include })
}

pub(super) fn target(info: &ResourceRequest) -> Target {
    let about_namespace = info.group.is_empty() && info.resource == "namespaces";
    let namespace = Some(info.namespace.clone()).filter(|n| !n.is_empty() && !about_namespace);
    Target {
        resource: Resource {
            group: Cow::Owned(info.group.clone()),
            version: Cow::Owned(info.version.clone()),
            plural: Cow::Owned(info.resource.clone()),
        },
        namespace,
        name: info.name.clone(),
        subresource: info.subresource.clone(),
    }
}

/// `/api/v1/pods/x` and `/api/v1/namespaces/a/nodes` name nothing.
fn check_place(kind: &Kind, target: &Target) -> Result<(), Status> {
    let in_namespace = target.namespace.is_some();
    let named = !target.name.is_empty();
    match (kind.namespaced(), in_namespace) {
        (true, false) if named => Err(causes::no_such_resource()),
        (false, true) => Err(causes::no_such_resource()),
        _ => Ok(()),
    }
}

async fn get(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    query: &Query,
    answer: Answer,
) -> Result<Response, Status> {
    if !target.subresource.is_empty() {
        let written = subresources::get(api, call, target).await?;
        return Ok(object(200, kind, &written, target, answer));
    }
    let version = Some(query.get("resourceVersion")).filter(|v| !v.is_empty());
    let found = api.get(call, target, version).await?;
    let bytes = output::object(kind, found.bytes.clone(), || found.value(), answer.shape);
    Ok(respond(200, bytes, answer.accepted))
}

async fn watch(
    routes: &Routes,
    call: &Call,
    kind: &Arc<Kind>,
    target: &Target,
    query: &Query,
    answer: Answer,
) -> Result<Response, Status> {
    let content_type = match answer.accepted.format {
        Format::Json => "application/json",
        Format::Protobuf => PROTOBUF_WATCH,
        Format::Yaml => return Err(negotiate::no_stream()),
    };
    let mut options = query.list()?;
    let spread = rand::random_range(0..MIN_WATCH_SECONDS);
    options.timeout_seconds = Some(options.timeout_seconds.unwrap_or(MIN_WATCH_SECONDS + spread));
    // `/watch/…/NAME`, the old form of a watch on one object.
    if !target.name.is_empty() {
        options.field_selector = format!("metadata.name={}", target.name);
    }
    let target = Target { name: String::new(), ..target.clone() };
    let items = routes.api.watch(call, &target, &options).await?;
    let mut encoder = WatchEncoder::new(kind.clone(), answer.shape, answer.accepted.format);
    // One of its own: each event asks it, and all watches would ask one at once.
    let stop = routes.stop.child_token();
    let frames = items
        .take_until(async move { stop.cancelled().await })
        .map(move |item| Ok::<Bytes, std::convert::Infallible>(encoder.encode(item)));
    let mut response = full(200, content_type, Bytes::new());
    *response.body_mut() = Body::from_stream(frames);
    Ok(response)
}

#[allow(clippy::too_many_arguments)] // a request's parts, each used once
async fn write(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    info: &ResourceRequest,
    query: &Query,
    request: Request,
    answer: Answer,
) -> Result<Response, Status> {
    let options = query.write(if info.verb == "create" { "CreateOptions" } else { "UpdateOptions" })?;
    let (bytes, media) = read_body::read(request).await?;
    let (body, duplicates) = read_body::parse_object(&bytes, &media, &kind.kind)?;
    call.found_duplicates(duplicates, &bytes);
    let written = match (info.verb.as_str(), target.subresource.as_str()) {
        ("create", "") => subresources::create_object(api, call, target, body, &options).await?,
        ("create", _) => subresources::create(api, call, target, body, &options).await?,
        (_, "") => api.update(call, target, body, &options).await?,
        (_, _) => subresources::update(api, call, target, body, &options).await?,
    };
    let created = info.verb == "create" || written.created;
    Ok(object(if created { 201 } else { 200 }, kind, &written, target, answer))
}

async fn patch(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    query: &Query,
    request: Request,
    answer: Answer,
) -> Result<Response, Status> {
    let options = query.write("PatchOptions")?;
    let (bytes, media) = read_body::read(request).await?;
    let patch_type = patch_type(&media).ok_or_else(negotiate::unsupported_patch)?;
    let body = match patch_type {
        PatchType::Apply => read_body::parse_yaml(&bytes)?,
        PatchType::Json | PatchType::Merge | PatchType::Strategic => {
            let (body, duplicates) = read_body::parse_json(&bytes)?;
            call.found_duplicates(duplicates, &bytes);
            body
        }
    };
    let patch = Patch { patch_type, body };
    let written = match target.subresource.as_str() {
        "" => api.patch(call, target, &patch, &options).await?,
        _ => subresources::patch(api, call, target, &patch, &options).await?,
    };
    let code = if written.created { 201 } else { 200 };
    Ok(object(code, kind, &written, target, answer))
}

async fn delete(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    query: &Query,
    request: Request,
    answer: Answer,
) -> Result<Response, Status> {
    if !target.subresource.is_empty() {
        return Err(match kind.has_subresource(&target.subresource) {
            true => causes::method_not_allowed(),
            false => causes::no_such_resource(),
        });
    }
    let options = query.delete(&delete_body(request).await?)?;
    let deleted = api.delete(call, target, &options).await?;
    let returns = kind.delete_answers_with_object();
    Ok(match &deleted {
        Deleted::Gone(written) if !returns => {
            respond(200, success(kind, &written.value).to_string().into(), answer.accepted)
        }
        Deleted::Gone(written) | Deleted::Pending(written) => object(200, kind, written, target, answer),
    })
}

fn patch_type(media: &str) -> Option<PatchType> {
    match media {
        "application/json-patch+json" => Some(PatchType::Json),
        "application/merge-patch+json" => Some(PatchType::Merge),
        "application/strategic-merge-patch+json" => Some(PatchType::Strategic),
        "application/apply-patch+yaml" => Some(PatchType::Apply),
        _ => None,
    }
}

/// A `DeleteOptions`, or null.
async fn delete_body(request: Request) -> Result<Value, Status> {
    let (bytes, media) = read_body::read(request).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    read_body::parse(&bytes, &media).map(|(body, _)| body)
}

fn object(code: u16, kind: &Kind, written: &Written, target: &Target, answer: Answer) -> Response {
    // Only the object itself has the kind's columns.
    let own = matches!(target.subresource.as_str(), "" | "status") && !kind.columns.is_empty();
    let bytes = match own {
        true => output::object(kind, written.bytes.clone(), || written.value.clone(), answer.shape),
        false => written.bytes.clone(),
    };
    respond(code, bytes, answer.accepted)
}

fn large(pieces: Pieces, answer: Answer, headers: &HeaderMap) -> Response {
    let Accepted { format, pretty, .. } = answer.accepted;
    let transformed = !matches!(answer.shape.form, negotiate::Form::Object);
    match format {
        Format::Json if !pretty => pieces.respond("application/json", headers),
        Format::Protobuf if !transformed => pieces.respond(PROTOBUF, headers),
        Format::Json | Format::Yaml | Format::Protobuf => respond(200, pieces.whole(), answer.accepted),
    }
}
