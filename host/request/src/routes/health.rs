//! `/healthz`, `/livez`, `/readyz`, each a set of named checks; `/version`.

use std::sync::Arc;

use axum::response::Response;
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::options::Query;
use crate::encode::full;

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The named checks.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<Vec<(String, Check)>>>,
}

impl Health {
    /// Adds a check; its error is logged, and named in `?verbose`.
    pub fn add(&self, name: &str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.checks.write().push((name.into(), Arc::new(check)));
    }

    /// `None`: no health path.
    pub fn answer(&self, path: &str, query: &Query) -> Option<Response> {
        let (endpoint, only) = path.strip_prefix('/')?.split_once('/').unwrap_or((&path[1..], ""));
        if !["healthz", "livez", "readyz"].contains(&endpoint) {
            return None;
        }
        let checks = self.checks.read().clone();
        if !only.is_empty() && only != "ping" && !checks.iter().any(|(name, _)| name == only) {
            return Some(text(404, "404 page not found\n".into()));
        }
        let excluded = query.all("exclude");
        let mut report = String::from("[+]ping ok\n");
        let mut failed = false;
        for (name, check) in checks.iter().filter(|(name, _)| only.is_empty() || name == only) {
            if excluded.contains(name) {
                report.push_str(&format!("[+]{name} excluded: ok\n"));
            } else if let Err(error) = check() {
                tracing::warn!(check = %name, %error, "a health check fails");
                report.push_str(&format!("[-]{name} failed: reason withheld\n"));
                failed = true;
            } else {
                report.push_str(&format!("[+]{name} ok\n"));
            }
        }
        Some(match (failed, query.is_true("verbose")) {
            (true, _) => text(500, format!("{report}{endpoint} check failed\n")),
            (false, true) => text(200, format!("{report}{endpoint} check passed\n")),
            // One check alone is told plainly.
            (false, false) if !only.is_empty() => full(200, "text/plain; charset=utf-8", "ok"),
            (false, false) => text(200, "ok".into()),
        })
    }
}

/// Words for people.
pub fn text(code: u16, body: String) -> Response {
    let mut response = full(code, "text/plain; charset=utf-8", body);
    let nosniff = http::HeaderValue::from_static("nosniff");
    response.headers_mut().insert("x-content-type-options", nosniff);
    response
}

/// The Kubernetes version whose API this is, and orch's own behind the plus.
pub const GIT_VERSION: &str = concat!("v1.37.0+orch", env!("CARGO_PKG_VERSION"));

/// `/version`
pub fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
        "gitVersion": crate::GIT_VERSION,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(health: &Health, path: &str) -> Option<u16> {
        health.answer(path, &Query::default()).map(|r| r.status().as_u16())
    }

    #[test]
    fn checks_are_named_and_can_fail() {
        let health = Health::default();
        health.add("store", || Ok(()));
        assert_eq!(code(&health, "/readyz"), Some(200));
        assert_eq!(code(&health, "/livez/store"), Some(200));
        assert_eq!(code(&health, "/livez/other"), Some(404));
        assert_eq!(code(&health, "/health"), None);
        health.add("node", || Err("gone".into()));
        assert_eq!(code(&health, "/readyz"), Some(500));
        assert_eq!(code(&health, "/readyz/store"), Some(200));
    }
}
