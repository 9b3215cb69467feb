//! The end of the chain: checks that count what a namespace holds.
//!
//! A check with an interest in every kind (`*`) is sent the objects of those namespaces that hold an
//! object of its other interests: a ResourceQuota and all that counts against it. It judges by what is
//! stored, so nothing is ever charged and nothing has to be given back: a write that fails was never
//! there, and what is deleted no longer counts. Whoever commits in such a namespace does so one after
//! the other, from the question to the commit.

use orch_object::Status;
use serde_json::Value;

use crate::chain::Chain;
use crate::review::Review;

/// The kind of an interest in all kinds.
pub(crate) const EVERY: &str = "*";

impl Chain {
    /// The kinds (`apiVersion`, `kind`) whose presence in a namespace makes [`Chain::account`] worth a
    /// question; none: nobody counts such requests.
    pub fn governors(&self, review: &Review<'_>) -> Vec<(String, String)> {
        let checks = self.accountants(review);
        let interests = checks.iter().flat_map(|check| &check.plugin.description().interests);
        let named = interests.filter(|interest| interest.kind != EVERY);
        named.map(|interest| (interest.api_version.clone(), interest.kind.clone())).collect()
    }

    /// Asks the checks that count the namespace's objects. Between this and the commit no other write
    /// of the namespace may be counted. Returns warnings.
    pub fn account(&self, review: &Review<'_>, object: &Value) -> Result<Vec<String>, Status> {
        let mut warnings = Vec::new();
        for check in self.accountants(review) {
            let answer = check.answer(review, object);
            warnings
                .extend(check.verdict(review, answer)?.into_iter().flat_map(|admitted| admitted.warnings));
        }
        Ok(warnings)
    }
}
