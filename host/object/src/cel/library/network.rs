//! Addresses and ranges of IP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fault, Native, Row, Value, text};

/// An address and the bits of it that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

pub(super) const ROWS: &[Row] = &[
    ("ip(string): net.IP", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::native(Native::Ip(parse_ip(text(&a[0])?)?)))
    }),
    ("isIP(string): bool", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::Bool(parse_ip(text(&a[0])?).is_ok()))
    }),
    ("ip.isCanonical(string): bool", |a, meter| {
        meter.traverse(2 * text(&a[0])?.len())?;
        Ok(Value::Bool(parse_ip(text(&a[0])?)?.to_string() == text(&a[0])?))
    }),
    ("(net.IP).family(): int", |a, _| Ok(Value::Int(if address(&a[0])?.is_ipv4() { 4 } else { 6 }))),
    ("(net.IP).isUnspecified(): bool", |a, _| is(a, |ip| ip.is_unspecified())),
    ("(net.IP).isLoopback(): bool", |a, _| is(a, |ip| ip.is_loopback())),
    ("(net.IP).isLinkLocalMulticast(): bool", |a, _| {
        is(a, |ip| match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        })
    }),
    ("(net.IP).isLinkLocalUnicast(): bool", |a, _| is(a, is_link_local)),
    ("(net.IP).isGlobalUnicast(): bool", |a, _| {
        is(a, |ip| {
            let broadcast = *ip == IpAddr::V4(Ipv4Addr::BROADCAST);
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || is_link_local(ip) || broadcast)
        })
    }),
    ("cidr(string): net.CIDR", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::native(Native::Cidr(parse_cidr(text(&a[0])?)?)))
    }),
    ("isCIDR(string): bool", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::Bool(parse_cidr(text(&a[0])?).is_ok()))
    }),
    ("(net.CIDR).containsIP(string): bool", |a, meter| {
        meter.traverse(text(&a[1])?.len())?;
        Ok(Value::Bool(cidr(&a[0])?.contains(parse_ip(text(&a[1])?)?)))
    }),
    ("(net.CIDR).containsIP(net.IP): bool", |a, _| Ok(Value::Bool(cidr(&a[0])?.contains(address(&a[1])?)))),
    ("(net.CIDR).containsCIDR(string): bool", |a, meter| {
        meter.traverse(text(&a[1])?.len())?;
        Ok(Value::Bool(cidr(&a[0])?.covers(&parse_cidr(text(&a[1])?)?)))
    }),
    ("(net.CIDR).containsCIDR(net.CIDR): bool", |a, _| Ok(Value::Bool(cidr(&a[0])?.covers(&cidr(&a[1])?)))),
    ("(net.CIDR).ip(): net.IP", |a, _| Ok(Value::native(Native::Ip(cidr(&a[0])?.address)))),
    ("(net.CIDR).prefixLength(): int", |a, _| Ok(Value::Int(cidr(&a[0])?.prefix.into()))),
    ("(net.CIDR).masked(): net.CIDR", |a, _| Ok(Value::native(Native::Cidr(cidr(&a[0])?.masked())))),
];

impl Cidr {
    fn masked(&self) -> Cidr {
        Cidr { address: mask(self.address, self.prefix), prefix: self.prefix }
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && mask(address, self.prefix) == mask(self.address, self.prefix)
    }

    fn covers(&self, other: &Cidr) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address with all bits after the first `prefix` cleared.
fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & kept))
        }
        IpAddr::V6(ip) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & kept))
        }
    }
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is(a: &[Value], of: impl Fn(&IpAddr) -> bool) -> Result<Value, Fault> {
    Ok(Value::Bool(of(&address(&a[0])?)))
}

fn native(value: &Value) -> Result<&Native, Fault> {
    match value {
        Value::Native(native) => Ok(native),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn address(value: &Value) -> Result<IpAddr, Fault> {
    match native(value)? {
        Native::Ip(address) => Ok(*address),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn cidr(value: &Value) -> Result<Cidr, Fault> {
    match native(value)? {
        Native::Cidr(cidr) => Ok(*cidr),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, Fault> {
    let address: IpAddr = text.parse().map_err(|_| {
        Fault::other(format!("IP Address {text:?} parse error during conversion from string"))
    })?;
    match address {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            Err(Fault::other(format!("IPv4-mapped IPv6 address {text:?} is not allowed")))
        }
        address => Ok(address),
    }
}

fn parse_cidr(text: &str) -> Result<Cidr, Fault> {
    let failed = || Fault::other("network address parse error during conversion from string");
    let (address, prefix) = text.split_once('/').ok_or_else(failed)?;
    let address = parse_ip(address).map_err(|_| failed())?;
    let well_formed =
        prefix.bytes().all(|byte| byte.is_ascii_digit()) && !(prefix.len() > 1 && prefix.starts_with('0'));
    let prefix: u8 = prefix.parse().ok().filter(|_| well_formed).ok_or_else(failed)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if prefix <= most { Ok(Cidr { address, prefix }) } else { Err(failed()) }
}
