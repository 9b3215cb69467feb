//! Sub-resources that stream between a client and a container: `log`, `exec`, `attach`, `portforward`.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use orch_client::Target;
use orch_object::{Kind, Status};

use super::Routes;
use super::options::Query;
use super::request_info::ResourceRequest;
use crate::verbs::Call;

pub async fn answer(
    routes: &Routes,
    call: &Call,
    kind: &Arc<Kind>,
    target: &Target,
    info: &ResourceRequest,
    query: &Query,
    request: Request,
) -> Result<Response, Status> {
    let _ = (query, request);
    routes.api.authorize(call, &info.verb, target)?;
    Err(Status::not_implemented(format!(
        "the sub-resource {:?} of {} is not implemented",
        target.subresource,
        kind.qualified_resource()
    )))
}
