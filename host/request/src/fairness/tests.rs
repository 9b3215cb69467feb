use futures::FutureExt;
use serde_json::json;

use super::*;

/// Two levels that queue, of equal shares, neither lending; schemas by group name.
fn fairness(seats: u32, extra: Value) -> Fairness {
    let lend = extra["lend"].as_i64().unwrap_or(0);
    let level = |name: &str, lend: i64| {
        Arc::new(
            json!({ "metadata": { "name": name, "uid": format!("level-{name}") }, "spec": { "type": "Limited",
            "limited": { "nominalConcurrencyShares": 10, "lendablePercent": lend,
                "limitResponse": { "type": "Queue", "queuing": { "queues": 8, "handSize": 2, "queueLengthLimit": 2 } } } } }),
        )
    };
    let schema = |name: &str| {
        Arc::new(json!({ "metadata": { "name": name, "uid": format!("schema-{name}") }, "spec": {
            "priorityLevelConfiguration": { "name": name }, "distinguisherMethod": { "type": "ByUser" },
            "rules": [{ "subjects": [{ "kind": "Group", "group": { "name": name } }],
                "nonResourceRules": [{ "nonResourceURLs": ["*"], "verbs": ["*"] }] }] } }))
    };
    let catch_all = Arc::new(json!({ "metadata": { "name": "catch-all" }, "spec": { "type": "Limited",
        "limited": { "nominalConcurrencyShares": 0, "limitResponse": { "type": "Reject" } } } }));
    let fairness = Fairness::new(seats);
    fairness.configure(
        &[schema("flood"), schema("nodes")],
        &[level("flood", 0), level("nodes", lend), catch_all],
    );
    fairness
}

fn request() -> Attributes {
    Attributes { verb: "get".into(), path: Some("/x".into()), ..Attributes::default() }
}

/// A request that is let in at once, or does not come back before something changes.
async fn enter(fairness: &Fairness, user: &str, group: &str) -> Option<Result<Permit, Rejected>> {
    let identity = Identity::new(user, &[group]);
    fairness.admit(&identity, &request(), 1).now_or_never().map(|(_, permit)| permit)
}

#[tokio::test]
async fn a_flood_takes_its_own_seats_and_nobody_elses() {
    let fairness = fairness(8, json!({}));
    let mut held = Vec::new();
    let mut waiting = Vec::new();
    let identity = Identity::new("flooder", &["flood"]);
    let mut rejected = 0;
    for _ in 0..50 {
        let asked = fairness.clone();
        let identity = identity.clone();
        let mut admitted = async move { asked.admit(&identity, &request(), 1).await.1 }.boxed();
        match (&mut admitted).now_or_never() {
            Some(Ok(permit)) => held.push(permit),
            Some(Err(_)) => rejected += 1,
            None => waiting.push(admitted),
        }
    }
    // Its four seats, its hand of two queues of two, and no more.
    assert_eq!((held.len(), waiting.len(), rejected), (4, 4, 42));
    // The other level is untouched.
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(enter(&fairness, "system:node:a", "nodes").await.unwrap().ok().unwrap());
    }
    // A seat that is free again goes to whoever waits.
    held.pop();
    assert!(waiting.remove(0).now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn flows_of_one_level_take_turns() {
    let fairness = fairness(2, json!({}));
    let mut held = enter(&fairness, "a", "flood").await.unwrap().ok();
    let wait = |user: &'static str| {
        let fairness = fairness.clone();
        let mut asked =
            async move { fairness.admit(&Identity::new(user, &["flood"]), &request(), 1).await.1 }.boxed();
        assert!((&mut asked).now_or_never().is_none());
        (user, asked)
    };
    // The flooder's hand of queues is full before the other comes.
    let mut waiting = vec![wait("flooder"), wait("flooder"), wait("flooder"), wait("flooder"), wait("quiet")];
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(held.take());
        let granted = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(at, (_, asked))| asked.now_or_never().map(|permit| (at, permit.ok())));
        let (at, permit) = granted.expect("a free seat is given to somebody");
        order.push(waiting.remove(at).0);
        held = permit;
    }
    let turn = order.iter().position(|user| *user == "quiet").unwrap();
    assert!(turn <= 2, "behind one of each of the flooder's queues at most: {order:?}");
}

#[tokio::test]
async fn who_leaves_the_queue_leaves_no_seat_behind() {
    let fairness = fairness(2, json!({}));
    let only = enter(&fairness, "a", "flood").await.unwrap().ok();
    let identity = Identity::new("b", &["flood"]);
    let asked = request();
    let mut gone = Box::pin(fairness.admit(&identity, &asked, 1));
    assert!((&mut gone).now_or_never().is_none());
    drop(only); // granted to the one that waits …
    drop(gone); // … which has gone in the same instant
    assert!(enter(&fairness, "c", "flood").await.unwrap().is_ok());
}

#[tokio::test]
async fn lent_seats_come_back() {
    // Four seats each; the nodes lend half of theirs.
    let fairness = fairness(8, json!({ "lend": 50 }));
    let mut flood = Vec::new();
    while let Some(Ok(permit)) = enter(&fairness, "flooder", "flood").await {
        flood.push(permit);
    }
    // The level that takes what no other does keeps a seat as well.
    assert_eq!(flood.len(), 5, "its own four and one of the two that are lent");
    let first = enter(&fairness, "n", "nodes").await;
    let second = enter(&fairness, "n", "nodes").await;
    assert!(matches!((&first, &second), (Some(Ok(_)), Some(Ok(_)))), "what is not lent is there at once");
    let third = fairness.clone();
    let mut third =
        async move { third.admit(&Identity::new("n", &["nodes"]), &request(), 1).await.1 }.boxed();
    assert!((&mut third).now_or_never().is_none());
    flood.pop();
    assert!(third.now_or_never().unwrap().is_ok(), "and the rest as it is given back");
}

#[tokio::test]
async fn levels_that_do_not_queue_reject_and_exempt_ones_know_no_limit() {
    let fairness = fairness(4, json!({}));
    let everybody = Identity::new("x", &["system:authenticated"]);
    let (place, first) = fairness.admit(&everybody, &request(), 1).await;
    assert!(first.is_ok() && place.level_uid.is_empty());
    assert_eq!(fairness.admit(&everybody, &request(), 1).await.1.err(), Some(Rejected::ConcurrencyLimit));
    let master = Identity::new("root", &["system:masters"]);
    for _ in 0..100 {
        std::mem::forget(fairness.admit(&master, &request(), 1).await.1.ok());
    }
    let (place, _) = fairness.admit(&Identity::new("n", &["nodes"]), &request(), 1).await;
    assert_eq!(place, Place { schema_uid: "schema-nodes".into(), level_uid: "level-nodes".into() });
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let fairness = fairness(2, json!({}));
    let _only = enter(&fairness, "a", "flood").await.unwrap().ok();
    let (_, permit) = fairness.admit(&Identity::new("b", &["flood"]), &request(), 1).await;
    assert_eq!(permit.err(), Some(Rejected::TimeOut));
    assert!(fairness.dump().contains("flood, 0, false, false, 0, 1, 1, 0, 1, 0"), "{}", fairness.dump());
}
