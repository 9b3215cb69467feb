//! How many objects each family has, and when it last changed. A family is what shares the first two
//! segments of its keys: all objects of a resource.

use std::collections::HashMap;

use orch_store::Revision;

#[derive(Debug, Default)]
pub struct Families {
    by_prefix: HashMap<Box<str>, Family>,
    /// Everything was loaded at this revision: no earlier change is known.
    loaded: Revision,
}

#[derive(Debug, Default)]
struct Family {
    objects: usize,
    changed: Revision,
}

impl Families {
    pub fn new(loaded: Revision) -> Self {
        Families { by_prefix: HashMap::new(), loaded }
    }

    /// `objects`: how many more there are now.
    pub fn change(&mut self, key: &str, revision: Revision, objects: isize) {
        let Some(prefix) = of(key) else { return };
        if !self.by_prefix.contains_key(prefix) {
            self.by_prefix.insert(prefix.into(), Family::default());
        }
        let Some(family) = self.by_prefix.get_mut(prefix) else { return };
        family.objects = family.objects.saturating_add_signed(objects);
        family.changed = revision;
    }

    /// When an object of the prefix's family last changed; `None`: it is no family's or part of one.
    pub fn changed(&self, prefix: &str) -> Option<Revision> {
        let changed = self.by_prefix.get(of(prefix)?).map_or(0, |family| family.changed);
        Some(changed.max(self.loaded))
    }

    /// `None`: the prefix is not a whole family's.
    pub fn count(&self, prefix: &str) -> Option<usize> {
        (of(prefix)? == prefix).then(|| self.by_prefix.get(prefix).map_or(0, |family| family.objects))
    }
}

/// `core/pods/` of `core/pods/shop/web`.
fn of(key: &str) -> Option<&str> {
    let mut ends = key.match_indices('/').map(|(at, _)| at + 1);
    ends.nth(1).map(|end| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_counts_for_itself() {
        let mut families = Families::new(3);
        families.change("core/pods/shop/web", 4, 1);
        families.change("core/pods/shop/db", 5, 1);
        families.change("core/nodes/a", 6, 1);
        families.change("core/pods/shop/db", 7, -1);
        assert_eq!((families.count("core/pods/"), families.changed("core/pods/")), (Some(1), Some(7)));
        assert_eq!((families.count("core/nodes/"), families.changed("core/nodes/")), (Some(1), Some(6)));
        assert_eq!((families.count("core/secrets/"), families.changed("core/secrets/")), (Some(0), Some(3)));
        assert_eq!((families.count("core/pods/shop/"), families.changed("core/pods/shop/")), (None, Some(7)));
        assert_eq!((families.count(""), families.changed("core/")), (None, None));
    }
}
