//! Addresses and networks, as fields of the first versions take them
//! (`k8s.io/apimachinery/pkg/util/validation/ip.go`).

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::{Errors, Path, text};

const INVALID_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const INVALID_NETWORK: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// With leading zeros, which were once decimal to some and octal to others.
pub(crate) fn parse_sloppy(address: &str) -> Option<IpAddr> {
    if let Ok(address) = address.parse() {
        return Some(address);
    }
    let parts: Vec<u8> = address.split('.').map(decimal).collect::<Option<_>>()?;
    let octets: [u8; 4] = parts.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn decimal(part: &str) -> Option<u8> {
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

pub(crate) fn validate(address: &Value, path: &Path, errors: &mut Errors) {
    match (parse_sloppy(text(address)), text(address).parse()) {
        (None, _) => errors.invalid(path, address, INVALID_IP),
        (Some(_), Err(_)) => errors.invalid(path, address, "must not have leading 0s"),
        (Some(_), Ok(IpAddr::V6(six))) if six.to_ipv4_mapped().is_some() => {
            errors.invalid(path, address, "must not be an IPv4-mapped IPv6 address");
        }
        (Some(_), Ok(_)) => {}
    }
}

/// Addresses that traffic can be sent to.
pub(crate) fn validate_reachable(address: &Value, path: &Path, errors: &mut Errors) {
    let Some(ip) = parse_sloppy(text(address)) else {
        return errors.invalid(path, address, "must be a valid IP address");
    };
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if ip.is_unspecified() {
        errors.invalid(path, address, format!("may not be unspecified ({})", text(address)));
    }
    if ip.is_loopback() {
        errors.invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_multicast {
        let detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(path, address, detail);
    }
}

pub(crate) fn validate_network(network: &Value, path: &Path, errors: &mut Errors) {
    let parsed = text(network).split_once('/').and_then(|(address, length)| {
        let sloppy = parse_sloppy(address)?;
        let length: u32 = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
        (length <= if sloppy.is_ipv4() { 32 } else { 128 }).then_some((address, sloppy, length))
    });
    let Some((address, sloppy, length)) = parsed else {
        return errors.invalid(path, network, INVALID_NETWORK);
    };
    let plain = text(network) == format!("{address}/{length}") && address.parse::<IpAddr>().is_ok();
    if !plain {
        errors.invalid(path, network, "must not have leading 0s in IP or prefix length");
    } else if matches!(sloppy, IpAddr::V6(six) if six.to_ipv4_mapped().is_some()) {
        errors.invalid(path, network, "must not have an IPv4-mapped IPv6 address");
    } else if has_bits_beyond(sloppy, length) {
        errors.invalid(path, network, "must not have bits set beyond the prefix length");
    }
}

fn has_bits_beyond(address: IpAddr, length: u32) -> bool {
    match address {
        IpAddr::V4(four) => u32::from(four).checked_shl(length).unwrap_or(0) != 0,
        IpAddr::V6(six) => u128::from(six).checked_shl(length).unwrap_or(0) != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Value, &Path, &mut Errors), value: &str) -> Vec<String> {
        let mut errors = Errors::default();
        rule(&value.into(), &Path::new("x"), &mut errors);
        errors.into_vec().into_iter().map(|error| error.detail).collect()
    }

    #[test]
    fn addresses_and_networks_are_canonical() {
        type Check = fn(&Value, &Path, &mut Errors);
        let cases: [(Check, &str, &[&str]); 12] = [
            (validate, "10.0.0.1", &[]),
            (validate, "010.0.0.1", &["must not have leading 0s"]),
            (validate, "x", &[INVALID_IP]),
            (validate, "::ffff:1.2.3.4", &["must not be an IPv4-mapped IPv6 address"]),
            (validate_network, "10.0.0.0/8", &[]),
            (validate_network, "10.0.0.1/8", &["must not have bits set beyond the prefix length"]),
            (validate_network, "10.0.0.0/08", &["must not have leading 0s in IP or prefix length"]),
            (validate_network, "10.0.0.0/33", &[INVALID_NETWORK]),
            (validate_network, "10.0.0.0/32", &[]),
            (validate_reachable, "1.2.3.4", &[]),
            (validate_reachable, "0.0.0.0", &["may not be unspecified (0.0.0.0)"]),
            (validate_reachable, "127.0.0.1", &["may not be in the loopback range (127.0.0.0/8, ::1/128)"]),
        ];
        for (rule, value, expected) in cases {
            assert_eq!(found(rule, value), expected, "{value}");
        }
    }
}
