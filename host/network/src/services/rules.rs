//! The plan as nftables text. Named maps only: load is linear in services, an update touches what
//! changed.
//!
//! A front leads (`svc`, `node`) to a chain shared by all fronts with the same number K of endpoints;
//! the chain draws a number below K and looks the endpoint up under front and number (`ep`, `node-ep`).
//! Fronts with session affinity lead to chains of their own ([`super::sticky`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::plan::{Front, Plan};
use super::sticky::{self, Sticky};
use crate::nft::TABLE;

/// The network that is not behind the node's own address.
#[derive(Debug, Clone)]
pub struct Ranges {
    /// All pods of the cluster: `10.244.0.0/16`.
    pub pods: String,
}

/// Marks a connection whose source must become the node's, so that the answer comes back this way.
pub const MASQUERADE: &str = "0x4000";

/// Elements by map or set name; a set's elements have no value.
type Elements = BTreeMap<&'static str, BTreeMap<String, String>>;

/// Creates the table with empty maps; replaces whatever was there, in one transaction.
pub fn skeleton(ranges: &Ranges) -> String {
    let pods = &ranges.pods;
    format!(
        r#"add table {TABLE}
delete table {TABLE}
table {TABLE} {{
  map svc {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map ep {{ type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  map node {{ type inet_proto . inet_service : verdict; }}
  map node-ep {{ type inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  set refused {{ type ipv4_addr . inet_proto . inet_service; }}
  set node-refused {{ type inet_proto . inet_service; }}
  set hairpin {{ type ipv4_addr . ipv4_addr; }}
  chain pick {{
    meta l4proto {{ tcp, udp, sctp }} dnat ip to ip daddr . meta l4proto . th dport . meta mark map @ep
  }}
  chain pick-node {{
    meta l4proto {{ tcp, udp, sctp }} dnat ip to meta l4proto . th dport . meta mark map @node-ep
  }}
  chain host {{
    meta mark set 0
    goto pick-node
  }}
  chain dispatch {{
    ip daddr . meta l4proto . th dport vmap @svc
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @node
  }}
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    meta l4proto {{ tcp, udp, sctp }} jump dispatch
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    meta l4proto {{ tcp, udp, sctp }} jump dispatch
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ct mark {MASQUERADE} masquerade
    ip saddr . ip daddr @hairpin masquerade
    ip saddr {pods} ip daddr != {pods} masquerade
  }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain refuse-in {{
    type filter hook input priority 0; policy accept;
    ct state new fib daddr type local meta l4proto {{ tcp, udp, sctp }} meta l4proto . th dport @node-refused goto refuse
    ct state new meta l4proto {{ tcp, udp, sctp }} ip daddr . meta l4proto . th dport @refused goto refuse
  }}
  chain refuse-forward {{
    type filter hook forward priority 0; policy accept;
    ct state new meta l4proto {{ tcp, udp, sctp }} ip daddr . meta l4proto . th dport @refused goto refuse
  }}
  chain refuse-out {{
    type filter hook output priority 0; policy accept;
    ct state new meta l4proto {{ tcp, udp, sctp }} ip daddr . meta l4proto . th dport @refused goto refuse
  }}
}}
"#
    )
}

/// What is in the kernel; knows how to bring it to another plan.
#[derive(Debug, Default)]
pub struct Rules {
    elements: Elements,
    /// Endpoint counts that have their chains. Chains are few and stay.
    counts: BTreeSet<usize>,
    sticky: Sticky,
}

impl Rules {
    /// The script that leads from here to the plan, empty when nothing differs, and the state after it.
    pub fn toward(&self, plan: &Plan) -> (String, Rules) {
        let wanted = elements(plan);
        let mut counts = self.counts.clone();
        let sticky = Sticky::of(plan);
        let (mut script, left) = self.sticky.toward(&sticky);
        let drawn = plan.fronts.values().filter(|to| to.affinity_seconds.is_none());
        for count in drawn.map(|to| to.endpoints.len()).filter(|n| *n > 0) {
            if counts.insert(count) {
                script += &chains(count);
            }
        }
        let empty = BTreeMap::new();
        for name in NAMES {
            let (old, new) = (self.elements.get(name).unwrap_or(&empty), wanted.get(name).unwrap_or(&empty));
            let gone =
                old.iter().filter(|(key, value)| new.get(*key) != Some(*value)).map(|(key, _)| key.clone());
            change(&mut script, "delete", name, gone);
            let added = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
            change(
                &mut script,
                "add",
                name,
                added.map(|(k, v)| if v.is_empty() { k.clone() } else { format!("{k} : {v}") }),
            );
        }
        script += &left;
        (script, Rules { elements: wanted, counts, sticky })
    }
}

const NAMES: [&str; 7] = ["svc", "ep", "node", "node-ep", "refused", "node-refused", "hairpin"];

fn change(script: &mut String, verb: &str, name: &str, elements: impl Iterator<Item = String>) {
    let elements: Vec<String> = elements.collect();
    // A line of thousands of elements is parsed slowly; a few hundred keep it linear.
    for some in elements.chunks(256) {
        let _ = writeln!(script, "{verb} element {TABLE} {name} {{ {} }}", some.join(", "));
    }
}

/// The chains that draw among `count` endpoints.
fn chains(count: usize) -> String {
    format!(
        "add chain {TABLE} n{count}\n\
         flush chain {TABLE} n{count}\n\
         add rule {TABLE} n{count} meta mark set numgen random mod {count}\n\
         add rule {TABLE} n{count} goto pick\n\
         add chain {TABLE} node{count}\n\
         flush chain {TABLE} node{count}\n\
         add rule {TABLE} node{count} ct mark set {MASQUERADE}\n\
         add rule {TABLE} node{count} meta mark set numgen random mod {count}\n\
         add rule {TABLE} node{count} goto pick-node\n"
    )
}

fn elements(plan: &Plan) -> Elements {
    let mut all = Elements::new();
    let mut put = |name: &'static str, key: String, value: String| {
        all.entry(name).or_default().insert(key, value);
    };
    for (front, to) in &plan.fronts {
        let count = to.endpoints.len();
        let (maps, key) = match front {
            Front::Address(ip, protocol, port) => {
                (["svc", "ep", "refused", "n"], format!("{ip} . {} . {port}", protocol.word()))
            }
            Front::Node(protocol, port) | Front::Host(protocol, port) => {
                (["node", "node-ep", "node-refused", "node"], format!("{} . {port}", protocol.word()))
            }
        };
        let [verdicts, lookups, refused, chain] = maps;
        let sticky = sticky::chain(front, to);
        let draws = sticky.is_none();
        let chain = match front {
            // One pod of this node, which may see who its client is.
            Front::Host(..) => "host".to_owned(),
            Front::Address(..) | Front::Node(..) => sticky.unwrap_or_else(|| format!("{chain}{count}")),
        };
        if to.endpoints.is_empty() {
            put(refused, key, String::new());
            continue;
        }
        put(verdicts, key.clone(), format!("goto {chain}"));
        if !draws {
            continue;
        }
        for (number, endpoint) in to.endpoints.iter().enumerate() {
            put(lookups, format!("{key} . {number}"), format!("{} . {}", endpoint.ip(), endpoint.port()));
        }
    }
    for ip in backends(plan) {
        put("hairpin", format!("{ip} . {ip}"), String::new());
    }
    all
}

fn backends(plan: &Plan) -> BTreeSet<Ipv4Addr> {
    plan.fronts.values().flat_map(|to| &to.endpoints).map(SocketAddrV4::ip).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Backends, Protocol};
    use super::*;

    fn plan(endpoints: &[&str]) -> Plan {
        let front = Front::Address(Ipv4Addr::new(10, 96, 0, 7), Protocol::Tcp, 80);
        let endpoints = endpoints.iter().map(|e| e.parse().unwrap()).collect();
        Plan { fronts: [(front, Backends { endpoints, affinity_seconds: None })].into() }
    }

    fn sticky(endpoints: &[&str], seconds: u64) -> Plan {
        let mut plan = plan(endpoints);
        plan.fronts.values_mut().for_each(|to| to.affinity_seconds = Some(seconds));
        plan
    }

    #[test]
    fn an_endpoint_that_stays_keeps_its_clients() {
        let (script, rules) = Rules::default().toward(&sticky(&["10.244.0.2:80", "10.244.0.3:80"], 60));
        assert!(script.contains("{ 10.96.0.7 . tcp . 80 : goto s-10.96.0.7-tcp-80 }"), "{script}");
        let (script, rules) = rules.toward(&sticky(&["10.244.0.2:80", "10.244.0.4:80"], 60));
        assert!(!script.contains("set inet orch s-10.96.0.7-tcp-80-10.244.0.2-80"), "{script}");
        assert!(script.contains("delete set inet orch s-10.96.0.7-tcp-80-10.244.0.3-80"), "{script}");
        assert!(rules.toward(&sticky(&["10.244.0.2:80", "10.244.0.4:80"], 60)).0.is_empty());
        let (script, _) = rules.toward(&plan(&["10.244.0.2:80", "10.244.0.4:80"]));
        let led = script.find("goto n2").unwrap();
        assert!(led < script.find("delete chain inet orch s-10.96.0.7-tcp-80").unwrap(), "{script}");
    }

    #[test]
    fn an_update_touches_what_changed() {
        let (script, rules) = Rules::default().toward(&plan(&["10.244.0.2:80", "10.244.0.3:80"]));
        assert!(script.contains("goto n2") && script.contains("numgen random mod 2"), "{script}");
        assert!(rules.toward(&plan(&["10.244.0.2:80", "10.244.0.3:80"])).0.is_empty(), "nothing changed");
        let (script, rules) = rules.toward(&plan(&["10.244.0.2:80", "10.244.0.4:80"]));
        assert!(!script.contains("10.244.0.2 . 80"), "the endpoint that stays is not touched: {script}");
        assert!(
            script.contains("delete element inet orch ep") && script.contains("10.244.0.4 . 80"),
            "{script}"
        );
        let (script, _) = rules.toward(&plan(&[]));
        assert!(script.contains("add element inet orch refused { 10.96.0.7 . tcp . 80 }"), "{script}");
        assert!(script.contains("delete element inet orch svc { 10.96.0.7 . tcp . 80 }"), "{script}");
    }

    /// In a network namespace of the test's own, gone with its thread.
    #[test]
    fn the_kernel_takes_every_step() {
        let steps = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let ranges = Ranges { pods: "10.244.0.0/16".into() };
                let mut rules = Rules::default();
                crate::nft::apply(&skeleton(&ranges)).await.unwrap();
                let steps: [(&[&str], Option<u64>); 8] = [
                    (&["10.244.0.2:80", "10.244.0.3:80"], None),
                    (&["10.244.0.3:80"], Some(60)),
                    (&["10.244.0.2:80", "10.244.0.3:80"], Some(60)),
                    (&["10.244.0.2:80"], Some(7200)),
                    (&[], Some(7200)),
                    (&["10.244.0.9:81"], Some(60)),
                    (&["10.244.0.9:81"], None),
                    (&[], None),
                ];
                for (step, seconds) in steps {
                    let mut wanted = plan(step);
                    wanted.fronts.values_mut().for_each(|to| to.affinity_seconds = seconds);
                    let endpoints = wanted.fronts.values().next().cloned().unwrap();
                    wanted.fronts.insert(Front::Node(Protocol::Udp, 30053), endpoints.clone());
                    wanted.fronts.insert(Front::Host(Protocol::Tcp, 8080), endpoints);
                    let (script, next) = rules.toward(&wanted);
                    crate::nft::apply(&script).await.unwrap_or_else(|e| panic!("{e}\n{script}"));
                    rules = next;
                }
                // A table of an earlier run is replaced whole.
                crate::nft::apply(&skeleton(&ranges)).await.unwrap();
                let refusal = crate::nft::apply("add rule inet orch nowhere accept\n").await.unwrap_err();
                assert!(refusal.to_string().contains("nft: "), "{refusal}");
            });
        });
        steps.join().unwrap();
    }
}
