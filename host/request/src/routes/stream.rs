//! Sub-resources that stream between a client and a container: `log`, `exec`, `attach`, `portforward`.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt;
use orch_admission::Options;
use orch_client::Target;
use orch_client::node::{NodeConnection, PodRef};
use orch_object::{Connects, Kind, Status};
use orch_plugin::calls::admission::Operation;
use serde_json::{Value, json};

use super::options::Query;
use super::request_info::ResourceRequest;
use super::{Routes, proxy};
use crate::causes;
use crate::streams::{
    ExecOptions, PortForwardOptions, answer_log, log_options, serve_attach, serve_exec, serve_port_forward,
    text_stream,
};
use crate::verbs::{Call, namespace};

pub async fn answer(
    routes: &Routes,
    call: &Call,
    kind: &Arc<Kind>,
    target: &Target,
    info: &ResourceRequest,
    request: Request,
) -> Result<Response, Status> {
    routes.api.authorize(call, &info.verb, target)?;
    let query = request.uri().query().unwrap_or_default().to_string();
    match (kind.strategy.connects, target.subresource.as_str()) {
        (Some(connects), "proxy") => {
            let about = Target { name: proxy::object_name(&target.name).to_owned(), ..target.clone() };
            connect(routes, call, kind, &about, &query).await?;
            proxy::answer(routes, kind, connects, target, request).await
        }
        (Some(Connects::Plugin), "log") => plugin_log(routes, kind, target, info, &query).await,
        (Some(Connects::Pod), _) => pod_stream(routes, call, kind, target, info, &query, request).await,
        (Some(Connects::Service | Connects::Node | Connects::Plugin) | None, _) => {
            Err(Status::not_implemented(format!(
                "the sub-resource {:?} of {} is not implemented",
                target.subresource,
                kind.qualified_resource()
            )))
        }
    }
}

async fn pod_stream(
    routes: &Routes,
    call: &Call,
    kind: &Arc<Kind>,
    target: &Target,
    info: &ResourceRequest,
    query: &str,
    request: Request,
) -> Result<Response, Status> {
    let pod = routes.api.current(kind, target).await?.value();
    if target.subresource == "log" {
        if info.verb != "get" {
            return Err(causes::method_not_allowed());
        }
        let options = log_options(query, &target.name, routes.api.clock.now())?;
        let Some(node) = node_of(&pod) else { return Err(not_placed(target, &options.container)) };
        let node = connection(routes, kind, target, node)?;
        return Ok(answer_log(request, node, pod_ref(&pod), options).await);
    }
    connect(routes, call, kind, target, query).await?;
    let node = node_of(&pod)
        .ok_or_else(|| Status::bad_request(format!("pod {} does not have a host assigned", target.name)))?;
    let node = connection(routes, kind, target, node)?;
    match target.subresource.as_str() {
        "exec" => Ok(serve_exec(request, node, pod_ref(&pod), ExecOptions::exec(query)?).await),
        "attach" => Ok(serve_attach(request, node, pod_ref(&pod), ExecOptions::attach(query)?).await),
        _ => Ok(serve_port_forward(request, node, pod_ref(&pod), PortForwardOptions::parse(query)?).await),
    }
}

/// Admission of a connection: what is reviewed is its options.
async fn connect(
    routes: &Routes,
    call: &Call,
    kind: &Kind,
    target: &Target,
    query: &str,
) -> Result<(), Status> {
    let review = routes.api.review(call, kind, target, Operation::Connect, None, Options::None);
    let mut object = connect_options(kind, &target.subresource, &Query::parse(query));
    routes.api.mutate(call, &review, &mut object).await?;
    routes.api.admit(call, &review, &object).await
}

/// `PodExecOptions` and its like, from the query.
fn connect_options(kind: &Kind, subresource: &str, query: &Query) -> Value {
    let part = kind.subresources.iter().find(|part| part.name == subresource);
    let mut options = json!({
        "apiVersion": kind.api_version(), "kind": part.map_or("", |part| part.kind.as_str()),
    });
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if query.is_true(flag) {
            options[flag] = true.into();
        }
    }
    for text in ["container", "path"] {
        if query.has(text) {
            options[text] = query.get(text).into();
        }
    }
    if query.has("command") {
        options["command"] = query.all("command").into();
    }
    let ports: Vec<i64> = query.all("ports").iter().filter_map(|port| port.parse().ok()).collect();
    if !ports.is_empty() {
        options["ports"] = ports.into();
    }
    options
}

/// What a plugin logged on the host that answers.
async fn plugin_log(
    routes: &Routes,
    kind: &Kind,
    target: &Target,
    info: &ResourceRequest,
    query: &str,
) -> Result<Response, Status> {
    if info.verb != "get" {
        return Err(causes::method_not_allowed());
    }
    routes.api.current(kind, target).await?;
    let options = log_options(query, &target.name, routes.api.clock.now())?;
    let logs = routes.plugin_logs.load();
    let Some(logs) = logs.as_ref() else {
        let message = "plugins are not running on this host yet: try again in a moment";
        return Err(Status::new(503, "ServiceUnavailable", message));
    };
    let stop = routes.stop.clone();
    let lines = logs.log(&target.name, &options);
    Ok(text_stream(lines.take_until(async move { stop.cancelled().await }).boxed()))
}

/// What the scheduler of this host decides from now on.
pub fn trace(routes: &Routes) -> Result<Response, Status> {
    let traces = routes.traces.load();
    let Some(traces) = traces.as_ref() else {
        let message = "the scheduler is not running on this host yet: try again in a moment";
        return Err(Status::new(503, "ServiceUnavailable", message));
    };
    let stop = routes.stop.clone();
    Ok(text_stream(traces.trace().take_until(async move { stop.cancelled().await }).boxed()))
}

fn node_of(pod: &Value) -> Option<&str> {
    pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty())
}

/// A pod that waits for a node has no logs yet.
fn not_placed(target: &Target, container: &str) -> Status {
    let container = if container.is_empty() { "its container".to_string() } else { format!("{container:?}") };
    Status::bad_request(format!(
        "pod {:?} in namespace {:?} is waiting for a node: {container} has no logs",
        target.name,
        namespace(target)
    ))
}

pub(super) fn connection(
    routes: &Routes,
    kind: &Kind,
    target: &Target,
    node: &str,
) -> Result<Arc<dyn NodeConnection>, Status> {
    let nodes = routes.nodes.load();
    nodes.as_ref().and_then(|nodes| nodes.connection(node)).ok_or_else(|| {
        let what = format!("{} {:?}", kind.qualified_resource(), target.name);
        Status::new(503, "ServiceUnavailable", format!("{what} is on node {node:?}, which cannot be reached"))
    })
}

fn pod_ref(pod: &Value) -> PodRef {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_string();
    PodRef { namespace: text("namespace"), name: text("name"), uid: text("uid") }
}
