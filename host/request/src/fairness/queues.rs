//! The queues of a level: which one a request waits in, and whose turn it is.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Of a level: more would not tell flows apart better, and each costs memory.
const MOST_QUEUES: usize = 1024;

/// A request that waits.
pub struct Waiter {
    pub ticket: u64,
    pub seats: u32,
    pub granted: oneshot::Sender<()>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    /// Seats given to this queue, counted on from that of the least served when it fills.
    served: u64,
}

/// The queues of one level.
#[derive(Default)]
pub struct Queues {
    queues: Vec<Queue>,
    hand: usize,
    longest: usize,
}

impl Queues {
    /// Waiters keep their place in the queues that stay; those of others go to what remains.
    pub fn resize(&mut self, queues: usize, hand: usize, longest: usize) {
        let queues = queues.clamp(1, MOST_QUEUES);
        let moved: Vec<Waiter> = match self.queues.len() > queues {
            true => self.queues.drain(queues..).flat_map(|queue| queue.waiting).collect(),
            false => Vec::new(),
        };
        self.queues.resize_with(queues, Queue::default);
        for waiter in moved {
            let at = waiter.ticket as usize % queues;
            self.queues[at].waiting.push_back(waiter);
        }
        self.hand = hand.clamp(1, queues);
        self.longest = longest.max(1);
    }

    /// The shortest of the queues dealt to the flow; `None`: it is full.
    pub fn choose(&self, flow: u64) -> Option<usize> {
        let dealt = deal(flow, self.queues.len(), self.hand);
        let seats = |at: &usize| self.queues[*at].waiting.iter().map(|w| u64::from(w.seats)).sum::<u64>();
        let shortest = dealt.into_iter().min_by_key(seats)?;
        (self.queues[shortest].waiting.len() < self.longest).then_some(shortest)
    }

    pub fn push(&mut self, at: usize, waiter: Waiter) {
        if self.queues[at].waiting.is_empty() {
            let active = self.queues.iter().filter(|queue| !queue.waiting.is_empty());
            let least = active.map(|queue| queue.served).min().unwrap_or_default();
            self.queues[at].served = self.queues[at].served.max(least);
        }
        self.queues[at].waiting.push_back(waiter);
    }

    /// The seats that the next in turn wants.
    pub fn next(&self) -> Option<u32> {
        self.turn().and_then(|at| self.queues[at].waiting.front()).map(|waiter| waiter.seats)
    }

    pub fn pop(&mut self) -> Option<Waiter> {
        let queue = self.turn().map(|at| &mut self.queues[at])?;
        let waiter = queue.waiting.pop_front()?;
        queue.served += u64::from(waiter.seats);
        Some(waiter)
    }

    /// The queue that was served least of those where somebody waits.
    fn turn(&self) -> Option<usize> {
        let active = (0..self.queues.len()).filter(|at| !self.queues[*at].waiting.is_empty());
        active.min_by_key(|at| (self.queues[*at].served, *at))
    }

    /// False: it waits no longer.
    pub fn remove(&mut self, ticket: u64) -> bool {
        self.queues.iter_mut().any(|queue| {
            let at = queue.waiting.iter().position(|waiter| waiter.ticket == ticket);
            at.is_some_and(|at| queue.waiting.remove(at).is_some())
        })
    }

    pub fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }

    pub fn active(&self) -> usize {
        self.queues.iter().filter(|queue| !queue.waiting.is_empty()).count()
    }
}

/// A hand of different queues for a flow, as a dealer deals cards
/// (`k8s.io/apiserver/pkg/util/shufflesharding`).
fn deal(mut flow: u64, queues: usize, hand: usize) -> Vec<usize> {
    let mut dealt: Vec<usize> = Vec::with_capacity(hand);
    for taken in 0..hand.min(queues) {
        let left = (queues - taken) as u64;
        let mut card = (flow % left) as usize;
        flow /= left;
        // Cards dealt before are no longer in the deck.
        let mut before = dealt.clone();
        before.sort_unstable();
        for other in before {
            card += usize::from(card >= other);
        }
        dealt.push(card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(ticket: u64, seats: u32) -> Waiter {
        Waiter { ticket, seats, granted: oneshot::channel().0 }
    }

    fn queues(count: usize, hand: usize, longest: usize) -> Queues {
        let mut queues = Queues::default();
        queues.resize(count, hand, longest);
        queues
    }

    #[test]
    fn a_hand_has_no_card_twice_and_depends_on_the_flow() {
        for flow in [0, 1, 12_345, u64::MAX] {
            let mut hand = deal(flow, 64, 6);
            assert!(hand.iter().all(|card| *card < 64));
            hand.sort_unstable();
            hand.dedup();
            assert_eq!(hand.len(), 6);
        }
        assert_ne!(deal(1, 64, 6), deal(2, 64, 6));
        assert_eq!(deal(99, 3, 8).len(), 3);
    }

    #[test]
    fn turns_go_by_seats_served() {
        let mut queues = queues(2, 1, 50);
        for ticket in 0..4 {
            queues.push(0, waiter(ticket, 2));
        }
        queues.push(1, waiter(10, 1));
        queues.push(1, waiter(11, 1));
        queues.push(1, waiter(12, 1));
        let order: Vec<u64> = std::iter::from_fn(|| queues.pop()).map(|waiter| waiter.ticket).collect();
        assert_eq!(order, [0, 10, 11, 1, 12, 2, 3]);
    }

    #[test]
    fn a_queue_that_was_empty_catches_up_with_nobody() {
        let mut queues = queues(2, 1, 50);
        for ticket in 0..10 {
            queues.push(0, waiter(ticket, 1));
        }
        (0..8).for_each(|_| drop(queues.pop()));
        queues.push(1, waiter(20, 1));
        queues.push(1, waiter(21, 1));
        let order: Vec<u64> = std::iter::from_fn(|| queues.pop()).map(|waiter| waiter.ticket).collect();
        assert_eq!(order, [8, 20, 9, 21]);
    }

    #[test]
    fn a_full_hand_takes_nobody_and_who_leaves_makes_room() {
        let mut queues = queues(8, 2, 1);
        for ticket in 0..2 {
            let at = queues.choose(7).unwrap();
            queues.push(at, waiter(ticket, 1));
        }
        assert_eq!(queues.choose(7), None);
        assert!(queues.remove(0) && !queues.remove(0));
        assert!(queues.choose(7).is_some());
        assert_eq!(queues.waiting(), 1);
    }
}
