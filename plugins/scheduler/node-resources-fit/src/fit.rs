//! The filter: which nodes lack what, in upstream's words.

use orch_sdk::scheduler::resources::{CORE, Request, Row, Rows};
use orch_sdk::scheduler::{NodeSet, Rejection};

use crate::config::Ignored;

/// The nodes that lack one resource: now, or even when empty.
#[derive(Default)]
struct Lacking {
    now: NodeSet,
    ever: NodeSet,
}

impl Lacking {
    fn check(&mut self, node: usize, wanted: i64, (allocatable, requested): (i64, i64)) {
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

pub fn rejections(rows: &Rows, request: &Request, ignored: &Ignored, nodes: &NodeSet) -> Vec<Rejection> {
    let mut too_many = Lacking::default();
    let mut core: [Lacking; CORE] = Default::default();
    let others = request.others.iter().filter(|(number, _)| !ignored.contains(rows.resource_name(*number)));
    let mut others: Vec<_> = others.map(|(number, wanted)| (*number, *wanted, Lacking::default())).collect();
    for (node, row) in nodes.iter().filter_map(|node| Some((node, rows.node(node)?))) {
        if row.pods + 1 > row.allowed_pods {
            too_many.now.insert(node);
        }
        check_core(node, row, request, &mut core);
        for (number, wanted, lacking) in &mut others {
            lacking.check(node, *wanted, row.amounts(*number));
        }
    }
    let mut rejections: Vec<Rejection> = too_many.into_rejections("Too many pods".into()).collect();
    let core = core.into_iter().enumerate();
    let others = others.into_iter().map(|(number, _, lacking)| (number, lacking));
    for (number, lacking) in core.chain(others) {
        rejections.extend(lacking.into_rejections(format!("Insufficient {}", rows.resource_name(number))));
    }
    rejections
}

fn check_core(node: usize, row: &Row, request: &Request, lacking: &mut [Lacking; CORE]) {
    for (number, lacking) in lacking.iter_mut().enumerate() {
        lacking.check(node, request.core[number], (row.allocatable[number], row.requested[number]));
    }
}
