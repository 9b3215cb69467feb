//! How a command's end is told to its client.

use bytes::Bytes;
use orch_client::node::ExitCode;
use orch_object::Status;
use serde_json::json;

/// What the error stream carries: from version 4 on a `Status`, before that a text, and only of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorFormat {
    Text,
    Status,
}

/// `None`: nothing to say.
pub(super) fn error_message(outcome: &Result<ExitCode, Status>, format: ErrorFormat) -> Option<Bytes> {
    match (outcome, format) {
        (Ok(ExitCode(0)), ErrorFormat::Text) => None,
        (Ok(ExitCode(0)), ErrorFormat::Status) => {
            Some(Bytes::from(json!({ "metadata": {}, "status": "Success" }).to_string()))
        }
        (Ok(code), ErrorFormat::Text) => Some(Bytes::from(exited(*code))),
        (Ok(code), ErrorFormat::Status) => Some(Bytes::from(
            json!({
                "metadata": {},
                "status": "Failure",
                "message": exited(*code),
                "reason": "NonZeroExitCode",
                "details": { "causes": [{ "reason": "ExitCode", "message": code.0.to_string() }] },
            })
            .to_string(),
        )),
        (Err(status), ErrorFormat::Text) => Some(Bytes::from(status.message.clone())),
        (Err(status), ErrorFormat::Status) => Some(Bytes::from(status.to_json().to_string())),
    }
}

fn exited(code: ExitCode) -> String {
    format!("command terminated with non-zero exit code: exit status {}", code.0)
}
