//! Pod addresses from a range that no real cluster routes.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// 100.65.0.0 to 100.127.255.255; 100.64.0.0/16 is the nodes'.
const FIRST: u32 = Ipv4Addr::new(100, 65, 0, 0).to_bits();
const COUNT: u32 = 63 << 16;

/// Which pod, by uid, has which address. A pod keeps its own until it is released.
#[derive(Debug, Default)]
pub struct Addresses {
    held: HashMap<String, Ipv4Addr>,
    released: Vec<Ipv4Addr>,
    /// So many of the range have been given out at some time.
    reached: u32,
}

impl Addresses {
    /// None: four million pods have one.
    pub fn of(&mut self, uid: &str) -> Option<Ipv4Addr> {
        if let Some(address) = self.held.get(uid) {
            return Some(*address);
        }
        let fresh = || (self.reached < COUNT).then(|| Ipv4Addr::from_bits(FIRST + self.reached));
        // An address rests as long as others are left: clients may still remember whose it was.
        let address = match fresh() {
            Some(address) => {
                self.reached += 1;
                address
            }
            None => self.released.pop()?,
        };
        self.held.insert(uid.into(), address);
        Some(address)
    }

    /// A pod that was there before: its address is taken.
    pub fn keep(&mut self, uid: &str, address: &str) {
        let Ok(address) = address.parse::<Ipv4Addr>() else { return };
        let Some(offset) = address.to_bits().checked_sub(FIRST).filter(|o| *o < COUNT) else { return };
        if self.held.insert(uid.into(), address).is_none() && offset >= self.reached {
            self.released.extend((self.reached..offset).map(|o| Ipv4Addr::from_bits(FIRST + o)));
            self.reached = offset + 1;
        }
    }

    pub fn release(&mut self, uid: &str) {
        self.released.extend(self.held.remove(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_keeps_its_address_and_nobody_shares_it() {
        let mut addresses = Addresses::default();
        let first = addresses.of("a");
        assert_eq!(first, Some(Ipv4Addr::new(100, 65, 0, 0)));
        assert_eq!(addresses.of("a"), first);
        assert_eq!(addresses.of("b"), Some(Ipv4Addr::new(100, 65, 0, 1)));
        addresses.release("a");
        assert_eq!(addresses.of("c"), Some(Ipv4Addr::new(100, 65, 0, 2)), "the released one rests");
    }

    #[test]
    fn addresses_found_in_use_are_not_given_again() {
        let mut addresses = Addresses::default();
        addresses.keep("old", "100.65.0.1");
        addresses.keep("foreign", "10.0.0.1");
        addresses.keep("none", "");
        assert_eq!(addresses.of("old"), Some(Ipv4Addr::new(100, 65, 0, 1)));
        assert_eq!(addresses.of("new"), Some(Ipv4Addr::new(100, 65, 0, 2)));
    }

    #[test]
    fn released_ones_come_back_at_the_end_of_the_range() {
        let mut addresses = Addresses { reached: COUNT, ..Addresses::default() };
        assert_eq!(addresses.of("a"), None);
        addresses.keep("b", "100.65.0.9");
        addresses.release("b");
        assert_eq!(addresses.of("a"), Some(Ipv4Addr::new(100, 65, 0, 9)));
    }
}
