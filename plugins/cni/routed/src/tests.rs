use std::cell::RefCell;

use super::*;

/// Records what was asked of it; fails at the call that begins with `fail`.
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<String>>,
    fail: &'static str,
}

impl Recorder {
    fn call(&self, call: String) -> Result<(), String> {
        let fails = !self.fail.is_empty() && call.starts_with(self.fail);
        self.calls.borrow_mut().push(call);
        if fails { Err("no".into()) } else { Ok(()) }
    }
}

impl Sandbox for Recorder {
    fn add_veth(&self, node: &str, sandbox: &str, mtu: u32) -> Result<(), String> {
        self.call(format!("veth {node} {sandbox} {mtu}"))
    }
    fn remove_veth(&self, node: &str) -> Result<(), String> {
        self.call(format!("remove {node}"))
    }
    fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.call(format!("address {side:?} {cidr}"))
    }
    fn add_route(&self, side: Side, route: &Route) -> Result<(), String> {
        self.call(format!("route {side:?} {} {:?}", route.destination, route.gateway))
    }
    fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.call(format!("neighbour {ip}"))
    }
    fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.call(format!("sysctl {side:?} {key}={value}"))
    }
}

fn driver(cidrs: &[&str]) -> Routed {
    let mut driver = Routed::default();
    let pod_cidrs = cidrs.iter().map(|cidr| cidr.to_string()).collect();
    driver.configure(Settings { pod_cidrs, mtu: 1400, config: orch_sdk::Value::Null }).unwrap();
    driver
}

fn pod(sandbox_id: &str) -> Pod {
    Pod { sandbox_id: sandbox_id.into(), ..Pod::default() }
}

fn add(driver: &mut Routed, id: &str) -> Result<Attachment, String> {
    driver.add(&Recorder::default(), &pod(id))
}

#[test]
fn a_sandbox_gets_an_address_and_its_routes() {
    let recorder = Recorder::default();
    let attachment = driver(&["10.244.3.0/24"]).add(&recorder, &pod("0123456789abcdef")).unwrap();
    assert_eq!(attachment.ips, ["10.244.3.1"]);
    assert_eq!(attachment.node_interface, "orch0123456789a");
    assert_eq!(
        *recorder.calls.borrow(),
        [
            "veth orch0123456789a eth0 1400",
            "sysctl Node ipv4/proxy_arp=1",
            "sysctl Node ipv4/rp_filter=0",
            "address Node 169.254.1.1/32",
            "address Sandbox 10.244.3.1/32",
            "neighbour 169.254.1.1",
            "route Sandbox 169.254.1.1/32 None",
            "route Sandbox 0.0.0.0/0 Some(\"169.254.1.1\")",
            "route Node 10.244.3.1/32 None",
        ]
    );
}

#[test]
fn the_same_sandbox_keeps_its_address() {
    let mut driver = driver(&["10.244.3.0/24"]);
    let first = add(&mut driver, "a").unwrap();
    assert_eq!(add(&mut driver, "a").unwrap(), first);
    assert_ne!(add(&mut driver, "b").unwrap().ips, first.ips);
}

#[test]
fn addresses_are_not_given_again_right_away() {
    let mut driver = driver(&["10.244.3.0/29"]);
    let given: Vec<String> =
        ["a", "b"].iter().map(|id| add(&mut driver, id).unwrap().ips[0].clone()).collect();
    let a = Attachment { sandbox_id: "a".into(), ..Attachment::default() };
    driver.del(&Recorder::default(), &a).unwrap();
    driver.del(&Recorder::default(), &a).unwrap();
    let rest: Vec<String> =
        (0..5).map(|id| add(&mut driver, &id.to_string()).unwrap().ips[0].clone()).collect();
    assert_eq!(given, ["10.244.3.1", "10.244.3.2"]);
    assert_eq!(rest, ["10.244.3.3", "10.244.3.4", "10.244.3.5", "10.244.3.6", "10.244.3.1"]);
    let full = add(&mut driver, "one too many").unwrap_err();
    assert_eq!(full, "no free address in 10.244.3.0 and 7 more");
}

#[test]
fn what_is_attached_already_is_not_given_away() {
    let mut driver = driver(&["10.244.3.0/24"]);
    let known =
        Attachment { sandbox_id: "a".into(), ips: vec!["10.244.3.1".into()], node_interface: "x".into() };
    driver.restore(vec![known.clone()]).unwrap();
    assert_eq!(add(&mut driver, "a").unwrap(), known);
    assert_eq!(add(&mut driver, "b").unwrap().ips, ["10.244.3.2"]);
    // Told the settings again, it still knows.
    driver.configure(Settings { pod_cidrs: vec!["10.244.3.0/24".into()], ..Settings::default() }).unwrap();
    assert_eq!(add(&mut driver, "c").unwrap().ips, ["10.244.3.3"]);
}

#[test]
fn a_failed_connection_leaves_nothing() {
    let mut driver = driver(&["10.244.3.0/30"]);
    let failing = Recorder { fail: "neighbour", ..Recorder::default() };
    let error = driver.add(&failing, &pod("a")).unwrap_err();
    assert_eq!(error, "address 10.244.3.1: no");
    assert!(failing.calls.borrow().last().unwrap().starts_with("remove orch"));
    assert!(add(&mut driver, "b").is_ok() && add(&mut driver, "c").is_ok());
}

#[test]
fn both_families_are_served() {
    let mut driver = driver(&["10.244.3.0/24", "fd00:10:244:3::/64"]);
    assert_eq!(add(&mut driver, "a").unwrap().ips, ["10.244.3.1", "fd00:10:244:3::1"]);
}

#[test]
fn settings_are_checked() {
    let configure = |cidrs: &[&str]| {
        let pod_cidrs = cidrs.iter().map(|cidr| cidr.to_string()).collect();
        Routed::default().configure(Settings { pod_cidrs, ..Settings::default() })
    };
    assert_eq!(configure(&[]).unwrap_err(), "podCIDRs: the node has none yet");
    for wrong in ["10.0.0.0", "10.0.0.0/33", "x/24"] {
        assert!(configure(&[wrong]).unwrap_err().contains("is no CIDR"), "{wrong}");
    }
}

#[test]
fn interface_names_fit_the_kernel() {
    for id in ["0123456789abcdef0123", "short", "", "not-hex-but-long-enough"] {
        let name = node_interface(id);
        assert!(name.len() == 15 && name.starts_with("orch"), "{name}");
    }
    assert_ne!(node_interface("short"), node_interface("other"));
}
