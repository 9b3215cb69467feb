use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A CIDR whose addresses are counted from its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u128,
    /// How many addresses, capped: a node has at most this many pods.
    size: u128,
    is_v4: bool,
}

const MOST: u128 = 1 << 20;

impl Range {
    pub fn parse(cidr: &str) -> Result<Self, String> {
        let wrong = || format!("{cidr:?} is no CIDR such as 10.244.0.0/24");
        let (address, length) = cidr.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let (bits, value): (u32, u128) = match address {
            IpAddr::V4(address) => (32, u128::from(u32::from(address))),
            IpAddr::V6(address) => (128, u128::from(address)),
        };
        let host_bits = bits.checked_sub(length).ok_or_else(wrong)?;
        let mask = 1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
        Ok(Range { first: value & !mask, size: mask.saturating_add(1).min(MOST), is_v4: address.is_ipv4() })
    }

    pub fn is_v4(&self) -> bool {
        self.is_v4
    }

    /// Places that may be given away: not the network's own address, nor the broadcast address.
    pub fn usable(&self) -> std::ops::Range<u128> {
        match self.size {
            1 | 2 => 0..self.size,
            size if self.is_v4 => 1..size - 1,
            size => 1..size,
        }
    }

    pub fn address(&self, place: u128) -> IpAddr {
        let value = self.first + place;
        if self.is_v4 { Ipv4Addr::from(value as u32).into() } else { Ipv6Addr::from(value).into() }
    }

    pub fn place(&self, address: IpAddr) -> Option<u128> {
        let value = match address {
            IpAddr::V4(address) if self.is_v4 => u128::from(u32::from(address)),
            IpAddr::V6(address) if !self.is_v4 => u128::from(address),
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        value.checked_sub(self.first).filter(|place| *place < self.size)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} and {} more", self.address(0), self.size - 1)
    }
}
