//! The contract.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orch_store::{Companion, Entry, Event, Options, Revision, Store, StoreError};

use super::place::Place;
use super::write::{conflict, create, delete, update, value};

/// Names the place to the process that is going to be killed.
pub const VICTIM: &str = "ORCH_STORE_TEST_VICTIM";

const ALL: usize = usize::MAX;

pub async fn compare_and_swap(place: Place) {
    let store = place.open().await;
    let store = &*store;
    let created = create(store, "a", "1").await.unwrap();
    assert_eq!(created, Entry { key: "a".into(), revision: 1, value: value("1", 1) });
    assert_eq!(conflict(create(store, "a", "x").await), Some(created.clone()));
    assert_eq!(conflict(update(store, "b", 1, "x").await), None);
    assert_eq!(conflict(delete(store, "b", 1, "x").await), None);
    let updated = update(store, "a", 1, "2").await.unwrap();
    assert_eq!((updated.revision, &updated.value), (2, &value("2", 2)));
    assert_eq!(conflict(update(store, "a", 1, "x").await), Some(updated.clone()));
    assert_eq!(conflict(delete(store, "a", 1, "x").await), Some(updated));
    delete(store, "a", 2, "3").await.unwrap();
    assert_eq!(conflict(update(store, "a", 2, "x").await), None);
    assert_eq!(create(store, "a", "4").await.unwrap().revision, 4);
    assert_eq!(store.latest().await.unwrap(), 4);
    // A conflict takes no revision.
    let revisions: Vec<_> = store.history(0, ALL).await.unwrap().iter().map(|e| e.revision).collect();
    assert_eq!(revisions, [1, 2, 3, 4]);
}

pub async fn a_deletion_carries_the_last_state(place: Place) {
    let store = place.open().await;
    create(&*store, "a", "alive").await.unwrap();
    let last = delete(&*store, "a", 1, "as it was").await.unwrap();
    assert_eq!((last.revision, last.value), (2, value("as it was", 2)));
    store.close().await;
    let store = place.open().await;
    let events = store.history(1, ALL).await.unwrap();
    let (value, companion) = (value("as it was", 2), Companion::default());
    let expected = Event { key: "a".into(), revision: 2, deleted: true, value, companion };
    assert_eq!(events, [expected]);
    assert_eq!(store.snapshot().await.unwrap(), (2, vec![]));
}

pub async fn history_has_no_gap_under_concurrent_writers(place: Place) {
    const WRITERS: usize = 16;
    const WRITES: usize = 40;
    let store = place.open().await;
    let follower = tokio::spawn(follow(store.clone(), (WRITERS * WRITES) as Revision));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut last = create(&*store, &format!("k{writer}"), "0").await.unwrap().revision;
                for text in 1..WRITES {
                    let next = update(&*store, &format!("k{writer}"), last, &text.to_string()).await.unwrap();
                    assert!(next.revision > last);
                    last = next.revision;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let live = follower.await.unwrap();
    store.close().await;
    assert_eq!(place.open().await.history(0, ALL).await.unwrap(), live);
}

/// Reads the log as it grows, by the signal alone; each event must follow the last.
async fn follow(store: Arc<dyn Store>, until: Revision) -> Vec<Event> {
    let mut committed = store.committed();
    let mut events: Vec<Event> = Vec::new();
    while (events.len() as Revision) < until {
        committed.wait_for(|head| *head > events.len() as Revision).await.unwrap();
        let next = store.history(events.len() as Revision, 7).await.unwrap();
        assert!(!next.is_empty(), "what was signalled can be read");
        for event in next {
            assert_eq!(event.revision, events.len() as Revision + 1);
            events.push(event);
        }
    }
    events
}

pub async fn one_conflict_spares_the_others_of_its_group(place: Place) {
    let store = place.open().await;
    create(&*store, "taken", "first").await.unwrap();
    let writes: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            let key = if n % 2 == 0 { "taken".to_string() } else { format!("free{n}") };
            tokio::spawn(async move { (n, create(&*store, &key, "x").await) })
        })
        .collect();
    for write in writes {
        match write.await.unwrap() {
            (n, outcome) if n % 2 == 0 => assert_eq!(conflict(outcome).unwrap().value, value("first", 1)),
            (_, outcome) => drop(outcome.unwrap()),
        }
    }
    assert_eq!(store.latest().await.unwrap(), 101);
}

pub async fn racing_swaps_have_one_winner(place: Place) {
    let store = place.open().await;
    let mut current = create(&*store, "a", "0").await.unwrap();
    for round in 0..20 {
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (store, from) = (store.clone(), current.revision);
                let text = format!("{round}-{racer}");
                tokio::spawn(async move { update(&*store, "a", from, &text).await })
            })
            .collect();
        let mut winners = Vec::new();
        let mut named = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(entry) => winners.push(entry),
                lost => named.extend(conflict(lost)),
            }
        }
        assert_eq!(winners.len(), 1);
        assert!(named.iter().all(|entry| *entry == winners[0]), "the losers are told of the winner");
        current = winners.remove(0);
    }
}

pub async fn a_snapshot_and_its_history_make_the_present(place: Place) {
    let store = place.open().await;
    let writer = tokio::spawn(churn(store.clone(), 300));
    let mut snapshots = vec![store.snapshot().await.unwrap()];
    while !writer.is_finished() {
        snapshots.push(store.snapshot().await.unwrap());
    }
    writer.await.unwrap();
    let present = contents(store.snapshot().await.unwrap().1);
    for (revision, entries) in snapshots {
        let mut state = contents(entries);
        for event in store.history(revision, ALL).await.unwrap() {
            apply(&mut state, event);
        }
        assert_eq!(state, present, "from {revision}");
    }
}

/// Creations, updates and deletions of ten keys.
async fn churn(store: Arc<dyn Store>, writes: usize) {
    let mut held: BTreeMap<String, Revision> = BTreeMap::new();
    for n in 0..writes {
        let key = format!("k{}", n % 10);
        match held.get(&key).copied() {
            Some(from) if n % 3 == 0 => {
                delete(&*store, &key, from, "last").await.unwrap();
                held.remove(&key);
            }
            Some(from) => {
                let entry = update(&*store, &key, from, &n.to_string()).await.unwrap();
                held.insert(key, entry.revision);
            }
            None => {
                let entry = create(&*store, &key, &n.to_string()).await.unwrap();
                held.insert(key, entry.revision);
            }
        }
    }
}

fn contents(entries: Vec<Entry>) -> BTreeMap<String, (Revision, Bytes)> {
    entries.into_iter().map(|entry| (entry.key, (entry.revision, entry.value))).collect()
}

fn apply(state: &mut BTreeMap<String, (Revision, Bytes)>, event: Event) {
    if event.deleted {
        state.remove(&event.key);
    } else {
        state.insert(event.key, (event.revision, event.value));
    }
}

pub async fn compaction_forgets_history_only(place: Place) {
    let store = place.open().await;
    churn(store.clone(), 100).await;
    let (head, present) = store.snapshot().await.unwrap();
    let tail = store.history(60, ALL).await.unwrap();
    store.compact(60).await.unwrap();
    assert!(compacted(store.history(59, ALL).await, 59, 60));
    assert_eq!(store.history(60, ALL).await.unwrap(), tail);
    assert_eq!(store.snapshot().await.unwrap(), (head, present.clone()));
    // Less than before is no change; more than there is, is all.
    store.compact(10).await.unwrap();
    assert_eq!(store.history(60, ALL).await.unwrap(), tail);
    store.compact(head + 1000).await.unwrap();
    assert!(compacted(store.history(head - 1, ALL).await, head - 1, head));
    assert_eq!(store.history(head, ALL).await.unwrap(), []);
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.snapshot().await.unwrap(), (head, present));
    assert!(compacted(store.history(0, ALL).await, 0, head));
    assert_eq!(create(&*store, "next", "x").await.unwrap().revision, head + 1);
    assert_eq!(store.history(head, ALL).await.unwrap().len(), 1);
}

fn compacted(outcome: Result<Vec<Event>, StoreError>, at: Revision, begins: Revision) -> bool {
    match outcome {
        Err(StoreError::Compacted { asked, oldest }) => (asked, oldest) == (at, begins),
        other => panic!("expected to be told of compaction, got {other:?}"),
    }
}

pub async fn compaction_in_several_calls_keeps_current_objects(place: Place) {
    let store = place.open().await;
    create(&*store, "old", "never touched again").await.unwrap();
    for _ in 0..4 {
        let before = store.latest().await.unwrap();
        let keys: Vec<Revision> = (before + 1..before + 30).collect();
        for key in keys {
            create(&*store, &format!("{key}"), "x").await.unwrap();
            update(&*store, &format!("{key}"), store.latest().await.unwrap(), "y").await.unwrap();
        }
        let (head, present) = store.snapshot().await.unwrap();
        store.compact(head - 7).await.unwrap();
        assert_eq!(store.snapshot().await.unwrap(), (head, present));
        assert_eq!(store.history(head - 7, ALL).await.unwrap().len(), 7);
    }
    let old = conflict(create(&*store, "old", "x").await).unwrap();
    assert_eq!(old.value, value("never touched again", 1));
}

pub async fn history_is_bounded_by_itself(place: Place) {
    let interval = Duration::from_millis(20);
    let options = Options { keep_revisions: 64, interval, ..super::place::unbounded() };
    let store = place.open_with(options).await;
    let text = "x".repeat(20_000);
    let mut last = create(&*store, "a", &text).await.unwrap().revision;
    for _ in 0..500 {
        last = update(&*store, "a", last, &text).await.unwrap().revision;
    }
    until(async || store.history(last - 70, ALL).await.is_err()).await;
    assert!(store.history(last - 60, ALL).await.is_ok());
    if let Some(file) = place.file() {
        // 10 MB were written; some 70 versions are kept.
        until(async || std::fs::metadata(file).unwrap().len() < 8 << 20).await;
    }
    assert_eq!(store.snapshot().await.unwrap().1.len(), 1);
}

/// Waits for a condition.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came true");
}

pub async fn everything_survives_reopening(place: Place) {
    let store = place.open().await;
    churn(store.clone(), 50).await;
    let (snapshot, history) = (store.snapshot().await.unwrap(), store.history(0, ALL).await.unwrap());
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.latest().await.unwrap(), 50);
    assert_eq!(*store.committed().borrow(), 50);
    assert_eq!(store.snapshot().await.unwrap(), snapshot);
    assert_eq!(store.history(0, ALL).await.unwrap(), history);
    assert_eq!(create(&*store, "new", "x").await.unwrap().revision, 51);
}

pub async fn a_closed_store_says_so(place: Place) {
    let store = place.open().await;
    create(&*store, "a", "x").await.unwrap();
    store.close().await;
    store.close().await;
    let refused = create(&*store, "b", "x").await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
}

pub async fn large_values_and_odd_keys(place: Place) {
    let store = place.open().await;
    let keys = ["/pods/ns/ü 'quoted\" %_;--", "", "/", "//", "A", "a"];
    let text = "é".repeat(700_000);
    for key in keys {
        create(&*store, key, &text).await.unwrap();
    }
    let (_, entries) = store.snapshot().await.unwrap();
    let found: HashSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(found, HashSet::from(keys));
    assert!(entries.iter().all(|entry| entry.value == value(&text, entry.revision)));
    assert!(entries.is_sorted_by(|one, next| one.key.as_bytes() < next.key.as_bytes()));
    store.close().await;
    let events = place.open().await.history(0, ALL).await.unwrap();
    assert!(events.iter().all(|event| event.value == value(&text, event.revision)));
}

pub async fn acknowledged_writes_survive_kill_9(place: Place) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(VICTIM, &place.address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut acknowledged: Vec<(String, Revision)> = Vec::new();
    let mut take = |line: String| {
        let Some(rest) = line.strip_prefix("ack ") else { return 0 };
        let (key, revision) = rest.split_once(' ').unwrap();
        acknowledged.push((key.into(), revision.parse().unwrap()));
        acknowledged.len()
    };
    while take(lines.next().expect("the victim lives").unwrap()) < 500 {}
    victim.kill().unwrap();
    victim.wait().unwrap();
    // What it had still said before it died.
    for line in lines.map_while(Result::ok) {
        take(line);
    }
    let store = place.open().await;
    let (head, entries) = store.snapshot().await.unwrap();
    let held = contents(entries);
    for (key, revision) in &acknowledged {
        assert_eq!(held.get(key), Some(&(*revision, value("x", *revision))), "{key}");
    }
    let revisions: Vec<Revision> = store.history(0, ALL).await.unwrap().iter().map(|e| e.revision).collect();
    assert_eq!(revisions, (1..=head).collect::<Vec<_>>());
}

/// Writes without end and says what was acknowledged.
pub async fn write_and_acknowledge(address: &str) {
    let options = super::place::unbounded();
    let store = orch_store::open(address, std::path::Path::new("unused"), options).await.unwrap();
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let key = format!("{writer}/{n}");
                    let entry = create(&*store, &key, "x").await.unwrap();
                    // One write to the pipe, so that no line is cut short by another.
                    let line = format!("ack {key} {}\n", entry.revision);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}
