//! Query parameters.

use orch_client::{DeleteOptions, ListOptions, WriteOptions};
use orch_object::Status;
use serde_json::json;

use crate::verbs::delete_options;

/// A decoded query string.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// Empty when absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
    }

    /// `?watch`, `?watch=1`, `?watch=true`
    pub fn is_true(&self, name: &str) -> bool {
        self.has(name) && matches!(self.get(name), "" | "1" | "true" | "True" | "t")
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Status> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
        }
    }

    pub fn list(&self) -> Result<ListOptions, Status> {
        let text = |name: &str| Some(self.get(name).to_string()).filter(|value| !value.is_empty());
        let options = ListOptions {
            label_selector: self.get("labelSelector").into(),
            field_selector: self.get("fieldSelector").into(),
            limit: self.number("limit")?.unwrap_or(0),
            continue_token: text("continue"),
            resource_version: text("resourceVersion"),
            resource_version_match: text("resourceVersionMatch"),
            send_initial_events: self.is_true("sendInitialEvents"),
            allow_bookmarks: self.is_true("allowWatchBookmarks"),
            timeout_seconds: self.number("timeoutSeconds")?,
        };
        self.check_list(&options)?;
        Ok(options)
    }

    fn check_list(&self, options: &ListOptions) -> Result<(), Status> {
        let invalid = |what: &str| {
            Status::new(422, "Invalid", format!("ListOptions.meta.k8s.io \"\" is invalid: {what}"))
        };
        let matching = options.resource_version_match.as_deref();
        if let Some(other) = matching.filter(|m| !["Exact", "NotOlderThan"].contains(m)) {
            return Err(invalid(&format!(
                "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\", \"\""
            )));
        }
        let watch = self.is_true("watch");
        if !watch && self.has("sendInitialEvents") {
            return Err(invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"));
        }
        if watch && options.send_initial_events && matching != Some("NotOlderThan") {
            return Err(invalid(
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if watch && matching.is_some() && !self.has("sendInitialEvents") {
            return Err(invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        Ok(())
    }

    pub fn write(&self) -> Result<WriteOptions, Status> {
        let manager = self.get("fieldManager");
        if manager.len() > 128 {
            return Err(Status::new(
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes",
            ));
        }
        Ok(WriteOptions {
            field_manager: manager.into(),
            force: self.is_true("force"),
            dry_run: self.dry_run()?,
            field_validation: self.get("fieldValidation").into(),
        })
    }

    fn dry_run(&self) -> Result<bool, Status> {
        match self.all("dryRun").as_slice() {
            [] => Ok(false),
            values if values.iter().all(|value| value == "All") => Ok(true),
            values => Err(Status::new(
                422,
                "Invalid",
                format!(
                    "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: {:?}: supported values: \"All\"",
                    values.join(",")
                ),
            )),
        }
    }

    /// The body's `DeleteOptions` count before the query's.
    pub fn delete(&self, body: &serde_json::Value) -> Result<DeleteOptions, Status> {
        if body.is_object() {
            let mut options = delete_options(body)?;
            options.dry_run |= self.dry_run()?;
            return Ok(options);
        }
        let mut given = json!({});
        if let Some(seconds) = self.number::<i64>("gracePeriodSeconds")? {
            given["gracePeriodSeconds"] = seconds.into();
        }
        if self.has("propagationPolicy") {
            given["propagationPolicy"] = self.get("propagationPolicy").into();
        }
        if self.has("orphanDependents") {
            given["orphanDependents"] = self.is_true("orphanDependents").into();
        }
        Ok(DeleteOptions { dry_run: self.dry_run()?, ..delete_options(&given)? })
    }
}

/// Percent-decoding with `+` for a space.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    super::request_info::percent_decode(&text).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=app%3Dweb%2Ctier+in+(a)&watch&limit=5&dryRun=All");
        let list = query.list().unwrap();
        assert_eq!(list.label_selector, "app=web,tier in (a)");
        assert_eq!(list.limit, 5);
        assert!(query.is_true("watch"));
        assert!(query.write().unwrap().dry_run);
        assert_eq!(Query::parse("limit=x").list().unwrap_err().code, 400);
        assert_eq!(Query::parse("dryRun=Some").write().unwrap_err().code, 422);
    }
}
