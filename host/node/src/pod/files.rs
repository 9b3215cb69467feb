//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a pod. Pure.

use std::net::IpAddr;

use super::spec::{Pod, PodSpec};

const HOSTNAME_MAX: usize = 63;
/// The resolver's limits, as upstream applies them.
const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;

/// The pod's own name for itself.
pub fn hostname(pod: &Pod) -> String {
    let name = if pod.spec.hostname.is_empty() { &pod.metadata.name } else { &pod.spec.hostname };
    let cut: String = name.chars().take(HOSTNAME_MAX).collect();
    cut.trim_end_matches(['-', '.']).to_string()
}

/// `web-0.db.shop.svc.cluster.local`, for pods with a subdomain.
pub fn qualified_hostname(pod: &Pod, cluster_domain: &str) -> Option<String> {
    let PodSpec { subdomain, .. } = &pod.spec;
    let domain = format!("{subdomain}.{}.svc.{cluster_domain}", pod.metadata.namespace);
    (!subdomain.is_empty()).then(|| format!("{}.{domain}", hostname(pod)))
}

/// What `hostname` prints inside.
pub fn kernel_hostname(pod: &Pod, cluster_domain: &str) -> String {
    match qualified_hostname(pod, cluster_domain) {
        Some(name) if pod.spec.set_hostname_as_fqdn => name,
        Some(_) | None => hostname(pod),
    }
}

/// `host_file`: the machine's own `/etc/hosts`, shown to pods with host network.
pub fn etc_hosts(pod: &Pod, pod_ips: &[IpAddr], cluster_domain: &str, host_file: &str) -> String {
    let mut out = if pod.spec.host_network {
        format!("# Kubernetes-managed hosts file (host network).\n{host_file}")
    } else {
        own_hosts(pod, pod_ips, cluster_domain)
    };
    if !pod.spec.host_aliases.is_empty() {
        out.push_str("\n# Entries added by HostAliases.\n");
        for alias in &pod.spec.host_aliases {
            out.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
    }
    out
}

fn own_hosts(pod: &Pod, pod_ips: &[IpAddr], cluster_domain: &str) -> String {
    let mut out = String::from(
        "# Kubernetes-managed hosts file.\n\
         127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\n\
         fe00::0\tip6-mcastprefix\n\
         fe00::1\tip6-allnodes\n\
         fe00::2\tip6-allrouters\n",
    );
    for ip in pod_ips {
        match qualified_hostname(pod, cluster_domain) {
            Some(name) => out.push_str(&format!("{ip}\t{name}\t{}\n", hostname(pod))),
            None => out.push_str(&format!("{ip}\t{}\n", hostname(pod))),
        }
    }
    out
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Resolver {
    nameservers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
}

/// `host_file`: the machine's own resolver configuration.
pub fn resolv_conf(pod: &Pod, cluster_dns: &[IpAddr], cluster_domain: &str, host_file: &str) -> String {
    let host = parse_resolver(host_file);
    let uses_cluster = match pod.spec.dns_policy.as_str() {
        "None" | "Default" => false,
        "ClusterFirstWithHostNet" => true,
        _ => !pod.spec.host_network,
    };
    let base = if pod.spec.dns_policy == "None" {
        Resolver::default()
    } else if uses_cluster && !cluster_dns.is_empty() {
        let namespace = &pod.metadata.namespace;
        let mut searches = vec![
            format!("{namespace}.svc.{cluster_domain}"),
            format!("svc.{cluster_domain}"),
            cluster_domain.to_string(),
        ];
        searches.extend(host.searches);
        Resolver {
            nameservers: cluster_dns.iter().map(ToString::to_string).collect(),
            searches,
            options: vec!["ndots:5".into()],
        }
    } else {
        host
    };
    written(with_config(pod, base))
}

fn with_config(pod: &Pod, mut resolver: Resolver) -> Resolver {
    let config = &pod.spec.dns_config;
    resolver.nameservers.extend(config.nameservers.iter().cloned());
    resolver.searches.extend(config.searches.iter().cloned());
    for option in &config.options {
        let name = option.name.as_str();
        resolver.options.retain(|known| known.split(':').next() != Some(name));
        resolver.options.push(match &option.value {
            Some(value) => format!("{name}:{value}"),
            None => name.to_string(),
        });
    }
    resolver
}

fn parse_resolver(file: &str) -> Resolver {
    let mut out = Resolver::default();
    for line in file.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => out.nameservers.extend(words.next().map(str::to_string)),
            Some("search" | "domain") => out.searches = words.map(str::to_string).collect(),
            Some("options") => out.options = words.map(str::to_string).collect(),
            Some(_) | None => {}
        }
    }
    out
}

fn written(resolver: Resolver) -> String {
    let mut out = String::new();
    let searches = distinct(resolver.searches, SEARCHES_MAX);
    if !searches.is_empty() {
        out.push_str(&format!("search {}\n", searches.join(" ")));
    }
    for server in distinct(resolver.nameservers, NAMESERVERS_MAX) {
        out.push_str(&format!("nameserver {server}\n"));
    }
    if !resolver.options.is_empty() {
        out.push_str(&format!("options {}\n", resolver.options.join(" ")));
    }
    out
}

fn distinct(all: Vec<String>, most: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in all {
        if !out.contains(&item) && out.len() < most {
            out.push(item);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(spec: serde_json::Value) -> Pod {
        let raw = json!({"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec});
        Pod::read(Arc::new(raw)).unwrap()
    }

    #[test]
    fn resolver_follows_the_dns_policy() {
        let dns = ["10.96.0.10".parse().unwrap()];
        let host = "nameserver 9.9.9.9\nsearch corp\n";
        let first = resolv_conf(&pod(json!({})), &dns, "cluster.local", host);
        assert_eq!(
            first,
            "search shop.svc.cluster.local svc.cluster.local cluster.local corp\nnameserver 10.96.0.10\noptions ndots:5\n"
        );
        let default = resolv_conf(&pod(json!({"dnsPolicy": "Default"})), &dns, "cluster.local", host);
        assert_eq!(default, "search corp\nnameserver 9.9.9.9\n");
        let none = json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"],
            "options": [{"name": "ndots", "value": "2"}]}});
        assert_eq!(
            resolv_conf(&pod(none), &dns, "cluster.local", host),
            "nameserver 1.1.1.1\noptions ndots:2\n"
        );
    }

    #[test]
    fn hosts_name_the_pod_and_its_aliases() {
        let pod =
            pod(json!({"subdomain": "db", "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]}));
        let hosts = etc_hosts(&pod, &["10.0.0.7".parse().unwrap()], "cluster.local", "");
        assert!(hosts.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
        assert!(hosts.contains("10.0.0.7\tweb-0.db.shop.svc.cluster.local\tweb-0\n"));
        assert!(hosts.ends_with("1.2.3.4\ta\tb\n"));
        assert_eq!(kernel_hostname(&pod, "cluster.local"), "web-0");
    }
}
