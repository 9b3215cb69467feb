//! Query parameters.

use orch_client::{DeleteOptions, ListOptions, WriteOptions};
use orch_object::{FieldError, Status};
use serde_json::json;

use crate::verbs::delete_options;

/// Bytes of a manager's name.
const MANAGER_LENGTH: usize = 128;

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
            // As upstream: what is no page is no limit.
            limit: self.number::<i64>("limit")?.map_or(0, |limit| limit.max(0) as usize),
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
        let invalid = |error: FieldError| Status::invalid_options("ListOptions", &[error]);
        let forbidden = |field: &str, why: &str| invalid(FieldError::forbidden(field, why));
        let matching = options.resource_version_match.as_deref();
        if let Some(other) = matching.filter(|m| !["Exact", "NotOlderThan"].contains(m)) {
            let mut error = FieldError::not_supported("resourceVersionMatch", other, &[]);
            error.detail = "supported values: \"Exact\", \"NotOlderThan\", \"\"".into();
            return Err(invalid(error));
        }
        let watch = self.is_true("watch");
        if !watch && self.has("sendInitialEvents") {
            return Err(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        if watch && options.send_initial_events && matching != Some("NotOlderThan") {
            return Err(forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if watch && matching.is_some() && !self.has("sendInitialEvents") {
            return Err(forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        Ok(())
    }

    /// `options` is what upstream calls them: `CreateOptions`, `UpdateOptions`, `PatchOptions`.
    pub fn write(&self, options: &str) -> Result<WriteOptions, Status> {
        let manager = self.get("fieldManager");
        let mut errors: Vec<FieldError> = check_manager(manager).into_iter().collect();
        errors.extend(self.check_dry_run());
        let validation = self.get("fieldValidation");
        let validations = ["", "Ignore", "Strict", "Warn"];
        if !validations.contains(&validation) {
            errors.push(FieldError::not_supported("fieldValidation", validation, &validations));
        }
        if !errors.is_empty() {
            return Err(Status::invalid_options(options, &errors));
        }
        Ok(WriteOptions {
            field_manager: manager.into(),
            force: self.is_true("force"),
            dry_run: self.has("dryRun"),
            field_validation: validation.into(),
        })
    }

    fn check_dry_run(&self) -> Option<FieldError> {
        let values = self.all("dryRun");
        let unknown = values.iter().any(|value| value != "All");
        unknown.then(|| FieldError::not_supported("dryRun", values, &["All"]))
    }

    /// The body's `DeleteOptions` stand for all of the query's, as upstream has it.
    pub fn delete(&self, body: &serde_json::Value) -> Result<DeleteOptions, Status> {
        if body.is_object() {
            return delete_options(body);
        }
        if let Some(error) = self.check_dry_run() {
            return Err(Status::invalid_options("DeleteOptions", &[error]));
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
        Ok(DeleteOptions { dry_run: self.has("dryRun"), ..delete_options(&given)? })
    }
}

/// Names of managers are short and can be printed.
fn check_manager(name: &str) -> Option<FieldError> {
    if name.len() > MANAGER_LENGTH {
        return Some(FieldError::too_long("fieldManager", MANAGER_LENGTH));
    }
    let (position, wrong) = name.chars().enumerate().find(|(_, c)| c.is_control())?;
    let why = format!("invalid character U+{:04X} (at position {position})", wrong as u32);
    Some(FieldError::invalid("fieldManager", name, why))
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
        assert!(query.write("CreateOptions").unwrap().dry_run);
        assert_eq!(Query::parse("limit=x").list().unwrap_err().code, 400);
        let wrong = Query::parse("dryRun=Some&fieldManager=a%07").write("PatchOptions").unwrap_err();
        assert!(
            wrong
                .message
                .starts_with("PatchOptions.meta.k8s.io \"\" is invalid: [fieldManager: Invalid value")
        );
        assert!(wrong.message.contains("dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""));
        assert_eq!(Query::parse("limit=-1").list().unwrap().limit, 0);
    }
}
