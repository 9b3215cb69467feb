//! Plain requests over connections of one's own.

use std::path::Path;
use std::pin::pin;

use futures::StreamExt;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};

/// How clients reach the server.
pub struct Connections(Config);

impl Connections {
    pub async fn read(kubeconfig: &Path) -> Connections {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).expect("the kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
        let mut config = config.expect("its settings");
        config.read_timeout = None;
        Connections(config)
    }

    pub fn client(&self) -> Client {
        Client::try_from(self.0.clone()).expect("a client")
    }
}

pub fn get(path: &str, accept: &str) -> http::Request<Body> {
    http::Request::get(path).header("accept", accept).body(Body::empty()).expect("a request")
}

pub fn post(path: &str, json: String) -> http::Request<Body> {
    let request = http::Request::post(path).header("content-type", "application/json");
    request.body(Body::from(json.into_bytes())).expect("a request")
}

/// The bytes of a good answer; refusals end the benchmark.
pub async fn ask(client: &Client, request: http::Request<Body>) -> usize {
    let what = format!("{} {}", request.method(), request.uri());
    let response = client.send(request).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(response.status().is_success(), "{what}: {}", response.status());
    let mut frames = pin!(response.into_body().into_data_stream());
    let mut bytes = 0;
    while let Some(frame) = frames.next().await {
        bytes += frame.unwrap_or_else(|error| panic!("{what}: {error}")).len();
    }
    bytes
}
