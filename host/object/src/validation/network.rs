//! Ranges of addresses, and what is said of those that are not written as they should be
//! (`k8s.io/apimachinery/pkg/util/validation/ip.go`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{Errors, Path, ip, text};

const NOT_CANONICAL: &str = "must be in canonical form";

/// A range as it was written: bits may be set beyond its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub address: IpAddr,
    length: u32,
}

impl Network {
    /// Leading zeros are taken for what they were before anybody looked.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/')?;
        let (address, digits) =
            (ip::parse_sloppy(address)?, length.bytes().all(|byte| byte.is_ascii_digit()));
        let length: u32 = length.parse().ok().filter(|_| digits)?;
        let network = Network { address, length };
        (length <= network.bits()).then_some(network)
    }

    fn bits(&self) -> u32 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// With nothing beyond its length.
    pub fn masked(&self) -> Network {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - self.length).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - self.length).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Network { address, ..*self }
    }

    /// Whether the other lies within this one and is not the whole of it.
    pub fn is_wider_than(&self, other: &Network) -> bool {
        let at_this_length = Network { address: other.address, length: self.length };
        self.bits() == other.bits() && self.length < other.length && at_this_length.masked() == self.masked()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Addresses that have one form only.
pub(crate) fn validate_canonical_address(address: &Value, path: &Path, errors: &mut Errors) {
    let before = errors.len();
    ip::validate(address, path, errors);
    let canonical = ip::parse_sloppy(text(address)).map(|ip| ip.to_string()).unwrap_or_default();
    if errors.len() == before && canonical != text(address) {
        errors.invalid(path, address, format!("{NOT_CANONICAL} ({canonical:?})"));
    }
}

/// Ranges that have one form only.
pub(crate) fn validate_canonical(network: &Value, path: &Path, errors: &mut Errors) {
    let before = errors.len();
    ip::validate_network(network, path, errors);
    let canonical =
        Network::parse(text(network)).map(|network| network.masked().to_string()).unwrap_or_default();
    if errors.len() == before && canonical != text(network) {
        errors.invalid(path, network, format!("{NOT_CANONICAL} ({canonical:?})"));
    }
}

/// Warnings about ranges that older versions took.
pub(crate) fn warnings(text: &str, path: &Path) -> Vec<String> {
    let Some(network) = Network::parse(text) else { return Vec::new() };
    let (masked, mut found) = (network.masked(), Vec::new());
    if masked.address != network.address {
        let single = format!("{}/{}", network.address, network.bits());
        let masked = masked.to_string();
        found.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be {masked:?} or {single:?}?)"
        ));
    }
    let canonical = network.to_string();
    let mapped = matches!(network.address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some());
    if mapped || (network.address.is_ipv4() && text != canonical) {
        found.push(format!(
            "{path}: non-standard CIDR value {text:?} is invalid: use {:?}",
            masked.to_string()
        ));
    }
    if found.is_empty() && network.address.is_ipv6() && text != canonical {
        found.push(format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format ({canonical:?})"
        ));
    }
    found
}

/// Warnings about addresses that older versions took.
pub(crate) fn address_warnings(text: &str, path: &Path) -> Vec<String> {
    let Some(address) = ip::parse_sloppy(text) else { return Vec::new() };
    let canonical = address.to_string();
    match address {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
            let plain = six.to_ipv4_mapped().map(|four| four.to_string()).unwrap_or_default();
            vec![format!("{path}: non-standard IP address {text:?} is invalid: use {plain:?}")]
        }
        IpAddr::V4(_) if canonical != text => {
            vec![format!("{path}: non-standard IP address {text:?} is invalid: use {canonical:?}")]
        }
        IpAddr::V6(_) if canonical != text => vec![format!(
            "{path}: IPv6 address {text:?} should be in RFC 5952 canonical format ({canonical:?})"
        )],
        IpAddr::V4(_) | IpAddr::V6(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn ranges_are_read_masked_and_compared() {
        assert_eq!(network("10.1.2.3/8").masked().to_string(), "10.0.0.0/8");
        assert_eq!(network("1.2.3.4/0").masked().to_string(), "0.0.0.0/0");
        assert_eq!(network("2001:db8::1/128").masked().to_string(), "2001:db8::1/128");
        assert!(network("10.0.0.0/8").is_wider_than(&network("10.1.0.0/16")));
        assert!(!network("10.0.0.0/8").is_wider_than(&network("10.0.0.0/8")));
        assert!(!network("10.0.0.0/8").is_wider_than(&network("2001:db8::/64")));
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "x/8", "::/129"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn forms_that_are_not_canonical_are_told() {
        let path = Path::new("x");
        let cases = [
            ("10.0.0.0/8", ""),
            (
                "10.0.0.1/8",
                "x: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.0.0.1/32\"?)",
            ),
            ("010.0.0.0/8", "x: non-standard CIDR value \"010.0.0.0/8\" is invalid: use \"10.0.0.0/8\""),
            (
                "2001:DB8::/64",
                "x: IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(warnings(text, &path).join(";"), expected);
        }
        assert!(address_warnings("010.0.0.1", &path)[0].contains("use \"10.0.0.1\""));
        assert!(address_warnings("10.0.0.1", &path).is_empty());
    }
}
