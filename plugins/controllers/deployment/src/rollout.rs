//! How many replicas each set gets: pure arithmetic, as upstream's `rolling.go` and `sync.go`.

use orch_sdk::Value;
use orch_sdk::object::Object;

use crate::annotations::{self, DESIRED_REPLICAS, MAX_REPLICAS};
use crate::revision::Sets;
use crate::sets::{is_active, replicas, status, total, total_status};
use crate::strategy::{self, Fenceposts, fenceposts};

/// A set by name, and the size it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resize {
    pub name: String,
    pub to: i64,
}

fn resize(set: &Value, to: i64) -> Resize {
    Resize { name: set.name().into(), to }
}

/// The size of the new set in a rollout: as large as the surge allows.
pub fn new_set_size(deployment: &Value, current: i64, all: i64) -> i64 {
    let desired = strategy::replicas(deployment);
    if !strategy::is_rolling_update(deployment) {
        return desired;
    }
    let room = desired + fenceposts(deployment).max_surge - all;
    if room <= 0 { current } else { current + room.min(desired - current) }
}

/// The new set's next size in a rolling update, if it changes.
pub fn grow_new(deployment: &Value, sets: &Sets) -> Option<Resize> {
    let new = sets.new.as_ref()?;
    let (current, desired) = (replicas(new), strategy::replicas(deployment));
    let to = if current > desired { desired } else { new_set_size(deployment, current, total(sets.all())) };
    (to != current).then(|| resize(new, to))
}

/// What old sets lose in a rolling update: first what is not available anyway, then as much as
/// availability allows.
pub fn shrink_old(deployment: &Value, sets: &Sets) -> Vec<Resize> {
    let Fenceposts { max_unavailable, .. } = fenceposts(deployment);
    let min_available = strategy::replicas(deployment) - max_unavailable;
    let new_unavailable = sets.new.as_ref().map_or(0, |new| replicas(new) - status(new, "availableReplicas"));
    let may_go = total(sets.all()) - min_available - new_unavailable;
    if may_go <= 0 {
        return Vec::new();
    }
    let mut sizes: Vec<i64> = sets.old.iter().map(replicas).collect();
    let mut left = may_go;
    for (set, size) in sets.old.iter().zip(&mut sizes) {
        let unhealthy = (*size - status(set, "availableReplicas")).clamp(0, left);
        *size -= unhealthy;
        left -= unhealthy;
    }
    let mut left = (total_status(sets.all(), "availableReplicas") - min_available).max(0);
    for size in &mut sizes {
        let fewer = (*size).min(left);
        *size -= fewer;
        left -= fewer;
    }
    let pairs = sets.old.iter().zip(sizes);
    pairs.filter(|(set, size)| replicas(set) != *size).map(|(set, size)| resize(set, size)).collect()
}

/// Has the Deployment been scaled since its sets were sized?
pub fn was_scaled(deployment: &Value, sets: &Sets) -> bool {
    let desired = strategy::replicas(deployment);
    let sized_for = |set: &Value| annotations::number(set, DESIRED_REPLICAS);
    sets.all().filter(|set| is_active(set)).any(|set| sized_for(set).is_some_and(|number| number != desired))
}

/// The sizes after a scaling, or while paused: shares stay what they were. Every active set is named
/// in a proportional scaling, for its annotations change even where its size does not.
pub fn scale(deployment: &Value, sets: &Sets) -> Vec<Resize> {
    let desired = strategy::replicas(deployment);
    if let Some(only) = active_or_latest(sets) {
        return if replicas(only) == desired { Vec::new() } else { vec![resize(only, desired)] };
    }
    if is_saturated(deployment, sets) {
        return sets.old.iter().filter(|set| is_active(set)).map(|set| resize(set, 0)).collect();
    }
    if strategy::is_rolling_update(deployment) { in_proportion(deployment, sets) } else { Vec::new() }
}

/// The only active set, or with none the newest; `None` when several are active.
fn active_or_latest(sets: &Sets) -> Option<&Value> {
    let mut active = sets.all().filter(|set| is_active(set));
    match (active.next(), active.next()) {
        (None, _) => sets.new.as_ref().or(sets.old.last()),
        (Some(only), None) => Some(only),
        (Some(_), Some(_)) => None,
    }
}

fn is_saturated(deployment: &Value, sets: &Sets) -> bool {
    let desired = strategy::replicas(deployment);
    sets.new.as_ref().is_some_and(|new| {
        replicas(new) == desired
            && annotations::number(new, DESIRED_REPLICAS) == Some(desired)
            && status(new, "availableReplicas") == desired
    })
}

fn in_proportion(deployment: &Value, sets: &Sets) -> Vec<Resize> {
    let desired = strategy::replicas(deployment);
    let mut active: Vec<&Value> = sets.all().filter(|set| is_active(set)).collect();
    let allowed = if desired > 0 { desired + fenceposts(deployment).max_surge } else { 0 };
    let to_add = allowed - total(active.iter().copied());
    // Larger sets first; of equal ones the newer grows first, the older shrinks first.
    active.sort_by(|a, b| {
        let by_age = a.creation_timestamp().cmp(b.creation_timestamp()).then_with(|| a.name().cmp(b.name()));
        replicas(b).cmp(&replicas(a)).then(if to_add > 0 { by_age.reverse() } else { by_age })
    });
    let mut added = 0;
    let mut sizes: Vec<Resize> = Vec::new();
    for set in &active {
        let share = share(deployment, set, to_add, added);
        added += share;
        sizes.push(resize(set, replicas(set) + share));
    }
    if let Some(largest) = sizes.first_mut() {
        largest.to = (largest.to + to_add - added).max(0);
    }
    sizes
}

/// A set's part of what is to be added (or, negative, removed), within what is left of it.
fn share(deployment: &Value, set: &Value, to_add: i64, added: i64) -> i64 {
    let left = to_add - added;
    if replicas(set) == 0 || to_add == 0 || left == 0 {
        return 0;
    }
    let fraction = fraction(deployment, set);
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

fn fraction(deployment: &Value, set: &Value) -> i64 {
    let (size, desired) = (replicas(set), strategy::replicas(deployment));
    if desired == 0 {
        return -size;
    }
    let max = desired + fenceposts(deployment).max_surge;
    let sized_for = annotations::number(set, MAX_REPLICAS).filter(|number| *number != 0);
    let before = sized_for.unwrap_or_else(|| deployment.at(&["status", "replicas"]).as_i64().unwrap_or(0));
    if before == 0 {
        return 0;
    }
    ((size * max) as f64 / before as f64).round() as i64 - size
}

/// Old sets beyond `revisionHistoryLimit`, oldest first, that have nothing left to do.
pub fn to_clean_up(deployment: &Value, sets: &Sets) -> Vec<String> {
    let Some(limit) = deployment.at(&["spec", "revisionHistoryLimit"]).as_u64() else { return Vec::new() };
    let idle: Vec<&Value> = sets.old.iter().filter(|set| !set.is_being_deleted()).collect();
    let excess = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut by_revision = idle;
    by_revision.sort_by_key(|set| annotations::number(set, annotations::REVISION).unwrap_or(0));
    let done = |set: &&&Value| {
        status(set, "replicas") == 0
            && replicas(set) == 0
            && set.generation() <= status(set, "observedGeneration")
    };
    by_revision.iter().take(excess).filter(done).map(|set| set.name().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
        json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}})
    }
    /// `age`: larger is older.
    fn set(name: &str, age: u32, size: i64, available: i64) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": format!("2026-01-01T00:00:{:02}Z", 59 - age)},
            "spec": {"replicas": size}, "status": {"availableReplicas": available, "replicas": size}})
    }
    fn sized(mut set: Value, desired: i64, max: i64) -> Value {
        for (key, value) in annotations::for_size(desired, max) {
            set.set(&["metadata", "annotations", key], value);
        }
        set
    }
    fn sizes(resizes: Vec<Resize>) -> Vec<(String, i64)> {
        resizes.into_iter().map(|resize| (resize.name, resize.to)).collect()
    }
    fn pair(name: &str, to: i64) -> (String, i64) {
        (name.into(), to)
    }

    #[test]
    fn the_new_set_grows_into_the_surge() {
        // (replicas, surge, old, new) → the new one's size
        let cases = [
            (10, json!(2), 10, 0, 2),
            (10, json!(2), 5, 7, 7),
            (10, json!(2), 10, 2, 2),
            (10, json!(2), 0, 5, 10),
            (10, json!(2), 0, 15, 10),
            (10, json!("25%"), 8, 3, 5),
        ];
        for (replicas, surge, old, new, expected) in cases {
            let sets = Sets { new: Some(set("new", 0, new, 0)), old: vec![set("old", 1, old, old)] };
            let grown =
                grow_new(&deployment(replicas, surge, json!(0)), &sets).map_or(new, |resize| resize.to);
            assert_eq!(grown, expected, "old {old} new {new}");
        }
    }

    #[test]
    fn old_sets_shrink_as_availability_allows() {
        // (unavailable, old size, old ready, new size, new ready) → the old one's size
        let cases = [
            (json!(0), 10, 10, 0, 0, 10),
            (json!(2), 10, 10, 0, 0, 8),
            (json!(2), 10, 8, 0, 0, 8),
            (json!(2), 10, 4, 0, 0, 8),
            (json!(2), 10, 10, 2, 2, 6),
            (json!(2), 10, 0, 10, 10, 0),
            (json!(2), 8, 8, 2, 0, 8),
        ];
        for (unavailable, old, old_ready, new, new_ready, expected) in cases {
            let sets =
                Sets { new: Some(set("new", 0, new, new_ready)), old: vec![set("old", 1, old, old_ready)] };
            let shrunk = shrink_old(&deployment(10, json!(2), unavailable), &sets);
            let left = shrunk.first().map_or(old, |resize| resize.to);
            assert_eq!(left, expected, "old {old}/{old_ready} new {new}/{new_ready}");
        }
    }

    #[test]
    fn unhealthy_old_replicas_go_first_oldest_set_first() {
        let sets = Sets {
            new: Some(set("new", 0, 0, 0)),
            old: vec![set("oldest", 2, 3, 0), set("older", 1, 10, 8)],
        };
        let shrunk = shrink_old(&deployment(10, json!(2), json!(2)), &sets);
        assert_eq!(sizes(shrunk), [pair("oldest", 0), pair("older", 8)]);
    }

    #[test]
    fn a_single_active_set_takes_the_whole_scaling() {
        let sets = Sets { new: Some(set("new", 0, 10, 10)), old: vec![set("old", 1, 0, 0)] };
        assert_eq!(sizes(scale(&deployment(12, json!(0), json!(1)), &sets)), [pair("new", 12)]);
        let idle = Sets { new: None, old: vec![set("a", 2, 0, 0), set("b", 1, 0, 0)] };
        assert_eq!(sizes(scale(&deployment(3, json!(1), json!(0)), &idle)), [pair("b", 3)]);
    }

    #[test]
    fn several_active_sets_keep_their_shares() {
        let scaled = |replicas: i64, surge: i64, was: (i64, i64), new: Option<i64>, old: &[i64]| {
            let make =
                |name: String, age: usize, size: i64| sized(set(&name, age as u32, size, 0), was.0, was.1);
            let sets = Sets {
                new: new.map(|size| make("new".into(), 0, size)),
                old: old
                    .iter()
                    .enumerate()
                    .map(|(i, size)| make(format!("old{i}"), old.len() - i, *size))
                    .collect(),
            };
            let sizes = scale(&deployment(replicas, json!(surge), json!(1)), &sets);
            let size = |name: &str| sizes.iter().find(|resize| resize.name == name).map(|resize| resize.to);
            let olds = (0..old.len()).map(|i| size(&format!("old{i}")).unwrap_or(old[i])).collect::<Vec<_>>();
            (new.map(|current| size("new").unwrap_or(current)), olds)
        };
        // Upstream's table: scaled from 10 to 20 without surge, 5 + 5 become 10 + 10, and so on.
        assert_eq!(scaled(20, 0, (10, 10), Some(5), &[5]), (Some(10), vec![10]));
        assert_eq!(scaled(5, 0, (10, 10), Some(6), &[4]), (Some(3), vec![2]));
        assert_eq!(scaled(100, 0, (10, 10), Some(5), &[2, 3]), (Some(50), vec![20, 30]));
        assert_eq!(scaled(20, 0, (10, 10), Some(2), &[3, 5]), (Some(4), vec![6, 10]));
        assert_eq!(scaled(3, 0, (4, 4), None, &[2, 1, 1]), (None, vec![1, 1, 1]));
        assert_eq!(scaled(0, 0, (6, 6), Some(3), &[2, 1]), (Some(0), vec![0, 0]));
    }

    #[test]
    fn a_saturated_new_set_ends_the_old_ones() {
        let new = sized(set("new", 0, 2, 2), 2, 3);
        let sets = Sets { new: Some(new), old: vec![set("old", 1, 1, 1)] };
        assert_eq!(sizes(scale(&deployment(2, json!(1), json!(0)), &sets)), [pair("old", 0)]);
    }

    #[test]
    fn scaling_is_seen_by_the_annotation() {
        let sets = Sets { new: Some(sized(set("new", 0, 2, 2), 2, 3)), old: Vec::new() };
        assert!(!was_scaled(&deployment(2, json!(1), json!(0)), &sets));
        assert!(was_scaled(&deployment(5, json!(1), json!(0)), &sets));
    }

    #[test]
    fn idle_old_sets_beyond_the_limit_go_lowest_revision_first() {
        let old = |name: &str, revision: i64, size: i64| {
            let mut set = set(name, 1, size, size);
            set.set(&["metadata", "annotations", annotations::REVISION], revision.to_string());
            set
        };
        let sets =
            Sets { new: None, old: vec![old("c", 3, 0), old("a", 1, 0), old("b", 2, 1), old("d", 4, 0)] };
        let mut deployment = deployment(1, json!(1), json!(0));
        assert!(to_clean_up(&deployment, &sets).is_empty());
        deployment["spec"]["revisionHistoryLimit"] = json!(2);
        assert_eq!(to_clean_up(&deployment, &sets), ["a"], "b still has a replica");
        deployment["spec"]["revisionHistoryLimit"] = json!(0);
        assert_eq!(to_clean_up(&deployment, &sets), ["a", "c", "d"]);
    }
}
