//! Endpoints and EndpointSlices.

use serde_json::Value;

use super::{NONE, age, int_of, list, name, path, shortened, str_of, text};
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![name(), text("Endpoints", "Addresses and ports, at most three.", endpoints), age()]
}

pub(crate) fn slice_columns() -> Vec<Column> {
    vec![
        name(),
        path("AddressType", "IPv4, IPv6 or FQDN.", "addressType"),
        text("Ports", "Ports of every endpoint, at most three.", ports),
        text("Endpoints", "Addresses, at most three.", addresses),
        age(),
    ]
}

fn endpoints(object: &Value) -> Value {
    let subsets = list(&object["subsets"]);
    if subsets.is_empty() {
        return NONE.into();
    }
    let shown: Vec<String> = subsets.iter().flat_map(subset).collect();
    shortened(&shown, shown.len(), "")
}

fn subset(subset: &Value) -> Vec<String> {
    let addresses = || list(&subset["addresses"]).iter().map(|address| str_of(&address["ip"]));
    let ports = list(&subset["ports"]);
    if ports.is_empty() {
        return addresses().map(str::to_owned).collect();
    }
    ports.iter().flat_map(|port| addresses().map(move |ip| host_port(ip, int_of(&port["port"])))).collect()
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn ports(slice: &Value) -> Value {
    let shown: Vec<String> = list(&slice["ports"])
        .iter()
        .map(|port| match (&port["port"], port["name"].as_str()) {
            (Value::Number(number), _) => number.to_string(),
            (_, Some(name)) => name.to_owned(),
            _ => "*".to_owned(),
        })
        .collect();
    shortened(&shown, shown.len(), "<unset>")
}

fn addresses(slice: &Value) -> Value {
    let shown: Vec<String> = list(&slice["endpoints"])
        .iter()
        .flat_map(|endpoint| list(&endpoint["addresses"]))
        .map(|address| str_of(address).to_owned())
        .collect();
    shortened(&shown, shown.len(), "<unset>")
}
