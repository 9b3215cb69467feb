//! The node's side: forwarding, the address that DNS answers on, and the start of proxy and server.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orch_client::{Client, Patch, PatchType, Resource, Target, WriteOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::netlink::{Namespace, link_index, or_exists, parse_cidr};
use crate::{NetworkError, Pods, attach, dns, nft, services};

pub struct Config {
    pub data_dir: PathBuf,
    pub node_name: String,
    pub node_ip: Ipv4Addr,
    /// This node's share: `10.244.0.0/24`. Its base address is the node's own, for DNS.
    pub node_pod_cidr: String,
    /// All pods: `10.244.0.0/16`.
    pub pod_cidr: String,
    pub service_cidr: String,
    pub cluster_dns: Ipv4Addr,
    pub cluster_domain: String,
}

pub struct Network {
    pub pods: Arc<Pods>,
}

impl Network {
    /// Prepares the node; DNS and proxy then run until stopped.
    pub async fn start(
        config: Config,
        client: Arc<dyn Client>,
        stop: CancellationToken,
    ) -> Result<Network, NetworkError> {
        let node = Arc::new(Namespace::current());
        // The range's own address, which no pod is given (flannel does the same).
        let (own, _) = parse_cidr(&config.node_pod_cidr).map_err(|m| failed("pod CIDR", m))?;
        let ours = attachments(&config.data_dir);
        std::fs::create_dir_all(&ours)
            .and_then(|()| std::fs::write(ours.join("node"), format!("{own}/32 {}", config.service_cidr)))
            .map_err(|e| failed("note what is added to the node", e))?;
        prepare(&node, own, &config).await?;
        let server = dns::Dns::bind(own.into()).await?;
        let address = server.address;
        tokio::spawn(server.serve(client.clone(), config.cluster_domain.clone(), stop.clone()));
        let ranges = services::Ranges { pods: config.pod_cidr.clone() };
        tokio::spawn(services::proxy(client.clone(), config.node_name, ranges, stop.clone()));
        tokio::spawn(publish_dns(client, dns_objects(config.cluster_dns, address), stop));
        let pods = Pods::open(
            attachments(&config.data_dir),
            json!({ "podCIDRs": [config.node_pod_cidr], "mtu": 0 }),
            vec![config.cluster_dns.into()],
            config.cluster_domain,
        )?;
        Ok(Network { pods: Arc::new(pods) })
    }
}

fn failed(what: &str, message: impl std::fmt::Display) -> NetworkError {
    NetworkError { what: what.into(), message: message.to_string() }
}

fn attachments(data_dir: &Path) -> PathBuf {
    data_dir.join("run/network")
}

/// Forwarding on, the node's pod-side address on loopback, and a way to Service addresses.
async fn prepare(node: &Namespace, own: Ipv4Addr, config: &Config) -> Result<(), NetworkError> {
    let path = "/proc/sys/net/ipv4/ip_forward";
    std::fs::write(path, "1").map_err(|e| failed(path, e))?;
    let (services, length) = parse_cidr(&config.service_cidr).map_err(|m| failed("service CIDR", m))?;
    let source = config.node_ip;
    node.run(move |handle| async move {
        let loopback = link_index(&handle, "lo").await?;
        let added = handle.address().add(loopback, own.into(), 32).execute().await;
        or_exists(added, || format!("address {own} on lo"))?;
        // A Service address is rewritten on its way out; this route only lets the packet set out,
        // with the node's address as its source, where there is no default route.
        let route = rtnetlink::RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(services, length)
            .output_interface(loopback)
            .pref_source(source)
            .build();
        or_exists(handle.route().add(route).replace().execute().await, || {
            format!("route to {services}/{length}")
        })
    })
    .await
    .map_err(|m| failed("node network", m))
}

/// The `kube-dns` Service and its endpoint, this node's server.
fn dns_objects(cluster_dns: Ipv4Addr, server: std::net::SocketAddr) -> [(Resource, Value); 2] {
    let labels = json!({ "k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS" });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "kube-dns", "namespace": "kube-system", "labels": labels },
        "spec": {
            "clusterIP": cluster_dns.to_string(),
            "ports": [
                { "name": "dns", "port": 53, "protocol": "UDP", "targetPort": server.port() },
                { "name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": server.port() },
            ],
        },
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns", "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "orch-dns",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [server.ip().to_string()], "conditions": { "ready": true } }],
        "ports": [
            { "name": "dns", "port": server.port(), "protocol": "UDP" },
            { "name": "dns-tcp", "port": server.port(), "protocol": "TCP" },
        ],
    });
    let slices = Resource::new("discovery.k8s.io", "v1", "endpointslices");
    [(Resource::core("services"), service), (slices, slice)]
}

/// Applies `kube-dns`, until every attempt has succeeded once.
async fn publish_dns(client: Arc<dyn Client>, objects: [(Resource, Value); 2], stop: CancellationToken) {
    let options = WriteOptions { field_manager: "orch-dns".into(), force: true, ..Default::default() };
    for (resource, object) in objects {
        let target = Target::named(&resource, "kube-system", "kube-dns");
        loop {
            let patch = Patch { patch_type: PatchType::Apply, body: object.clone() };
            match client.patch(&target, patch, &options).await {
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, resource = %resource.plural, "kube-dns is not published yet")
                }
            }
            tokio::select! {
                _ = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
                _ = stop.cancelled() => return,
            }
        }
    }
}

/// Removes what a data directory's host has put into this network namespace.
pub fn purge(data_dir: &Path) -> Result<(), NetworkError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| failed("purge", e))?.block_on(async {
        let ours = attachments(data_dir);
        if !ours.exists() {
            // This host never had a network here; the table would be another's.
            return Ok(());
        }
        attach::purge(&ours).await?;
        let table = nft::TABLE;
        nft::apply(&format!("add table {table}\ndelete table {table}\n")).await?;
        remove_own_addresses(data_dir).await
    })
}

/// The address on loopback and the route to Services, as `start` noted them.
async fn remove_own_addresses(data_dir: &Path) -> Result<(), NetworkError> {
    let note = attachments(data_dir).join("node");
    let Ok(text) = std::fs::read_to_string(&note) else { return Ok(()) };
    let mut words = text.split_whitespace();
    let (Some(own), Some(services)) = (words.next(), words.next()) else { return Ok(()) };
    let (own, _) = parse_cidr(own).map_err(|m| failed("purge", m))?;
    let (services, length) = parse_cidr(services).map_err(|m| failed("purge", m))?;
    Namespace::current()
        .run(move |handle| async move {
            use futures::TryStreamExt;
            let loopback = link_index(&handle, "lo").await?;
            let mut addresses = handle
                .address()
                .get()
                .set_link_index_filter(loopback)
                .set_address_filter(own.into())
                .execute();
            while let Some(address) = addresses.try_next().await.map_err(|e| e.to_string())? {
                handle.address().del(address).execute().await.map_err(|e| e.to_string())?;
            }
            let route = rtnetlink::RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(services, length)
                .output_interface(loopback)
                .build();
            match handle.route().del(route).execute().await {
                Err(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == -nix::libc::ESRCH => Ok(()),
                other => other.map_err(|e| e.to_string()),
            }
        })
        .await
        .map_err(|m| failed("purge", m))
}
