//! The filter: which nodes lack what, in upstream's words.

use orch_sdk::scheduler::{NodeSet, Rejection};

use crate::request::{CPU, EPHEMERAL, MEMORY, Request};
use crate::rows::{Row, Rows};

/// The nodes that lack one resource: now, or even when empty.
#[derive(Default)]
struct Lacking {
    now: NodeSet,
    ever: NodeSet,
}

impl Lacking {
    fn check(&mut self, node: usize, wanted: i64, allocatable: i64, requested: i64) {
        if wanted <= 0 || wanted <= allocatable - requested {
            return;
        }
        if wanted > allocatable { self.ever.insert(node) } else { self.now.insert(node) }
    }

    fn into_rejections(self, reason: String) -> impl Iterator<Item = Rejection> {
        let rejection =
            |nodes: NodeSet, unresolvable| Rejection { reason: reason.clone(), nodes, unresolvable };
        let both = [rejection(self.now, false), rejection(self.ever, true)];
        both.into_iter().filter(|rejection| !rejection.nodes.is_empty())
    }
}

pub fn rejections(rows: &Rows, request: &Request, nodes: &NodeSet) -> Vec<Rejection> {
    let mut too_many = Lacking::default();
    let mut lacking: [Lacking; 3] = Default::default();
    let mut extended: Vec<Lacking> = request.extended.iter().map(|_| Lacking::default()).collect();
    for (node, row) in nodes.iter().filter_map(|node| Some((node, rows.node(node)?))) {
        if row.pods + 1 > row.allowed_pods {
            too_many.now.insert(node);
        }
        if !request.is_empty() {
            check_resources(node, row, request, &mut lacking, &mut extended);
        }
    }
    let [cpu, memory, ephemeral] = lacking;
    let mut rejections: Vec<Rejection> = too_many.into_rejections("Too many pods".into()).collect();
    rejections.extend(cpu.into_rejections("Insufficient cpu".into()));
    rejections.extend(memory.into_rejections("Insufficient memory".into()));
    rejections.extend(ephemeral.into_rejections("Insufficient ephemeral-storage".into()));
    for (lacking, (number, _)) in extended.into_iter().zip(&request.extended) {
        rejections.extend(lacking.into_rejections(format!("Insufficient {}", rows.resource_name(*number))));
    }
    rejections
}

fn check_resources(
    node: usize,
    row: &Row,
    request: &Request,
    lacking: &mut [Lacking; 3],
    extended: &mut [Lacking],
) {
    lacking[CPU].check(node, request.cpu, row.allocatable[CPU], row.requested[CPU]);
    lacking[MEMORY].check(node, request.memory, row.allocatable[MEMORY], row.requested[MEMORY]);
    lacking[EPHEMERAL].check(node, request.ephemeral, row.allocatable[EPHEMERAL], row.requested[EPHEMERAL]);
    for (lacking, (number, wanted)) in extended.iter_mut().zip(&request.extended) {
        let (allocatable, requested) = row.extended(*number);
        lacking.check(node, *wanted, allocatable, requested);
    }
}
