//! Where a store keeps its data for the length of a test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orch_store::{Options, Store, open};
use tempfile::TempDir;

use super::server::Server;

pub struct Place {
    pub address: String,
    /// Cleaned up with the place.
    _keeps: Keeps,
}

enum Keeps {
    Folder(TempDir),
    Server(Arc<Server>),
}

pub async fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("store/state.db").display().to_string();
    Place { address, _keeps: Keeps::Folder(folder) }
}

/// A new database on a server shared by the tests that run now.
pub async fn postgres() -> Place {
    let server = tokio::task::spawn_blocking(Server::shared).await.unwrap();
    let address = server.create_database();
    Place { address, _keeps: Keeps::Server(server) }
}

impl Place {
    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_with(unbounded()).await
    }

    pub async fn open_with(&self, options: Options) -> Arc<dyn Store> {
        match open(&self.address, Path::new("unused"), options).await {
            Ok(store) => store,
            Err(error) => panic!("{error}"),
        }
    }

    /// The data file, for SQLite.
    pub fn file(&self) -> Option<&Path> {
        matches!(self._keeps, Keeps::Folder(_)).then(|| Path::new(&self.address))
    }
}

/// Keeps all history.
pub fn unbounded() -> Options {
    Options {
        keep_age: Duration::from_secs(1 << 30),
        keep_revisions: u64::MAX,
        keep_bytes: u64::MAX,
        ..Options::default()
    }
}
