//! Whatever comes in whatever order: no volume is promised twice, none too small is, and the nodes found
//! are those that a search node by node finds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const ZONES: [&str; 4] = ["x", "y", "x", "z"];

#[derive(Debug, Clone)]
struct Disk {
    size: u8,
    /// Empty: everywhere.
    zone: &'static str,
    block: bool,
    available: bool,
    /// Meant for the claim of this number.
    meant: Option<usize>,
}

#[derive(Debug, Clone)]
struct Ask {
    size: u8,
    block: bool,
}

#[derive(Debug, Clone)]
struct Step {
    claims: BTreeSet<usize>,
    node: usize,
    /// What becomes of the reservation.
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    LetGo,
    Keep,
    Write,
}

fn disk() -> impl Strategy<Value = Disk> {
    let zone = prop::sample::select(vec!["", "x", "y", "z"]);
    (
        1u8..6,
        zone,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.9),
        prop::option::weighted(0.2, 0usize..6),
    )
        .prop_map(|(size, zone, block, available, meant)| Disk { size, zone, block, available, meant })
}

fn ask() -> impl Strategy<Value = Ask> {
    (1u8..6, prop::bool::weighted(0.2)).prop_map(|(size, block)| Ask { size, block })
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop::sample::select(vec![End::LetGo, End::Keep, End::Write]);
    (prop::collection::btree_set(0usize..6, 1..4), 0..ZONES.len(), end).prop_map(|(claims, node, end)| Step {
        claims,
        node,
        end,
    })
}

/// What the search node by node sees.
#[derive(Debug)]
struct World {
    disks: Vec<Disk>,
    asks: Vec<Ask>,
    /// Disk to claim: written or held.
    promised: BTreeMap<usize, usize>,
}

impl World {
    fn reaches(&self, disk: usize, node: usize) -> bool {
        let zone = self.disks[disk].zone;
        zone.is_empty() || zone == ZONES[node]
    }

    fn fits(&self, disk: usize, claim: usize) -> bool {
        let (disk, ask) = (&self.disks[disk], &self.asks[claim]);
        disk.size >= ask.size && disk.block == ask.block
    }

    fn owner(&self, disk: usize) -> Option<usize> {
        self.promised.get(&disk).copied().or(self.disks[disk].meant)
    }

    /// Upstream's order: small claims first, each the smallest disk that is left.
    fn is_feasible(&self, claims: &BTreeSet<usize>, node: usize) -> bool {
        let mut order: Vec<usize> = claims.iter().copied().collect();
        order.sort_by_key(|claim| self.asks[*claim].size);
        let mut taken = BTreeSet::new();
        order.into_iter().all(|claim| match self.choose(claim, node, &taken) {
            Some(disk) => taken.insert(disk),
            None => false,
        })
    }

    fn choose(&self, claim: usize, node: usize, taken: &BTreeSet<usize>) -> Option<usize> {
        let fitting =
            || (0..self.disks.len()).filter(|disk| !taken.contains(disk) && self.fits(*disk, claim));
        if let Some(own) = fitting().find(|disk| self.owner(*disk) == Some(claim)) {
            return self.reaches(own, node).then_some(own);
        }
        let free = fitting().filter(|disk| self.owner(*disk).is_none() && self.disks[*disk].available);
        free.filter(|disk| self.reaches(*disk, node)).min_by_key(|disk| self.disks[*disk].size)
    }
}

fn mode(block: bool) -> &'static str {
    if block { "Block" } else { "Filesystem" }
}

fn told(number: usize, disk: &Disk) -> Value {
    let mut object = volume(&format!("v{number}"), &format!("{}Gi", disk.size), disk.zone);
    object["spec"]["volumeMode"] = mode(disk.block).into();
    if !disk.available {
        object["status"]["phase"] = "Failed".into();
    }
    match disk.meant {
        Some(claim) => meant_for(object, &format!("c{claim}"), ""),
        None => object,
    }
}

fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}

/// Holds each step's claims on its node if they fit, and checks every promise made.
fn play(disks: Vec<Disk>, asks: Vec<Ask>, steps: Vec<Step>) {
    let mut cluster = Cluster::new(&ZONES);
    let mut world = World { disks, asks, promised: BTreeMap::new() };
    for (number, disk) in world.disks.iter().enumerate() {
        cluster.tell(told(number, disk));
    }
    for (number, ask) in world.asks.iter().enumerate() {
        let mut claim = claim(&format!("c{number}"), &format!("{}Gi", ask.size));
        claim["spec"]["volumeMode"] = mode(ask.block).into();
        cluster.tell(claim);
    }
    for (turn, step) in steps.into_iter().enumerate() {
        let names: Vec<String> = step.claims.iter().map(|claim| format!("c{claim}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pod = pod_named(&format!("p{turn}"), &names);
        let rejected: BTreeSet<usize> =
            cluster.rejections(&pod).into_iter().flat_map(|(_, nodes)| nodes).collect();
        for node in 0..ZONES.len() {
            let feasible = world.is_feasible(&step.claims, node);
            assert_eq!(!rejected.contains(&node), feasible, "{step:?} on {node} of {world:?}");
        }
        let reserved = cluster.reserve(&pod, step.node);
        assert_eq!(reserved.is_ok(), !rejected.contains(&step.node));
        if reserved.is_err() {
            continue;
        }
        if let End::LetGo = step.end {
            cluster.unreserve(&pod, step.node);
            continue;
        }
        let (patches, _) = cluster.pre_bind(&pod, step.node).unwrap();
        for (kind, name, body) in patches {
            assert_eq!(kind, "PersistentVolume");
            let disk = number(&name);
            let claim = number(body["spec"]["claimRef"]["name"].as_str().unwrap());
            assert!(step.claims.contains(&claim));
            assert!(world.fits(disk, claim), "v{disk} does not fit c{claim}");
            assert!(world.reaches(disk, step.node), "v{disk} is out of reach of node {}", step.node);
            let before = world.promised.insert(disk, claim);
            assert!(before.is_none_or(|before| before == claim), "v{disk} is promised twice");
            if let End::Write = step.end {
                let written = told(disk, &world.disks[disk]);
                let written = meant_for(written, &format!("c{claim}"), &format!("uid-c{claim}"));
                cluster.tell(written);
                // What is written stands without the reservation.
                cluster.unreserve(&pod, step.node);
            }
        }
        let owners: BTreeSet<&usize> = world.promised.values().collect();
        assert_eq!(owners.len(), world.promised.len(), "a claim has two volumes: {:?}", world.promised);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_volume_is_promised_twice_or_too_small(
        disks in prop::collection::vec(disk(), 0..10),
        asks in prop::collection::vec(ask(), 6),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        play(disks, asks, steps);
    }
}
