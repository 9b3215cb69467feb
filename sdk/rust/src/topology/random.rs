//! Chance for property tests: whatever is drawn comes from a tape of numbers, which the testing
//! library makes and, after a failure, shortens.

pub struct Dice<'a> {
    tape: &'a [u16],
}

impl<'a> Dice<'a> {
    pub fn new(tape: &'a [u16]) -> Self {
        Dice { tape }
    }

    /// Nothing is left of the tape: everything that is drawn now is the first of its kind.
    pub fn is_over(&self) -> bool {
        self.tape.is_empty()
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.tape.split_first() else { return 0 };
        self.tape = rest;
        usize::from(*first) % sides
    }

    pub fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.roll(items.len())]
    }

    /// True once in so many times.
    pub fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == sides - 1
    }
}
