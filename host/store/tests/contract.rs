//! What every backend promises, checked against each: see `shared/suite.rs`.
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod shared;

/// The whole suite against one kind of place.
macro_rules! contract {
    ($backend:ident: $($case:ident)*) => {
        mod $backend {
            use crate::shared::{place, suite};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    suite::$case(place::$backend().await).await;
                }
            )*
        }
    };
}

macro_rules! backends {
    ($($backend:ident)*) => {
        $(contract! { $backend:
            compare_and_swap
            a_deletion_carries_the_last_state
            history_has_no_gap_under_concurrent_writers
            one_conflict_spares_the_others_of_its_group
            racing_swaps_have_one_winner
            a_snapshot_and_its_history_make_the_present
            compaction_forgets_history_only
            compaction_in_several_calls_keeps_current_objects
            history_is_bounded_by_itself
            everything_survives_reopening
            acknowledged_writes_survive_kill_9
            a_closed_store_says_so
            large_values_and_odd_keys
        })*
    };
}

backends! { sqlite postgres }

/// Not a test of its own: the process that `acknowledged_writes_survive_kill_9` kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by acknowledged_writes_survive_kill_9"]
async fn victim() {
    if let Ok(address) = std::env::var(shared::suite::VICTIM) {
        shared::suite::write_and_acknowledge(&address).await;
    }
}
