//! What can be wrong with a data file.
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod shared;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use orch_store::{OpenError, Options, Sqlite, Store, StoreError};
use shared::write::{create, update, value};

async fn open(path: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(path, Options::default()).await
}

async fn refused(path: &Path) -> OpenError {
    match open(path).await {
        Ok(_) => panic!("{} must not open", path.display()),
        Err(error) => error,
    }
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

#[tokio::test]
async fn a_file_in_use_is_named() {
    let (_folder, path) = in_folder();
    let first = open(&path).await.unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()));
    // The first is none the worse for it.
    create(&first, "a", "x").await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    let (_folder, path) = in_folder();
    let nonsense = "this is no database, ".repeat(500);
    std::fs::write(&path, &nonsense).unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), nonsense);
}

#[tokio::test]
async fn a_file_damaged_in_the_middle_is_an_error_not_an_empty_cluster() {
    let (_folder, path) = in_folder();
    let store = open(&path).await.unwrap();
    for n in 0..200 {
        create(&store, &format!("k{n}"), &"x".repeat(2000)).await.unwrap();
    }
    store.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[8192 * 2..middle].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    match open(&path).await {
        Err(error) => assert!(matches!(error, OpenError::Corrupt { .. }), "{error}"),
        Ok(store) => {
            let error = store.snapshot().await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_refused() {
    use sqlx::{ConnectOptions, Connection};
    let (_folder, path) = in_folder();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut db = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE bookmarks (url TEXT)").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    use sqlx::{ConnectOptions, Connection};
    let (_folder, path) = in_folder();
    open(&path).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut db = options.connect().await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 7").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Newer { found: 7, .. }), "{error}");
}

#[tokio::test]
async fn the_folder_is_created_or_named() {
    let (folder, path) = in_folder();
    std::fs::write(&path, "").unwrap();
    let error = refused(&path.join("below/a/file.db")).await;
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    open(&folder.path().join("new/folder/state.db")).await.unwrap();
}

/// A file system of 4 MiB, gone with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "orch-store-test"]).arg(folder.path());
        mount.status().is_ok_and(|status| status.success()).then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED a_full_disk_is_an_error_until_there_is_room: mounting a tmpfs needs root");
        return;
    };
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let store = Arc::new(open(&disk.0.path().join("state.db")).await.unwrap());
    let text = "x".repeat(100_000);
    let mut last = create(&*store, "a", &text).await.unwrap();
    let error = loop {
        match update(&*store, "a", last.revision, &text).await {
            Ok(entry) => last = entry,
            Err(error) => break error,
        }
    };
    let StoreError::Unavailable { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("full"), "{error}");
    // What was acknowledged is there, and no more.
    assert_eq!(store.snapshot().await.unwrap(), (last.revision, vec![last.clone()]));
    std::fs::remove_file(ballast).unwrap();
    let next = update(&*store, "a", last.revision, "small again").await.unwrap();
    assert_eq!((next.revision, next.value), (last.revision + 1, value("small again", last.revision + 1)));
    store.close().await;
}

#[tokio::test]
async fn the_file_shrinks_after_its_contents() {
    let (_folder, path) = in_folder();
    let store = open(&path).await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    for n in 0..400 {
        create(&store, &format!("k{n}"), &"x".repeat(50_000)).await.unwrap();
    }
    for n in 0..400 {
        let key = format!("k{n}");
        shared::write::delete(&store, &key, n + 1, "gone").await.unwrap();
    }
    store.compact(800).await.unwrap();
    shared::suite::until(async || size() < 4 << 20).await;
    let wal = path.with_extension("db-wal");
    shared::suite::until(async || std::fs::metadata(&wal).map_or(0, |wal| wal.len()) <= 8 << 20).await;
    store.close().await;
    assert!(size() < 4 << 20 && !wal.exists());
}
