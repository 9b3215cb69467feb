//! `pods/NAME/log`, `plugins/NAME/log`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use orch_client::node::{LogOptions, NodeConnection, PodRef};

use super::upgrade::{Upgrade, is_websocket};
use crate::encode::status_response;

type Chunks = BoxStream<'static, std::io::Result<Bytes>>;

/// Texts of base64, for clients that know no binary messages.
const BASE64: &str = "base64.binary.k8s.io";
const BINARY: &str = "binary.k8s.io";

/// The log as the request wants it: in WebSocket messages without channels (upstream's
/// `wsstream.Reader`), or as the body.
pub async fn answer_log(
    request: Request,
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
    options: LogOptions,
) -> Response {
    if !is_websocket(request.headers()) {
        return serve_log(connection, pod, options).await;
    }
    let chunks = match connection.logs(&pod, &options).await {
        Ok(chunks) => chunks,
        Err(status) => return status_response(&status),
    };
    match Upgrade::of(request).await {
        Ok(Upgrade::WebSocket(upgrade)) => {
            let upgrade = upgrade.protocols([BINARY, BASE64]);
            let in_text = upgrade.selected_protocol().is_some_and(|chosen| chosen == BASE64);
            upgrade.on_upgrade(move |socket| send(socket, chunks, in_text))
        }
        Ok(Upgrade::Spdy(_)) => {
            status_response(&orch_object::Status::bad_request("logs are not streamed over SPDY"))
        }
        Err(response) => response,
    }
}

async fn send(mut socket: WebSocket, mut chunks: Chunks, in_text: bool) {
    while let Some(Ok(chunk)) = chunks.next().await {
        let message = match in_text {
            true => Message::Text(STANDARD.encode(&chunk).into()),
            false => Message::Binary(chunk),
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
    // The client may have left already.
    let _ = socket.send(Message::Close(None)).await;
}

/// Plain text, sent as it comes; dropping the response ends the reading on the node.
pub async fn serve_log(connection: Arc<dyn NodeConnection>, pod: PodRef, options: LogOptions) -> Response {
    match connection.logs(&pod, &options).await {
        Ok(chunks) => text_stream(chunks),
        Err(status) => status_response(&status),
    }
}

pub fn text_stream(chunks: Chunks) -> Response {
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
