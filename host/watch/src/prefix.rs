//! Prefixes of whole path segments: see the crate's head.

use std::ops::Bound;

/// Whether the key is selected by the prefix.
pub fn selects(prefix: &str, key: &str) -> bool {
    if prefix.is_empty() || prefix.ends_with('/') { key.starts_with(prefix) } else { key == prefix }
}

/// Every prefix that selects the key, from the widest to the key itself.
pub fn of(key: &str) -> impl Iterator<Item = &str> {
    let inner = key.match_indices('/').map(|(at, _)| &key[..=at]).filter(|p| p.len() < key.len());
    std::iter::once("").chain(inner).chain(std::iter::once(key))
}

/// Where an ordered walk over the keys of the prefix begins, optionally after a key already seen.
pub fn first<'a>(prefix: &'a str, after: Option<&'a str>) -> Bound<&'a str> {
    match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_only() {
        assert!(selects("", "a/b/c"));
        assert!(selects("a/b/", "a/b/c"));
        assert!(!selects("a/b/", "a/bc/d"));
        assert!(selects("a/b/c", "a/b/c"));
        assert!(!selects("a/b/c", "a/b/cd"));
    }

    #[test]
    fn every_selecting_prefix_is_named_once() {
        let all: Vec<&str> = of("/pods/ns/web").collect();
        assert_eq!(all, ["", "/", "/pods/", "/pods/ns/", "/pods/ns/web"]);
        assert!(all.iter().all(|prefix| selects(prefix, "/pods/ns/web")));
    }
}
