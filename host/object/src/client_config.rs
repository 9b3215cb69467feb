//! `clientConfig` of webhooks: whom to call, and whom to trust.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Read from a valid `clientConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    pub place: Place,
    /// PEM; empty: what the machine trusts.
    pub ca_bundle: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// `https://host[:port][/path]`
    Url(String),
    Service {
        namespace: String,
        name: String,
        port: u16,
        /// Begins with a slash, or empty.
        path: String,
    },
}

impl ClientConfig {
    pub fn parse(config: &Value) -> ClientConfig {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let service = &config["service"];
        let place = match service.is_object() {
            false => Place::Url(text(&config["url"])),
            true => Place::Service {
                namespace: text(&service["namespace"]),
                name: text(&service["name"]),
                port: service["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or(443),
                path: text(&service["path"]),
            },
        };
        ClientConfig { place, ca_bundle: bundle(&config["caBundle"]) }
    }

    /// What is called, as messages name it; services go by their name in the cluster.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Url(url) => url.clone(),
            Place::Service { namespace, name, port, path } => {
                format!("https://{name}.{namespace}.svc:{port}{path}")
            }
        }
    }
}

/// A `caBundle`, decoded.
pub fn bundle(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services_and_urls_are_told_apart() {
        let by_url = ClientConfig::parse(&json!({ "url": "https://h/x", "caBundle": "YQ==" }));
        assert_eq!((by_url.url().as_str(), by_url.ca_bundle.as_slice()), ("https://h/x", &b"a"[..]));
        let service = json!({ "namespace": "n", "name": "s", "port": 8443, "path": "/p" });
        let by_service = ClientConfig::parse(&json!({ "service": service }));
        assert_eq!(by_service.url(), "https://s.n.svc:8443/p");
    }
}
