//! The address other machines know this one by.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use nix::ifaddrs::getifaddrs;

/// The source address of the default route, else the first that is not loopback.
pub fn of_this_machine() -> Ipv4Addr {
    by_route().or_else(by_interface).unwrap_or_else(|| {
        tracing::warn!("no IPv4 address but loopback: pods will not reach the API or other nodes");
        Ipv4Addr::LOCALHOST
    })
}

/// Connecting a UDP socket sends nothing; it only asks the routing table.
fn by_route() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-2: nobody's, so only a default route leads there.
    socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => Some(ip),
        _ => None,
    }
}

fn by_interface() -> Option<Ipv4Addr> {
    let addresses = getifaddrs().ok()?;
    addresses
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
        .find(|ip| !ip.is_loopback() && !ip.is_link_local())
}
