//! The cache over a SQLite store.
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use orch_store::{Change, Companion, Entry, Expect, Revision, Sqlite, Stamped, Store, Write};
use orch_watch::{Cache, Event, Expired, Form, Options, Watch};

struct Fixture {
    store: Arc<Sqlite>,
    cache: Cache,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Fixture {
        Fixture::with(Options::default()).await
    }

    async fn with(options: Options) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = Arc::new(Sqlite::open(path, orch_store::Options::default()).await.unwrap());
        let cache = Cache::start(store.clone(), options).await.unwrap();
        Fixture { store, cache, _folder: folder }
    }

    async fn put(&self, key: &str, from: Revision) -> Revision {
        put(&*self.store, key, from).await.revision
    }

    async fn delete(&self, key: &str, from: Revision) -> Revision {
        let change = Change::Delete(stamped("{}"));
        let write = Write::new(key, Expect::Revision(from), change);
        self.store.commit(write).await.unwrap().revision
    }
}

/// Creates (from 0) or updates.
async fn put(store: &dyn Store, key: &str, from: Revision) -> Entry {
    put_with(store, key, from, "{}").await
}

async fn put_with(store: &dyn Store, key: &str, from: Revision, more: &str) -> Entry {
    let expect = if from == 0 { Expect::Absent } else { Expect::Revision(from) };
    let write = Write::new(key, expect, Change::Put(stamped(more)));
    store.commit(write).await.unwrap()
}

fn stamped(metadata: &str) -> Stamped {
    Stamped {
        head: Bytes::from(format!("{{\"metadata\":{metadata},\"resourceVersion\":\"")),
        tail: Bytes::from_static(b"\"}"),
    }
}

async fn next(watch: &mut Watch) -> Arc<Event> {
    let event = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("an event comes");
    event.expect("the watch goes on").expect("nothing is missing")
}

#[tokio::test]
async fn reads_its_own_writes() {
    let f = Fixture::new().await;
    let revision = f.put("pods/ns/a", 0).await;
    let object = f.cache.get_fresh("pods/ns/a").await.unwrap().unwrap();
    assert_eq!(object.revision, revision);
    assert_eq!(object.value()["resourceVersion"], "1");
    assert!(Arc::ptr_eq(&object.value(), &object.value()), "parsed once");
    f.put("pods/other/b", 0).await;
    f.put("podsets/ns/a", 0).await;
    let keys = |prefix: &str| {
        let list = f.cache.list(prefix);
        list.items.iter().map(|o| o.key.to_string()).collect::<Vec<_>>()
    };
    f.cache.fresh().await.unwrap();
    assert_eq!(keys("pods/"), ["pods/ns/a", "pods/other/b"]);
    assert_eq!(keys("pods/ns/"), ["pods/ns/a"]);
    assert_eq!(keys("pods/ns/a"), ["pods/ns/a"]);
    assert_eq!((keys("pods/ns").len(), keys("").len(), f.cache.count("pods/")), (0, 3, 2));
    f.delete("pods/ns/a", revision).await;
    assert!(f.cache.get_fresh("pods/ns/a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_watch_tells_what_was_before() {
    let f = Fixture::new().await;
    let mut watch = f.cache.watch("pods/", 0).unwrap();
    let created = f.put("pods/a", 0).await;
    let updated = f.put("pods/a", created).await;
    f.put("nodes/n", 0).await;
    f.delete("pods/a", updated).await;
    let one = next(&mut watch).await;
    assert!(one.before.is_none() && !one.deleted && one.revision() == created);
    let two = next(&mut watch).await;
    assert!(Arc::ptr_eq(two.before.as_ref().unwrap(), &one.object));
    let three = next(&mut watch).await;
    assert!(three.deleted && three.revision() == 4);
    assert!(Arc::ptr_eq(three.before.as_ref().unwrap(), &two.object));
    // The encoding is the store's own, for every watcher.
    let again = next(&mut f.cache.watch("pods/", 0).unwrap()).await;
    assert_eq!(again.object.bytes.as_ptr(), one.object.bytes.as_ptr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_have_no_gap_and_no_duplicate_under_concurrent_writers() {
    const WRITERS: usize = 8;
    const WRITES: usize = 300;
    const TOTAL: usize = WRITERS * WRITES;
    // A small buffer: watchers fall behind and catch up all the time.
    let f = Fixture::with(Options { watcher_buffer: 4, ..Options::default() }).await;
    let mut watchers = Vec::new();
    for start in 0..6 {
        let cache = f.cache.clone();
        watchers.push(tokio::spawn(async move {
            // They begin at different times, each from the very first event.
            cache.wait_for(start * 300).await;
            let mut watch = cache.watch("k/", 0).unwrap();
            for revision in 1..=TOTAL as Revision {
                assert_eq!(next(&mut watch).await.revision(), revision);
            }
        }));
    }
    let from_list = {
        let cache = f.cache.clone();
        tokio::spawn(async move {
            cache.wait_for(1000).await;
            let (list, mut watch) = cache.list_and_watch("k/");
            let mut state: BTreeMap<String, Revision> =
                list.items.iter().map(|o| (o.key.to_string(), o.revision)).collect();
            let mut at = list.revision;
            while at < TOTAL as Revision {
                let event = next(&mut watch).await;
                assert_eq!(event.revision(), at + 1);
                at += 1;
                state.insert(event.key().into(), at);
            }
            state
        })
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = f.store.clone();
            tokio::spawn(async move {
                let mut last = 0;
                for _ in 0..WRITES {
                    last = put(&*store, &format!("k/{writer}"), last).await.revision;
                }
            })
        })
        .collect();
    for task in writers.into_iter().chain(watchers) {
        task.await.unwrap();
    }
    let state = from_list.await.unwrap();
    f.cache.fresh().await.unwrap();
    let present = f.cache.list("k/");
    assert_eq!(state, present.items.iter().map(|o| (o.key.to_string(), o.revision)).collect());
}

#[tokio::test]
async fn a_slow_watcher_is_cut_off_without_holding_up_others() {
    let options = Options { window_events: 50, watcher_buffer: 10, ..Options::default() };
    let f = Fixture::with(options).await;
    let mut slow = f.cache.watch("", 0).unwrap();
    let mut last = f.put("a", 0).await;
    assert_eq!(next(&mut slow).await.revision(), 1);
    for _ in 0..30 {
        last = f.put("a", last).await;
    }
    f.cache.fresh().await.unwrap();
    // Beyond its buffer, within the window: it catches up.
    for revision in 2..=31 {
        assert_eq!(next(&mut slow).await.revision(), revision);
    }
    for _ in 0..100 {
        last = f.put("a", last).await;
    }
    f.cache.fresh().await.unwrap();
    // Beyond the window it learns that it is too late.
    let expired = slow.next().await.unwrap().unwrap_err();
    assert_eq!(expired, Expired { asked: 31, oldest: last - 50 });
    assert!(slow.next().await.is_none());
}

#[tokio::test]
async fn a_slow_watcher_keeps_nothing_that_the_window_has_let_go() {
    let options = Options { window_events: 2, watcher_buffer: 1_000, ..Options::default() };
    let f = Fixture::with(options).await;
    let mut slow = f.cache.watch("", 0).unwrap();
    let mut last = f.put("a", 0).await;
    next(&mut slow).await;
    let seen = f.cache.get_fresh("a").await.unwrap().map(|object| Arc::downgrade(&object)).unwrap();
    for _ in 0..9 {
        last = f.put("a", last).await;
    }
    f.cache.fresh().await.unwrap();
    assert!(seen.upgrade().is_none(), "held by the watcher's buffer");
    assert_eq!(slow.next().await.unwrap().unwrap_err(), Expired { asked: 1, oldest: last - 2 });
}

#[tokio::test]
async fn parsed_forms_of_many_objects_do_not_stay() {
    let f = Fixture::new().await;
    let many = 3_000;
    for n in 0..many {
        f.put(&format!("k/{n}"), 0).await;
    }
    f.cache.fresh().await.unwrap();
    let list = f.cache.list("k/");
    let held = list.items[0].value();
    list.items.iter().for_each(|object| drop(object.value()));
    let kept = list.items.iter().filter(|object| object.known_value().is_some()).count();
    assert!((2..many / 2).contains(&kept), "{kept}");
    assert!(Arc::ptr_eq(&list.items[0].value(), &held), "who holds a form shares it");
    // A glance leaves no trace.
    let forgotten = list.items.iter().find(|object| object.known_value().is_none()).unwrap();
    assert_eq!(forgotten.glance()["resourceVersion"], forgotten.revision.to_string());
    assert!(forgotten.known_value().is_none());
}

#[tokio::test]
async fn too_old_is_expired() {
    let f = Fixture::with(Options { window_events: 10, ..Options::default() }).await;
    let mut last = 0;
    for _ in 0..20 {
        last = f.put("a", last).await;
    }
    f.cache.fresh().await.unwrap();
    assert_eq!(f.cache.oldest(), 10);
    assert_eq!(f.cache.watch("", 9).err(), Some(Expired { asked: 9, oldest: 10 }));
    assert!(f.cache.page("", 9, None, 0).is_err());
    assert_eq!(next(&mut f.cache.watch("", 10).unwrap()).await.revision(), 11);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_bounded_by_age_and_bytes() {
    let f = Fixture::with(Options { window_bytes: 200, ..Options::default() }).await;
    let mut last = 0;
    for _ in 0..20 {
        last = f.put("a", last).await;
    }
    f.cache.fresh().await.unwrap();
    let oldest = f.cache.oldest();
    assert!((10..20).contains(&oldest), "{oldest}");
    tokio::time::advance(Duration::from_secs(301)).await;
    f.put("a", last).await;
    f.cache.fresh().await.unwrap();
    assert_eq!(f.cache.oldest(), 20);
}

#[tokio::test]
async fn bookmarks_never_pass_an_undelivered_event() {
    let f = Fixture::new().await;
    let mut watch = f.cache.watch("pods/", 0).unwrap();
    f.put("nodes/n", 0).await;
    f.cache.fresh().await.unwrap();
    assert!(watch.next().now_or_never().is_none());
    assert_eq!(watch.bookmark(), 1, "others' events move it");
    f.put("pods/a", 0).await;
    f.put("nodes/m", 0).await;
    f.cache.fresh().await.unwrap();
    assert_eq!(watch.bookmark(), 1, "an event waits");
    assert_eq!(next(&mut watch).await.revision(), 2);
    assert_eq!(watch.bookmark(), 3);
    // A watch from the future has nothing to say before it.
    let mut ahead = f.cache.watch("pods/", 5).unwrap();
    f.put("pods/b", 0).await;
    f.put("pods/c", 0).await;
    f.put("pods/d", 0).await;
    assert_eq!(next(&mut ahead).await.revision(), 6);
}

#[tokio::test]
async fn pages_are_true_at_one_revision() {
    let f = Fixture::new().await;
    let mut revisions = BTreeMap::new();
    for name in ["a", "c", "e", "g", "i"] {
        let key = format!("k/{name}");
        revisions.insert(key.clone(), f.put(&key, 0).await);
    }
    let at = f.cache.fresh().await.unwrap();
    let first = f.cache.page("k/", at, None, 2).unwrap();
    // Between two pages: an update, a deletion, creations before and behind, one come and gone.
    f.put("k/e", revisions["k/e"]).await;
    f.delete("k/g", revisions["k/g"]).await;
    f.put("k/b", 0).await;
    f.put("k/z", 0).await;
    let gone = f.put("k/f", 0).await;
    f.delete("k/f", gone).await;
    f.put("k/g", 0).await;
    f.cache.fresh().await.unwrap();
    let keys = |page: &orch_watch::Page| {
        page.items.iter().map(|o| (o.key.to_string(), o.revision)).collect::<Vec<_>>()
    };
    assert_eq!((keys(&first).len(), first.remaining, first.revision), (2, 3, at));
    let second = f.cache.page("k/", at, Some("k/c"), 2).unwrap();
    let third = f.cache.page("k/", at, Some("k/g"), 2).unwrap();
    assert_eq!((second.remaining, third.remaining), (1, 0));
    let all: BTreeMap<_, _> = [first, second, third].iter().flat_map(keys).collect();
    assert_eq!(all, revisions);
    assert_eq!(f.cache.page("k/", at, None, 0).unwrap().items.len(), 5);
    assert_eq!(f.cache.page("k/", at + 99, None, 0).unwrap().items.len(), 7);
}

#[tokio::test]
async fn dependents_follow_owner_references() {
    let f = Fixture::new().await;
    let owned = |uid: &str| format!("{{\"ownerReferences\":[{{\"uid\":\"{uid}\"}}]}}");
    let a = put_with(&*f.store, "pods/a", 0, &owned("1")).await.revision;
    let b = put_with(&*f.store, "pods/b", 0, &owned("1")).await.revision;
    f.put("pods/c", 0).await;
    f.cache.fresh().await.unwrap();
    let dependents =
        |uid: &str| f.cache.dependents(uid).iter().map(|o| o.key.to_string()).collect::<Vec<_>>();
    assert_eq!(dependents("1"), ["pods/a", "pods/b"]);
    put_with(&*f.store, "pods/a", a, &owned("2")).await;
    f.delete("pods/b", b).await;
    f.cache.fresh().await.unwrap();
    assert_eq!((dependents("1").len(), dependents("2")), (0, vec!["pods/a".to_string()]));
}

#[tokio::test]
async fn a_restarted_cache_has_the_objects_and_asks_for_a_new_list() {
    let f = Fixture::new().await;
    let first = f.put("a", 0).await;
    f.put("a", first).await;
    let cache = Cache::start(f.store.clone(), Options::default()).await.unwrap();
    assert_eq!((cache.revision(), cache.oldest(), cache.get("a").unwrap().revision), (2, 2, 2));
    assert!(cache.watch("", 1).is_err());
    let mut watch = cache.watch("", 2).unwrap();
    f.put("b", 0).await;
    assert_eq!(next(&mut watch).await.revision(), 3);
}

#[tokio::test]
async fn watches_end_with_the_cache() {
    let Fixture { store, cache, _folder } = Fixture::new().await;
    let mut watch = cache.watch("", 0).unwrap();
    put(&*store, "a", 0).await;
    next(&mut watch).await;
    assert!(watch.next().now_or_never().is_none());
    drop(cache);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn compaction_of_the_store_does_not_disturb() {
    let f = Fixture::new().await;
    let mut watch = f.cache.watch("", 0).unwrap();
    let mut last = 0;
    for _ in 0..50 {
        last = f.put("a", last).await;
        f.store.compact(last - 1).await.unwrap();
    }
    f.cache.fresh().await.unwrap();
    let mut at = 0;
    while at < last {
        match watch.next().await.unwrap() {
            Ok(event) => at = event.revision(),
            // The cache itself was overtaken: it has loaded everything anew.
            Err(expired) => {
                let (list, again) = f.cache.list_and_watch("");
                assert!(list.revision >= expired.oldest);
                (at, watch) = (list.revision, again);
            }
        }
    }
    assert_eq!(f.cache.get("a").unwrap().revision, last);
}

#[tokio::test]
async fn what_the_writer_knows_is_not_parsed_again() {
    let fixture = Fixture::new().await;
    let form = Form::new(serde_json::json!({"metadata": {"name": "a"}}));
    let write = Write::new("/a", Expect::Absent, Change::Put(stamped("{}")));
    let entry = fixture.store.commit(write.with(Companion::new(form.clone()))).await.unwrap();
    fixture.cache.wait_for(entry.revision).await;
    let known = fixture.cache.get("/a").unwrap().known_value().unwrap();
    assert!(Arc::ptr_eq(&known, &form.at(entry.revision).unwrap()));
    assert_eq!(known["metadata"]["resourceVersion"], entry.revision.to_string());
    let other = Write::new("/b", Expect::Absent, Change::Put(stamped("{}")));
    let entry = fixture.store.commit(other.with(Companion::new(Arc::new(1)))).await.unwrap();
    fixture.cache.wait_for(entry.revision).await;
    assert_eq!(fixture.cache.get("/b").unwrap().known_value(), None);
}
