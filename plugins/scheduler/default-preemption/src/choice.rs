//! Which of the candidates is missed least: upstream's `pickOneNodeForPreemption`.

use std::cmp::Reverse;
use std::collections::HashSet;

use orch_sdk::scheduler::Eviction;

use crate::budgets::Budgets;
use crate::residents::{Residents, Victim};

/// Compared in the order of the fields; the least is chosen.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    broken_budgets: usize,
    highest_priority: i32,
    /// With priorities made positive, so that many pods of negative priority cost more than few.
    priorities: i64,
    victims: usize,
    /// When the first of the highest priority victims started: the later the better.
    started: Reverse<u64>,
}

/// The first of those that cost least; nothing where there is none with known victims.
pub fn choose(
    residents: &Residents,
    budgets: &Budgets,
    priority: i32,
    candidates: &[Eviction],
) -> Option<usize> {
    let cost = |(position, candidate)| Some((cost(residents, budgets, priority, candidate)?, position));
    candidates.iter().enumerate().filter_map(cost).min().map(|(_, position)| position)
}

fn cost(residents: &Residents, budgets: &Budgets, priority: i32, candidate: &Eviction) -> Option<Cost> {
    let victims: Vec<&Victim> = candidate.victims.iter().filter_map(|key| residents.pod(key)).collect();
    let highest_priority = victims.iter().map(|victim| victim.priority).max()?;
    // Budgets were charged with all that might have gone: those that stay count as well.
    let (breaking, _) = budgets.split(residents.below(candidate.node, priority));
    let breaking: HashSet<&str> = breaking.into_iter().map(|victim| victim.key.as_str()).collect();
    let highest = victims.iter().filter(|victim| victim.priority == highest_priority);
    Some(Cost {
        broken_budgets: victims.iter().filter(|victim| breaking.contains(victim.key.as_str())).count(),
        highest_priority,
        priorities: victims.iter().map(|victim| i64::from(victim.priority) + (1 << 31)).sum(),
        victims: victims.len(),
        started: Reverse(highest.map(|victim| victim.started).min()?),
    })
}
