//! What expressions may cost while they run (`apiserver/pkg/apis/cel/config.go`).

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::Fault;

/// Units one expression may cost.
pub const PER_CALL: u64 = 1_000_000;
/// Units the expressions of one policy, or the rules of one object, may cost together.
pub const PER_POLICY: u64 = 10_000_000;
/// Units the match conditions of one webhook or policy may cost together.
pub const MATCH_CONDITIONS: u64 = PER_POLICY / 4;
/// The clock is looked at once for so many units.
const UNITS_BETWEEN_CLOCKS: u64 = 4096;
/// Whatever the units say, expressions do not run longer than this together.
const PATIENCE: Duration = Duration::from_secs(3);

/// Parts within parts; each takes a kilobyte or two of a worker's stack.
const DEEPEST: u16 = 400;

/// Counts units; one for all expressions that share a budget.
#[derive(Debug)]
pub struct Meter {
    /// Of this call.
    spent: Cell<u64>,
    /// Of all calls so far.
    before: Cell<u64>,
    budget: u64,
    next_look: Cell<u64>,
    until: Instant,
    /// Parts within parts that are being worked out, variables within variables included.
    depth: Cell<u16>,
}

impl Meter {
    pub fn new(budget: u64) -> Meter {
        Meter {
            spent: Cell::new(0),
            before: Cell::new(0),
            budget,
            next_look: Cell::new(UNITS_BETWEEN_CLOCKS),
            until: Instant::now() + PATIENCE,
            depth: Cell::new(0),
        }
    }

    /// # Errors
    /// The expression has cost too much.
    pub fn spend(&self, units: u64) -> Result<(), Fault> {
        let spent = self.spent.get().saturating_add(units);
        self.spent.set(spent);
        if spent > PER_CALL || (spent >= self.next_look.get() && self.is_late()) {
            return Err(Fault::TooCostly);
        }
        Ok(())
    }

    /// For work that grows with the length of a text: a tenth of a unit a byte.
    pub fn traverse(&self, bytes: usize) -> Result<(), Fault> {
        self.spend((bytes as u64).div_ceil(10))
    }

    /// One level deeper; [`Meter::rise`] must follow.
    ///
    /// # Errors
    /// It would take more stack than there is.
    pub(super) fn descend(&self) -> Result<(), Fault> {
        let depth = self.depth.get() + 1;
        if depth > DEEPEST {
            return Err(Fault::TooCostly);
        }
        self.depth.set(depth);
        Ok(())
    }

    pub(super) fn rise(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    fn is_late(&self) -> bool {
        self.next_look.set(self.spent.get() + UNITS_BETWEEN_CLOCKS);
        let late = Instant::now() > self.until;
        if late {
            self.spent.set(u64::MAX);
        }
        late
    }

    /// Ends a call and begins the next. False: the budget is used up.
    pub(super) fn close_call(&self) -> bool {
        self.before.set(self.before.get().saturating_add(self.spent.get()));
        self.spent.set(0);
        self.next_look.set(UNITS_BETWEEN_CLOCKS);
        !self.is_spent()
    }

    /// Nothing more is to run.
    pub fn exhaust(&self) {
        self.before.set(u64::MAX);
    }

    pub fn is_spent(&self) -> bool {
        self.before.get() > self.budget
    }

    /// Units that all calls have cost so far.
    pub fn total(&self) -> u64 {
        self.before.get().saturating_add(self.spent.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_and_all_together_are_bounded() {
        let meter = Meter::new(PER_CALL + 1);
        meter.spend(PER_CALL).unwrap();
        assert_eq!(meter.spend(1), Err(Fault::TooCostly));
        assert!(meter.close_call());
        meter.spend(1).unwrap();
        assert!(!meter.close_call());
        assert!(meter.is_spent());
    }
}
