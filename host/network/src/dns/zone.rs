//! What the cluster's names mean, after Kubernetes' DNS specification 1.1. Pure.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use orch_client::informer::Objects;
use parking_lot::RwLock;
use serde_json::Value;

/// What a question asks for; other types exist and have no records here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    A,
    Srv,
    Ptr,
    Any,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    A(Ipv4Addr),
    Cname(String),
    /// Port and target.
    Srv(u16, String),
    Ptr(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Owner name and data; empty: the name exists and has nothing of that type.
    Records(Vec<(String, Data)>),
    NoSuchName,
    /// Not ours: somebody upstream may know.
    Elsewhere,
}

/// Slices by the Service they belong to, kept by the informer's events.
pub type SliceIndex = Arc<RwLock<HashMap<(String, String), HashMap<String, Arc<Value>>>>>;

pub struct Zone {
    /// `cluster.local`
    pub domain: String,
    pub services: Objects,
    pub slices: SliceIndex,
}

/// One endpoint of a headless Service.
struct Endpoint {
    ip: Ipv4Addr,
    /// `spec.hostname` of its pod, or its address with dashes.
    host: String,
    ports: Vec<(String, String, u16)>,
}

impl Zone {
    /// `name` in lower case, without the final dot.
    pub fn answer(&self, name: &str, asked: Asked) -> Answer {
        if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
            return self.reverse(name, reversed);
        }
        let inside = match name.strip_suffix(&self.domain) {
            Some("") => return Answer::Records(Vec::new()),
            Some(rest) => match rest.strip_suffix('.') {
                Some(rest) => rest,
                None => return Answer::Elsewhere,
            },
            None => return Answer::Elsewhere,
        };
        let labels: Vec<&str> = inside.split('.').collect();
        match labels[..] {
            ["svc"] | [_, "svc"] | ["pod"] => Answer::Records(Vec::new()),
            [service, namespace, "svc"] => self.service(name, service, namespace, asked),
            [port, protocol, service, namespace, "svc"]
                if port.starts_with('_') && protocol.starts_with('_') =>
            {
                self.srv(name, &port[1..], &protocol[1..], service, namespace, asked)
            }
            [host, service, namespace, "svc"] => self.endpoint(name, host, service, namespace, asked),
            [address, _, "pod"] => pod(name, address, asked),
            _ => Answer::NoSuchName,
        }
    }

    fn service(&self, name: &str, service: &str, namespace: &str, asked: Asked) -> Answer {
        let Some(object) = self.services.get(&format!("{namespace}/{service}")) else {
            return Answer::NoSuchName;
        };
        let spec = &object["spec"];
        if spec["type"] == "ExternalName" {
            let target = spec["externalName"].as_str().unwrap_or_default().to_string();
            return Answer::Records(vec![(name.into(), Data::Cname(target))]);
        }
        if asked == Asked::Srv {
            let ports: Vec<&Value> = list(&spec["ports"]).iter().filter(|p| p["name"].is_string()).collect();
            let records = ports.iter().flat_map(|p| {
                self.srv_records(name, text(&p["name"]), text(&p["protocol"]), service, namespace, &object)
            });
            return Answer::Records(records.collect());
        }
        if !matches!(asked, Asked::A | Asked::Any) {
            return Answer::Records(Vec::new());
        }
        match spec["clusterIP"].as_str().and_then(|ip| ip.parse().ok()) {
            Some(ip) => Answer::Records(vec![(name.into(), Data::A(ip))]),
            None => {
                let endpoints = self.endpoints(namespace, service, &object);
                // Upstream's DNS says there is no such name while a headless Service has no endpoints.
                if endpoints.is_empty() {
                    return Answer::NoSuchName;
                }
                Answer::Records(endpoints.iter().map(|e| (name.to_string(), Data::A(e.ip))).collect())
            }
        }
    }

    fn endpoint(&self, name: &str, host: &str, service: &str, namespace: &str, asked: Asked) -> Answer {
        let Some(object) = self.services.get(&format!("{namespace}/{service}")) else {
            return Answer::NoSuchName;
        };
        let endpoints = self.endpoints(namespace, service, &object);
        let found: Vec<_> = endpoints.iter().filter(|e| e.host == host).collect();
        if found.is_empty() {
            return Answer::NoSuchName;
        }
        let wanted = matches!(asked, Asked::A | Asked::Any);
        Answer::Records(found.iter().filter(|_| wanted).map(|e| (name.to_string(), Data::A(e.ip))).collect())
    }

    fn srv(
        &self,
        name: &str,
        port: &str,
        protocol: &str,
        service: &str,
        namespace: &str,
        asked: Asked,
    ) -> Answer {
        let Some(object) = self.services.get(&format!("{namespace}/{service}")) else {
            return Answer::NoSuchName;
        };
        let records = self.srv_records(name, port, protocol, service, namespace, &object);
        if records.is_empty() {
            Answer::NoSuchName
        } else if matches!(asked, Asked::Srv | Asked::Any) {
            Answer::Records(records)
        } else {
            Answer::Records(Vec::new())
        }
    }

    fn srv_records(
        &self,
        name: &str,
        port: &str,
        protocol: &str,
        service: &str,
        namespace: &str,
        object: &Value,
    ) -> Vec<(String, Data)> {
        let base = format!("{service}.{namespace}.svc.{}", self.domain);
        let is_it = |p: &&Value| p["name"] == port && text(&p["protocol"]).eq_ignore_ascii_case(protocol);
        let Some(found) = list(&object["spec"]["ports"]).iter().find(is_it) else { return Vec::new() };
        if object["spec"]["clusterIP"] != "None" {
            let number = found["port"].as_u64().unwrap_or(0) as u16;
            return vec![(name.into(), Data::Srv(number, base))];
        }
        let of = |e: &Endpoint| {
            let port = e.ports.iter().find(|(n, p, _)| n == port && p.eq_ignore_ascii_case(protocol))?;
            Some((name.to_string(), Data::Srv(port.2, format!("{}.{base}", e.host))))
        };
        self.endpoints(namespace, service, object).iter().filter_map(of).collect()
    }

    fn endpoints(&self, namespace: &str, service: &str, object: &Value) -> Vec<Endpoint> {
        let all = object["spec"]["publishNotReadyAddresses"] == true;
        let index = self.slices.read();
        let Some(slices) = index.get(&(namespace.to_string(), service.to_string())) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for slice in slices.values() {
            let ports: Vec<(String, String, u16)> = list(&slice["ports"])
                .iter()
                .map(|p| {
                    (
                        text(&p["name"]).into(),
                        text(&p["protocol"]).into(),
                        p["port"].as_u64().unwrap_or(0) as u16,
                    )
                })
                .collect();
            for endpoint in list(&slice["endpoints"]) {
                if !all && endpoint["conditions"]["ready"] == false {
                    continue;
                }
                for ip in
                    list(&endpoint["addresses"]).iter().filter_map(|a| a.as_str()?.parse::<Ipv4Addr>().ok())
                {
                    let host = endpoint["hostname"].as_str().map(String::from);
                    let host = host.unwrap_or_else(|| ip.to_string().replace('.', "-"));
                    found.push(Endpoint { ip, host, ports: ports.clone() });
                }
            }
        }
        found.sort_by_key(|e| e.ip);
        found.dedup_by_key(|e| e.ip);
        found
    }

    fn reverse(&self, name: &str, reversed: &str) -> Answer {
        let labels: Vec<&str> = reversed.split('.').rev().collect();
        let Ok(ip) = labels.join(".").parse::<Ipv4Addr>() else { return Answer::Elsewhere };
        let wanted = ip.to_string();
        for service in self.services.all() {
            if service["spec"]["clusterIP"] == wanted.as_str() {
                let meta = &service["metadata"];
                let target =
                    format!("{}.{}.svc.{}", text(&meta["name"]), text(&meta["namespace"]), self.domain);
                return Answer::Records(vec![(name.into(), Data::Ptr(target))]);
            }
        }
        for ((namespace, service), slices) in self.slices.read().iter() {
            for endpoint in slices.values().flat_map(|s| list(&s["endpoints"])) {
                let here = list(&endpoint["addresses"]).iter().any(|a| *a == wanted.as_str());
                if let (true, Some(host)) = (here, endpoint["hostname"].as_str()) {
                    let target = format!("{host}.{service}.{namespace}.svc.{}", self.domain);
                    return Answer::Records(vec![(name.into(), Data::Ptr(target))]);
                }
            }
        }
        Answer::Elsewhere
    }
}

fn pod(name: &str, address: &str, asked: Asked) -> Answer {
    match address.replace('-', ".").parse() {
        Ok(ip) if matches!(asked, Asked::A | Asked::Any) => Answer::Records(vec![(name.into(), Data::A(ip))]),
        Ok(_) => Answer::Records(Vec::new()),
        Err(_) => Answer::NoSuchName,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn zone() -> Zone {
        let service =
            |name: &str, spec: Value| json!({"metadata": {"namespace": "shop", "name": name}, "spec": spec});
        let services = Objects::of([
            service(
                "web",
                json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}),
            ),
            service(
                "db",
                json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]}),
            ),
            service("empty", json!({"clusterIP": "None", "ports": []})),
            service("far", json!({"type": "ExternalName", "externalName": "db.example.com"})),
        ]);
        let slice = json!({
            "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": true}},
                {"addresses": ["10.244.0.6"], "conditions": {"ready": true}},
                {"addresses": ["10.244.0.7"], "conditions": {"ready": false}},
            ],
        });
        let slices = SliceIndex::default();
        slices.write().insert(("shop".into(), "db".into()), [("db-x".to_string(), Arc::new(slice))].into());
        Zone { domain: "cluster.local".into(), services, slices }
    }

    fn ask(name: &str, asked: Asked) -> String {
        match zone().answer(name, asked) {
            Answer::NoSuchName => "nxdomain".into(),
            Answer::Elsewhere => "elsewhere".into(),
            Answer::Records(records) => {
                let words = records.into_iter().map(|(_, data)| match data {
                    Data::A(ip) => ip.to_string(),
                    Data::Cname(target) | Data::Ptr(target) => target,
                    Data::Srv(port, target) => format!("{port} {target}"),
                });
                words.collect::<Vec<_>>().join(",")
            }
        }
    }

    #[test]
    fn names_mean_what_the_specification_says() {
        assert_eq!(ask("web.shop.svc.cluster.local", Asked::A), "10.96.0.7");
        assert_eq!(ask("web.shop.svc.cluster.local", Asked::Other), "", "it exists, without AAAA");
        assert_eq!(ask("none.shop.svc.cluster.local", Asked::A), "nxdomain");
        assert_eq!(ask("db.shop.svc.cluster.local", Asked::A), "10.244.0.5,10.244.0.6");
        assert_eq!(ask("empty.shop.svc.cluster.local", Asked::A), "nxdomain");
        assert_eq!(ask("db-0.db.shop.svc.cluster.local", Asked::A), "10.244.0.5");
        assert_eq!(ask("10-244-0-6.db.shop.svc.cluster.local", Asked::A), "10.244.0.6");
        assert_eq!(ask("far.shop.svc.cluster.local", Asked::A), "db.example.com");
        assert_eq!(ask("_http._tcp.web.shop.svc.cluster.local", Asked::Srv), "80 web.shop.svc.cluster.local");
        assert_eq!(
            ask("_sql._tcp.db.shop.svc.cluster.local", Asked::Srv),
            "5432 db-0.db.shop.svc.cluster.local,5432 10-244-0-6.db.shop.svc.cluster.local"
        );
        assert_eq!(ask("10-244-0-9.shop.pod.cluster.local", Asked::A), "10.244.0.9");
        assert_eq!(ask("7.0.96.10.in-addr.arpa", Asked::Ptr), "web.shop.svc.cluster.local");
        assert_eq!(ask("5.0.244.10.in-addr.arpa", Asked::Ptr), "db-0.db.shop.svc.cluster.local");
        assert_eq!(ask("example.com", Asked::A), "elsewhere");
        assert_eq!(ask("notcluster.local", Asked::A), "elsewhere");
    }
}
