use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{OpenError, Postgres, Sqlite, Store};

/// How much history is kept: whatever bound is met first. Current objects always stay.
#[derive(Debug, Clone)]
pub struct Options {
    pub keep_age: Duration,
    pub keep_revisions: u64,
    /// Bytes of values in the log, as written by this host.
    pub keep_bytes: u64,
    /// How often the age is looked at; size is looked at with every commit.
    pub interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            keep_age: Duration::from_secs(300),
            keep_revisions: 20_000,
            keep_bytes: 32 << 20,
            interval: Duration::from_secs(10),
        }
    }
}

/// Opens `postgres://…`, `sqlite:PATH`, a path, or, for `sqlite`, the default data file.
pub async fn open(address: &str, default_file: &Path, options: Options) -> Result<Arc<dyn Store>, OpenError> {
    match Address::parse(address, default_file)? {
        Address::Postgres(url) => Ok(Arc::new(Postgres::open(url, options).await?)),
        Address::Sqlite(path) => Ok(Arc::new(Sqlite::open(path, options).await?)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Address<'a> {
    Postgres(&'a str),
    Sqlite(PathBuf),
}

impl<'a> Address<'a> {
    fn parse(given: &'a str, default_file: &Path) -> Result<Self, OpenError> {
        let refuse = |given: &str, reason: &str| {
            Err(OpenError::Address { given: given.into(), reason: reason.into() })
        };
        match given.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Address::Postgres(given)),
            Some(("sqlite", "" | "//")) => refuse(given, "the path is missing"),
            Some(("sqlite", path)) => Ok(Address::Sqlite(path.strip_prefix("//").unwrap_or(path).into())),
            // Not the whole of it: it may hold a password.
            Some((scheme, rest)) if rest.starts_with("//") => {
                refuse(&format!("{scheme}://…"), "this kind of database is not supported")
            }
            _ if given.is_empty() || given == "sqlite" => Ok(Address::Sqlite(default_file.into())),
            _ => Ok(Address::Sqlite(given.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |given| Address::parse(given, Path::new("/d/state.db"));
        let file = |path: &str| Address::Sqlite(path.into());
        assert_eq!(parse("sqlite").unwrap(), file("/d/state.db"));
        assert_eq!(parse("sqlite:///x/y.db").unwrap(), file("/x/y.db"));
        assert_eq!(parse("sqlite:y.db").unwrap(), file("y.db"));
        assert_eq!(parse("/x/y.db").unwrap(), file("/x/y.db"));
        assert_eq!(parse("postgres://h/d").unwrap(), Address::Postgres("postgres://h/d"));
        assert!(parse("sqlite:").is_err());
        let refused = parse("mysql://root:secret@h/d").unwrap_err().to_string();
        assert!(refused.contains("mysql") && !refused.contains("secret"), "{refused}");
    }
}
