//! What only a shared server can do: several hosts, restarts, absence.
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod shared;

use std::sync::Arc;
use std::time::Duration;

use orch_store::{OpenError, Options, Postgres, Revision, Store, StoreError};
use shared::place;
use shared::server::Server;
use shared::suite::until;
use shared::write::{conflict, create, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_hear_of_each_others_commits() {
    let place = place::postgres().await;
    let (one, other) = (place.open().await, place.open().await);
    let mut committed = other.committed();
    for revision in 1..=20 {
        create(&*one, &format!("k{revision}"), "x").await.unwrap();
        let heard = committed.wait_for(|head| *head >= revision);
        tokio::time::timeout(Duration::from_secs(5), heard).await.expect("notified").unwrap();
        assert_eq!(other.history(revision - 1, 10).await.unwrap().len(), 1);
    }
    assert_eq!(other.latest().await.unwrap(), 20);
    assert_eq!(conflict(create(&*other, "k1", "x").await).unwrap().revision, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_share_one_sequence_of_revisions() {
    const EACH: u64 = 100;
    let place = place::postgres().await;
    let hosts = [place.open().await, place.open().await];
    let followers: Vec<_> = hosts.iter().map(|host| tokio::spawn(follow(host.clone(), 8 * EACH))).collect();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let host = hosts[writer % 2].clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    create(&*host, &format!("{writer}/{n}"), "x").await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for follower in followers {
        let revisions = tokio::time::timeout(Duration::from_secs(30), follower).await.unwrap().unwrap();
        assert_eq!(revisions, (1..=8 * EACH).collect::<Vec<_>>());
    }
}

async fn follow(host: Arc<dyn Store>, until: Revision) -> Vec<Revision> {
    let mut committed = host.committed();
    let mut seen: Vec<Revision> = Vec::new();
    while seen.len() as Revision != until {
        let last = seen.last().copied().unwrap_or(0);
        committed.wait_for(|head| *head > last).await.unwrap();
        seen.extend(host.history(last, 50).await.unwrap().iter().map(|event| event.revision));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_race_for_one_object() {
    let place = place::postgres().await;
    let hosts = [place.open().await, place.open().await];
    let mut current = create(&*hosts[0], "a", "0").await.unwrap().revision;
    for round in 0..30 {
        let text = format!("{round}");
        let (one, other) =
            tokio::join!(update(&*hosts[0], "a", current, &text), update(&*hosts[1], "a", current, &text));
        let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
        let won = won.unwrap();
        assert_eq!(conflict(lost), Some(won.clone()));
        current = won.revision;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_found_again() {
    let server = tokio::task::spawn_blocking(Server::start_new).await.unwrap();
    let address = server.create_database();
    let (one, other) = (open(&address).await, open(&address).await);
    create(&one, "before", "x").await.unwrap();
    server.stop();
    let error = create(&one, "during", "x").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(one.latest().await.is_err());
    let server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    })
    .await
    .unwrap();
    until(async || create(&one, "after", "x").await.is_ok()).await;
    // The other host's listener connects again by itself.
    let mut committed = other.committed();
    let heard = committed.wait_for(|head| *head >= 2);
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("notified again").unwrap();
    // An idle connection that the restart killed costs no write.
    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server.start();
        server
    })
    .await
    .unwrap();
    create(&one, "at once", "x").await.unwrap();
    assert_eq!(other.latest().await.unwrap(), 3);
    one.close().await;
    other.close().await;
    drop(server);
}

async fn open(address: &str) -> Postgres {
    Postgres::open(address, Options::default()).await.unwrap()
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_the_password() {
    let refused = Postgres::open("postgres://orch:secret@127.0.0.1:1/state", Options::default()).await;
    let Err(error @ OpenError::Unreachable { .. }) = refused else { panic!("nothing listens there") };
    let said = error.to_string();
    assert!(said.contains("postgres://orch@127.0.0.1:1/state") && !said.contains("secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_start_together_prepare_one_database() {
    let place = place::postgres().await;
    let starting: Vec<_> = (0..6)
        .map(|_| {
            let address = place.address.clone();
            tokio::spawn(async move { Postgres::open(&address, Options::default()).await.map(drop) })
        })
        .collect();
    for start in starting {
        start.await.unwrap().unwrap();
    }
}
