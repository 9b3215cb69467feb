//! `pods/NAME/portforward`: connections to ports of a pod, many over one HTTP connection.

mod channels;
mod pairs;
mod tunnel;

use std::sync::Arc;

use axum::extract::{Request, WebSocketUpgrade};
use axum::response::Response;
use orch_client::node::{Duplex, NodeConnection, PodRef};
use orch_object::Status;

use super::options::PortForwardOptions;
use super::spdy::Connection;
use super::upgrade::Upgrade;
use crate::encode::status_response;

const SPDY_PROTOCOL: &str = "portforward.k8s.io";
/// SPDY frames inside WebSocket messages: kubectl from 1.31 on.
const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";

/// `pods/NAME/portforward`. `options.ports` counts for clients with plain WebSocket channels only.
pub async fn serve_port_forward(
    request: Request,
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
    options: PortForwardOptions,
) -> Response {
    let target = Target { connection, pod };
    match Upgrade::of(request).await {
        Ok(Upgrade::Spdy(upgrade)) => match upgrade.negotiate(&[SPDY_PROTOCOL], SPDY_PROTOCOL) {
            Ok(protocol) => upgrade.switch(protocol, move |spdy| pairs::serve(spdy, target)),
            Err(refused) => *refused,
        },
        Ok(Upgrade::WebSocket(upgrade)) => serve_websocket(upgrade, target, options),
        Err(refused) => refused,
    }
}

fn serve_websocket(upgrade: WebSocketUpgrade, target: Target, options: PortForwardOptions) -> Response {
    let spoken = std::iter::once(TUNNEL_PROTOCOL).chain(channels::PROTOCOLS.map(|(name, _)| name));
    let upgrade = upgrade.protocols(spoken);
    let agreed = upgrade.selected_protocol().and_then(|name| name.to_str().ok()).map(str::to_owned);
    match agreed.as_deref() {
        Some(TUNNEL_PROTOCOL) => upgrade.on_upgrade(move |socket| async move {
            pairs::serve(Connection::serve(tunnel::bytes_of(socket)), target).await;
        }),
        None if upgrade.requested_protocols().next().is_some() => {
            status_response(&Status::bad_request("none of the requested WebSocket protocols is spoken here"))
        }
        _ if options.ports.is_empty() => {
            status_response(&Status::bad_request("query parameter \"ports\" is required"))
        }
        agreed => {
            let encoding = channels::encoding(agreed.unwrap_or_default());
            upgrade.on_upgrade(move |socket| channels::serve(socket, encoding, target, options.ports))
        }
    }
}

/// The pod, and the way to it.
#[derive(Clone)]
struct Target {
    connection: Arc<dyn NodeConnection>,
    pod: PodRef,
}

impl Target {
    /// The error is the text for the error stream.
    async fn forward(&self, port: u16, connection: Box<dyn Duplex>) -> Result<(), String> {
        self.connection.port_forward(&self.pod, port, connection).await.map_err(|status| {
            let PodRef { name, uid, .. } = &self.pod;
            format!("error forwarding port {port} to pod {name}, uid {uid}: {status}")
        })
    }
}
