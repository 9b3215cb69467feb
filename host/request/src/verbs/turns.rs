//! Writes that count against limits of their namespace: one after the other, from the question whether
//! there is room to the commit that takes it.
//!
//! One process is meant: several API hosts on one store could each grant the last free place once.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use orch_admission::Review;
use orch_object::Status;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::api::{Api, Call};
use crate::key;

/// Whose turn it is, by namespace.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

/// Held until the write is committed, or has failed.
#[must_use]
pub struct Turn(#[allow(dead_code)] Option<OwnedMutexGuard<()>>); // held, never read

impl Turns {
    async fn take(&self, namespace: &str) -> Turn {
        let turn = {
            let mut turns = self.0.lock();
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(namespace).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    turns.insert(namespace.into(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        Turn(Some(turn.lock_owned().await))
    }
}

impl Api {
    /// Asks the checks that count, where there is something to count against.
    pub(crate) async fn account(
        &self,
        call: &Call,
        review: &Review<'_>,
        object: &Value,
    ) -> Result<Turn, Status> {
        if !self.is_governed(review) {
            return Ok(Turn(None));
        }
        let turn = self.turns.take(review.namespace).await;
        self.fresh().await?;
        call.warn(self.admission.account(review, object)?);
        Ok(turn)
    }

    fn is_governed(&self, review: &Review<'_>) -> bool {
        let kinds = self.kinds();
        let governs = |(api_version, kind): &(String, String)| {
            let kind = kinds.by_kind(api_version, kind);
            kind.is_some_and(|kind| self.cache.count(&key::kind_prefix(kind, Some(review.namespace))) > 0)
        };
        !review.namespace.is_empty() && self.admission.governors(review).iter().any(governs)
    }
}
