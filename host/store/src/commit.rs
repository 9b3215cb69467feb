//! What a group of writes comes to: judged here, carried out by a backend in one transaction.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Change, Entry, Event, Expect, Revision, Stamped, StoreError, Write};

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub event: Event,
    /// The revision that this one supersedes; 0: none. Compaction finds by it what to forget.
    pub previous: Revision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The index of its row.
    Committed(usize),
    /// The revision of the current object.
    Conflict(Option<Revision>),
}

/// The rows to append, in revision order, and a verdict for each write, in their order.
#[derive(Debug, Default)]
pub struct Plan {
    pub rows: Vec<Row>,
    pub verdicts: Vec<Verdict>,
    /// The last revision before the first row.
    pub head: Revision,
}

/// Judges each write on its own, in order, as if those before it had been committed.
/// `current` holds the revisions of those keys of the writes that have an object.
pub fn judge(head: Revision, mut current: HashMap<String, Revision>, writes: &[&Write]) -> Plan {
    let mut plan = Plan { head, ..Plan::default() };
    for write in writes {
        let held = current.get(&write.key).copied();
        let verdict = if holds(write, held) {
            let row = row(write, plan.last() + 1, held.unwrap_or(0));
            if row.event.deleted {
                current.remove(&write.key);
            } else {
                current.insert(write.key.clone(), row.event.revision);
            }
            plan.rows.push(row);
            Verdict::Committed(plan.rows.len() - 1)
        } else {
            Verdict::Conflict(held)
        };
        plan.verdicts.push(verdict);
    }
    plan
}

fn holds(write: &Write, held: Option<Revision>) -> bool {
    match (write.expect, held) {
        (Expect::Revision(expected), Some(held)) => expected == held,
        // There is nothing to delete.
        (Expect::Absent, None) => matches!(write.change, Change::Put(_)),
        (Expect::Absent, Some(_)) | (Expect::Revision(_), None) => false,
    }
}

fn row(write: &Write, revision: Revision, previous: Revision) -> Row {
    let (deleted, stamped) = match &write.change {
        Change::Put(stamped) => (false, stamped),
        Change::Delete(stamped) => (true, stamped),
    };
    let event = Event {
        key: write.key.clone(),
        revision,
        deleted,
        value: stamp(stamped, revision),
        companion: write.companion.clone(),
    };
    Row { event, previous }
}

fn stamp(stamped: &Stamped, revision: Revision) -> Bytes {
    let digits = revision.to_string();
    let mut value = BytesMut::with_capacity(stamped.head.len() + digits.len() + stamped.tail.len());
    value.put_slice(&stamped.head);
    value.put_slice(digits.as_bytes());
    value.put_slice(&stamped.tail);
    value.freeze()
}

impl Plan {
    pub fn last(&self) -> Revision {
        self.head + self.rows.len() as Revision
    }

    /// The state of each changed key after the last row: its revision, or `None` when deleted.
    pub fn changed(&self) -> HashMap<&str, Option<Revision>> {
        let state = |row: &Row| (!row.event.deleted).then_some(row.event.revision);
        self.rows.iter().map(|row| (row.event.key.as_str(), state(row))).collect()
    }

    /// Revisions of current objects that conflicts are to name and that are not among the rows.
    pub fn wanted(&self) -> Vec<Revision> {
        let wanted = |verdict: &Verdict| match verdict {
            Verdict::Conflict(Some(revision)) if *revision <= self.head => Some(*revision),
            Verdict::Conflict(_) | Verdict::Committed(_) => None,
        };
        self.verdicts.iter().filter_map(wanted).collect()
    }

    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.rows.iter().map(|row| row.event.clone())
    }

    /// The answer to the write of that index; `found` holds the values that [`Plan::wanted`] named.
    pub fn answer(
        &self,
        index: usize,
        write: &Write,
        found: &HashMap<Revision, Bytes>,
    ) -> Result<Entry, StoreError> {
        let entry = |revision, value| Entry { key: write.key.clone(), revision, value };
        match self.verdicts[index] {
            Verdict::Committed(row) => {
                let event = &self.rows[row].event;
                Ok(entry(event.revision, event.value.clone()))
            }
            Verdict::Conflict(revision) => {
                let current = revision.and_then(|revision| {
                    let value = match revision.checked_sub(self.head + 1) {
                        Some(row) => Some(self.rows[row as usize].event.value.clone()),
                        None => found.get(&revision).cloned(),
                    };
                    Some(entry(revision, value?))
                });
                Err(StoreError::Conflict { key: write.key.clone(), current })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped() -> Stamped {
        Stamped { head: Bytes::from_static(b"{\"v\":\""), tail: Bytes::from_static(b"\"}") }
    }

    fn put(key: &str, expect: Expect) -> Write {
        Write::new(key, expect, Change::Put(stamped()))
    }

    #[test]
    fn a_conflict_spares_its_neighbours() {
        let writes = [
            put("a", Expect::Absent),
            put("b", Expect::Absent),
            put("c", Expect::Revision(3)),
            put("d", Expect::Revision(9)),
        ];
        let current = HashMap::from([("b".to_string(), 2), ("c".to_string(), 3)]);
        let plan = judge(7, current, &writes.iter().collect::<Vec<_>>());
        use Verdict::{Committed, Conflict};
        assert_eq!(plan.verdicts, [Committed(0), Conflict(Some(2)), Committed(1), Conflict(None)]);
        assert_eq!(
            plan.rows.iter().map(|r| (r.event.revision, r.previous)).collect::<Vec<_>>(),
            [(8, 0), (9, 3)]
        );
        assert_eq!(&plan.rows[0].event.value[..], b"{\"v\":\"8\"}");
        assert_eq!((plan.last(), plan.wanted()), (9, vec![2]));
    }

    #[test]
    fn writes_of_one_key_follow_each_other() {
        let delete = |revision| Write::new("a", Expect::Revision(revision), Change::Delete(stamped()));
        let writes = [
            put("a", Expect::Absent),
            put("a", Expect::Absent),
            put("a", Expect::Revision(1)),
            delete(2),
            delete(2),
            put("a", Expect::Absent),
        ];
        let writes: Vec<&Write> = writes.iter().collect();
        let plan = judge(0, HashMap::new(), &writes);
        assert_eq!(plan.rows.iter().map(|r| r.previous).collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(plan.changed(), HashMap::from([("a", Some(4))]));
        let Err(StoreError::Conflict { current: Some(current), .. }) =
            plan.answer(1, writes[1], &HashMap::new())
        else {
            panic!("the second creation must conflict");
        };
        assert_eq!((current.revision, &current.value[..]), (1, &b"{\"v\":\"1\"}"[..]));
    }
}
