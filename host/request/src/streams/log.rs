//! `pods/NAME/log`, `plugins/NAME/log`.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use orch_client::node::{LogOptions, NodeConnection, PodRef};

use crate::encode::status_response;

/// Plain text, sent as it comes; dropping the response ends the reading on the node.
pub async fn serve_log(connection: Arc<dyn NodeConnection>, pod: PodRef, options: LogOptions) -> Response {
    match connection.logs(&pod, &options).await {
        Ok(chunks) => text_stream(chunks),
        Err(status) => status_response(&status),
    }
}

pub fn text_stream(chunks: BoxStream<'static, std::io::Result<Bytes>>) -> Response {
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
