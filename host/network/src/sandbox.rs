//! The capabilities a CNI component has over one sandbox, carried out with netlink.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use orch_plugin::calls::cni::{Route, SandboxNetwork, Side};
use parking_lot::Mutex;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::netlink::{Namespace, link, link_index, or_exists, parse_cidr};

/// One sandbox: its pinned namespace and the node's.
pub struct Sandbox {
    path: PathBuf,
    inside: Namespace,
    node: Arc<Namespace>,
    /// (node side, sandbox side), once there is a pair.
    pair: Mutex<Option<(String, String)>>,
}

impl Sandbox {
    pub fn new(path: &Path, node: Arc<Namespace>) -> Self {
        Sandbox { path: path.into(), inside: Namespace::pinned(path), node, pair: Mutex::new(None) }
    }

    fn on(&self, side: Side) -> Result<(&Namespace, String), String> {
        let pair = self.pair.lock();
        let (node, sandbox) = pair.as_ref().ok_or("call add-veth first: the sandbox has no interface yet")?;
        Ok(match side {
            Side::Node => (&self.node, node.clone()),
            Side::Sandbox => (&self.inside, sandbox.clone()),
        })
    }
}

/// Interface names are at most 15 bytes and name no path.
fn checked(name: &str) -> Result<String, String> {
    let good = !name.is_empty()
        && name.len() <= 15
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good {
        Ok(name.into())
    } else {
        Err(format!("{name:?} is not an interface name (1 to 15 letters, digits, - or _)"))
    }
}

#[async_trait]
impl SandboxNetwork for Sandbox {
    async fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String> {
        let (outer, inner) = (checked(node_name)?, checked(sandbox_name)?);
        let namespace =
            std::fs::File::open(&self.path).map_err(|e| format!("{}: {e}", self.path.display()))?;
        let names = (outer.clone(), inner.clone());
        self.node
            .run(move |handle| async move {
                if link(&handle, &outer).await?.is_none() {
                    let peer = LinkMessageBuilder::<LinkUnspec>::new()
                        .name(inner)
                        .setns_by_fd(namespace.as_raw_fd());
                    let peer = if mtu > 0 { peer.mtu(mtu) } else { peer };
                    let pair = LinkMessageBuilder::<LinkVeth>::new(&outer, "")
                        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
                    let pair = if mtu > 0 { pair.mtu(mtu) } else { pair };
                    handle
                        .link()
                        .add(pair.build())
                        .execute()
                        .await
                        .map_err(|e| format!("veth {outer}: {e}"))?;
                }
                let index = link_index(&handle, &outer).await?;
                let up = LinkUnspec::new_with_index(index).up().build();
                handle.link().set(up).execute().await.map_err(|e| format!("{outer} up: {e}"))
            })
            .await?;
        let inner = names.1.clone();
        self.inside
            .run(move |handle| async move {
                let index = link_index(&handle, &inner).await?;
                let up = LinkUnspec::new_with_index(index).up().build();
                handle.link().set(up).execute().await.map_err(|e| format!("{inner} up: {e}"))
            })
            .await?;
        *self.pair.lock() = Some(names);
        Ok(())
    }

    async fn remove_veth(&self, node_name: &str) -> Result<(), String> {
        remove_link(&self.node, &checked(node_name)?).await
    }

    async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        let (namespace, name) = self.on(side)?;
        let (address, length) = parse_cidr(cidr)?;
        namespace
            .run(move |handle| async move {
                let index = link_index(&handle, &name).await?;
                let added = handle.address().add(index, address.into(), length).execute().await;
                or_exists(added, || format!("address {address}/{length} on {name}"))
            })
            .await
    }

    async fn add_route(&self, side: Side, route: Route) -> Result<(), String> {
        let (namespace, name) = self.on(side)?;
        let (destination, length) = parse_cidr(&route.destination)?;
        let gateway: Option<std::net::Ipv4Addr> = match &route.gateway {
            Some(text) => Some(text.parse().map_err(|_| format!("gateway {text} is not an IPv4 address"))?),
            None => None,
        };
        namespace
            .run(move |handle| async move {
                let index = link_index(&handle, &name).await?;
                let mut message = RouteMessageBuilder::<std::net::Ipv4Addr>::new()
                    .destination_prefix(destination, length)
                    .output_interface(index);
                if let Some(gateway) = gateway {
                    message = message.gateway(gateway);
                } else if route.link_scope {
                    message = message.scope(RouteScope::Link);
                }
                let added = handle.route().add(message.build()).replace().execute().await;
                or_exists(added, || format!("route {destination}/{length} over {name}"))
            })
            .await
    }

    async fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        let address: std::net::IpAddr =
            ip.parse().map_err(|_| format!("neighbour {ip} is not an address"))?;
        let (node, outer) = self.on(Side::Node)?;
        let hardware = node
            .run(move |handle| async move {
                link(&handle, &outer).await?.map(|(_, hw)| hw).ok_or_else(|| format!("no interface {outer}"))
            })
            .await?;
        let (inside, name) = self.on(Side::Sandbox)?;
        inside
            .run(move |handle| async move {
                let index = link_index(&handle, &name).await?;
                let added = handle
                    .neighbours()
                    .add(index, address)
                    .link_layer_address(&hardware)
                    .replace()
                    .execute()
                    .await;
                or_exists(added, || format!("neighbour {address} on {name}"))
            })
            .await
    }

    async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        let (namespace, name) = self.on(side)?;
        let (family, key) = match key.split_once('/') {
            Some((family @ ("ipv4" | "ipv6"), key))
                if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
            {
                (family.to_string(), key.to_string())
            }
            _ => return Err(format!("sysctl {key:?}: write it as ipv4/KEY or ipv6/KEY")),
        };
        let value = value.to_string();
        namespace
            .run(move |_| async move {
                let path = format!("/proc/sys/net/{family}/conf/{name}/{key}");
                std::fs::write(&path, value).map_err(|e| format!("{path}: {e}"))
            })
            .await
    }
}

/// Deletes an interface of the node; no error when there is none.
pub async fn remove_link(node: &Namespace, name: &str) -> Result<(), String> {
    let name = name.to_string();
    node.run(move |handle| async move {
        match link(&handle, &name).await? {
            Some((index, _)) => handle.link().del(index).execute().await.map_err(|e| format!("{name}: {e}")),
            None => Ok(()),
        }
    })
    .await
}
