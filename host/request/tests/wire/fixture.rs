use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orch_object::Kinds;
use orch_request::{AuditConfig, Config, Rotation, Server, kubeconfig};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, Identity, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// An API and an administrator's access to it.
pub struct Api {
    pub base: String,
    client: reqwest::Client,
    http1: reqwest::Client,
    anonymous: reqwest::Client,
    // Ends the server when the test does.
    _stop: tokio_util::sync::DropGuard,
    _dir: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// Fails with the body in the message.
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.text);
        self.body
    }
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Api {
    pub async fn start() -> Api {
        Api::start_with(None).await
    }

    /// With an audit log by this policy.
    pub async fn start_audited(policy: &str) -> Api {
        Api::start_with(Some(policy)).await
    }

    pub fn audit_log(&self) -> std::path::PathBuf {
        self._dir.path().join("audit.log")
    }

    async fn start_with(audit_policy: Option<&str>) -> Api {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let config = match std::env::var("ORCH_WIRE_KUBECONFIG") {
            Ok(path) => std::fs::read_to_string(path).unwrap(),
            Err(_) => serve(dir.path(), audit_policy, stop.clone()).await,
        };
        let config: Value = serde_json::from_str(&config).unwrap();
        let data = |pointer: &str| {
            STANDARD.decode(config.pointer(pointer).and_then(Value::as_str).unwrap()).unwrap()
        };
        let ca = Certificate::from_pem(&data("/clusters/0/cluster/certificate-authority-data")).unwrap();
        let mut identity = data("/users/0/user/client-certificate-data");
        identity.extend(data("/users/0/user/client-key-data"));
        let builder = || reqwest::Client::builder().tls_certs_only([ca.clone()]).no_proxy();
        Api {
            base: config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_string(),
            client: builder().identity(Identity::from_pem(&identity).unwrap()).build().unwrap(),
            http1: builder().identity(Identity::from_pem(&identity).unwrap()).http1_only().build().unwrap(),
            anonymous: builder().build().unwrap(),
            _stop: stop.drop_guard(),
            _dir: dir,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).timeout(Duration::from_secs(20))
    }

    /// For what HTTP/2 cannot do: change the protocol.
    pub fn http1(&self, method: Method, path: &str) -> RequestBuilder {
        self.http1.request(method, format!("{}{path}", self.base))
    }

    pub fn anonymous(&self, path: &str) -> RequestBuilder {
        self.anonymous.get(format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }
    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        answer(self.request(Method::GET, path).header(ACCEPT, accept)).await
    }
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.send(Method::POST, path, "application/json", body)).await
    }
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        answer(self.send(Method::PUT, path, "application/json", body)).await
    }
    pub async fn patch(&self, path: &str, patch: &str, body: &Value) -> Answer {
        let media = match patch {
            "apply" => "application/apply-patch+yaml".to_string(),
            other => format!("application/{other}-patch+json"),
        };
        answer(self.send(Method::PATCH, path, &media, body)).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }
    pub async fn delete_with(&self, path: &str, options: Value) -> Answer {
        answer(self.send(Method::DELETE, path, "application/json", &options)).await
    }

    fn send(&self, method: Method, path: &str, media: &str, body: &Value) -> RequestBuilder {
        self.request(method, path).header(CONTENT_TYPE, media).body(body.to_string())
    }

    /// A namespace of this test's own.
    pub async fn namespace(&self) -> String {
        let name = format!("wire-{}", &uuid::Uuid::new_v4().to_string()[..8]);
        self.post("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await.expect(201);
        name
    }

    /// The events of a watch, until one satisfies the test; panics after ten seconds.
    pub async fn watch_until(&self, path: &str, mut done: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let read = async {
            let (mut text, mut events) = (Vec::new(), Vec::new());
            while let Some(chunk) = response.chunk().await.unwrap() {
                text.extend_from_slice(&chunk);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    let last = done(&event);
                    events.push(event);
                    if last {
                        return events;
                    }
                }
            }
            panic!("{path} ended after {events:?}");
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("the event comes in time")
    }
}

async fn serve(dir: &std::path::Path, audit_policy: Option<&str>, stop: CancellationToken) -> String {
    let store =
        orch_store::open("sqlite", &dir.join("state.db"), orch_store::Options::default()).await.unwrap();
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // Endpoints may not be loopback addresses; nobody connects to this one.
    let advertise = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut config = Config::new((local, 0).into(), advertise, dir.join("pki"));
    if let Some(text) = audit_policy {
        let policy = dir.join("policy.yaml");
        std::fs::write(&policy, text).unwrap();
        config.audit =
            Some(AuditConfig { policy, log: dir.join("audit.log"), rotation: Rotation::default() });
    }
    let server = Server::new(config, store, Arc::new(Kinds::builtin())).await.unwrap();
    let path = dir.join("kubeconfig");
    kubeconfig::write_admin(&path, &server.local_url(), server.pki()).unwrap();
    tokio::spawn(server.run(stop));
    std::fs::read_to_string(path).unwrap()
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { code, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

pub fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "c", "image": "busybox" }] },
    })
}

pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "c", "image": "busybox" }] },
            },
        },
    })
}

/// An address of this machine that others can reach; without one there is nothing to be proxied to.
pub fn own_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    let found = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let address =
        found.ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if address.is_none() {
        println!("skipped: this machine has no address but its own loopback");
    }
    address.map(|ip| ip.to_string())
}

pub fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect()
}
