//! `pods/NAME/log`.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use orch_client::node::{LogOptions, NodeConnection, PodRef};

use crate::encode::status_response;

/// Plain text, sent as it comes; dropping the response ends the reading on the node.
pub async fn serve_log(connection: Arc<dyn NodeConnection>, pod: PodRef, options: LogOptions) -> Response {
    match connection.logs(&pod, &options).await {
        Ok(chunks) => {
            let mut response = Response::new(Body::from_stream(chunks));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
        Err(status) => status_response(&status),
    }
}
