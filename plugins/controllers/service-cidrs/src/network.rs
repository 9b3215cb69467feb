//! Networks, and what lies in them.

use std::net::IpAddr;

/// `10.0.0.0/24`, of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    is_v4: bool,
    /// The network's own address.
    first: u128,
    last: u128,
}

impl Network {
    /// `None`: it is none.
    pub fn parse(text: &str) -> Option<Network> {
        let (base, length) = text.split_once('/')?;
        let (base, length): (IpAddr, u32) = (base.parse().ok()?, length.parse().ok()?);
        let (is_v4, base, width) = number(base);
        let free = width.checked_sub(length)?;
        let hosts = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        Some(Network { is_v4, first: base & !hosts, last: base | hosts })
    }

    /// Whether the address can be given out of it: neither the network's own nor, of IPv4, the last.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (is_v4, address, _) = number(address);
        let last = if is_v4 { address < self.last } else { address <= self.last };
        is_v4 == self.is_v4 && address > self.first && last
    }

    pub fn holds_all_of(&self, other: &Network) -> bool {
        self.is_v4 == other.is_v4 && self.first <= other.first && other.last <= self.last
    }
}

/// Whether it is of IPv4, its bits, and how many there are.
fn number(address: IpAddr) -> (bool, u128, u32) {
    match address {
        IpAddr::V4(address) => (true, u32::from(address).into(), 32),
        IpAddr::V6(address) => (false, address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_can_give() {
        let network = |text: &str| Network::parse(text).unwrap();
        let holds = |text: &str, address: &str| network(text).holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/24", "10.0.0.1") && holds("10.0.0.0/24", "10.0.0.254"));
        assert!(!holds("10.0.0.0/24", "10.0.0.0") && !holds("10.0.0.0/24", "10.0.0.255"));
        assert!(!holds("10.0.0.0/24", "10.0.1.1") && !holds("10.0.0.0/24", "::a00:1"));
        assert!(
            holds("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff") && !holds("2001:db8::/64", "2001:db8::")
        );
        assert!(holds("0.0.0.0/0", "10.0.0.1") && holds("::/0", "::1"));
        assert!(network("10.0.0.0/8").holds_all_of(&network("10.1.0.0/16")));
        assert!(!network("10.1.0.0/16").holds_all_of(&network("10.0.0.0/8")));
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
