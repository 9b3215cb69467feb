//! A pod's network namespace that only remembers what a driver did to it.

use std::cell::RefCell;

use crate::cni::{Route, Sandbox, Side};

/// Remembers every call as one line, and can be told to fail.
#[derive(Debug, Default)]
pub struct FakeSandbox {
    calls: RefCell<Vec<String>>,
    fails: RefCell<Option<String>>,
}

impl FakeSandbox {
    pub fn new() -> Self {
        FakeSandbox::default()
    }

    /// Makes the next call whose line begins like this fail.
    pub fn fail_next(&self, call: &str) {
        *self.fails.borrow_mut() = Some(call.into());
    }

    /// What was done since the start or the last call: `add-address sandbox 10.244.0.1/32`.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.borrow_mut())
    }

    fn record(&self, call: String) -> Result<(), String> {
        let fails = self.fails.borrow_mut().take_if(|fails| call.starts_with(fails.as_str()));
        self.calls.borrow_mut().push(call);
        fails.map_or(Ok(()), |call| Err(format!("{call} was made to fail")))
    }
}

fn end(side: Side) -> &'static str {
    match side {
        Side::Sandbox => "sandbox",
        Side::Node => "node",
    }
}

impl Sandbox for FakeSandbox {
    fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String> {
        self.record(format!("add-veth {node_name} {sandbox_name} {mtu}"))
    }

    fn remove_veth(&self, node_name: &str) -> Result<(), String> {
        self.record(format!("remove-veth {node_name}"))
    }

    fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.record(format!("add-address {} {cidr}", end(side)))
    }

    fn add_route(&self, side: Side, route: &Route) -> Result<(), String> {
        let via = route.gateway.as_deref().map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        self.record(format!("add-route {} {}{via}", end(side), route.destination))
    }

    fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.record(format!("add-neighbour {ip}"))
    }

    fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.record(format!("set-sysctl {} {key}={value}", end(side)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_remembered_and_fail_once_when_told() {
        let sandbox = FakeSandbox::new();
        sandbox.fail_next("add-address");
        assert!(sandbox.add_veth("v", "eth0", 0).is_ok());
        assert!(sandbox.add_address(Side::Node, "10.0.0.1/32").is_err());
        assert!(sandbox.add_address(Side::Sandbox, "10.0.0.2/32").is_ok());
        assert_eq!(
            sandbox.take_calls(),
            ["add-veth v eth0 0", "add-address node 10.0.0.1/32", "add-address sandbox 10.0.0.2/32"]
        );
    }
}
