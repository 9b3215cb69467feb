//! Query parameters of the streaming sub-resources: `PodExecOptions`, `PodAttachOptions`,
//! `PodPortForwardOptions`, `PodLogOptions`.

use jiff::Timestamp;
use orch_client::node::LogOptions;
use orch_object::Status;
use serde_json::json;

/// What `exec` and `attach` ask for. With `tty`, all output comes as stdout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// Empty: the pod's default.
    pub container: String,
    /// Empty for attach.
    pub command: Vec<String>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortForwardOptions {
    /// Only plain WebSocket clients say them here; SPDY names a port with each stream.
    pub ports: Vec<u16>,
}

/// The parameters, decoded, in order.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        Query(query.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }
    fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    fn text<'q>(&'q self, name: &'q str) -> &'q str {
        self.all(name).next().unwrap_or_default()
    }
    /// Upstream takes every value but `false` and `0` for true.
    fn flag(&self, name: &str) -> bool {
        self.all(name).next().is_some_and(|v| !v.eq_ignore_ascii_case("false") && v != "0")
    }
    fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.all(name).next().filter(|text| !text.is_empty()) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }
}

fn pair(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decoded(name), decoded(value))
}

/// Undoes `%41` and `+`; what is no escape stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| byte == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            u8::from_str_radix(hex, 16).ok()
        });
        match (byte, escaped) {
            (_, Some(plain)) => {
                bytes.push(plain);
                rest = &after[2..];
            }
            (b'+', None) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, None) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl ExecOptions {
    /// Of `exec`: a command is needed.
    pub fn exec(query: &str) -> Result<Self, Status> {
        let options = ExecOptions::attach(query)?;
        if options.command.is_empty() {
            return Err(Status::bad_request("you must specify at least one command for the container"));
        }
        Ok(options)
    }

    pub fn attach(query: &str) -> Result<Self, Status> {
        let query = Query::parse(query);
        let tty = query.flag("tty");
        let options = ExecOptions {
            container: query.text("container").to_owned(),
            command: query.all("command").map(str::to_owned).collect(),
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            // A terminal has one output.
            stderr: query.flag("stderr") && !tty,
            tty,
        };
        if !options.stdin && !options.stdout && !options.stderr {
            return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
        }
        Ok(options)
    }
}

impl PortForwardOptions {
    pub fn parse(query: &str) -> Result<Self, Status> {
        let query = Query::parse(query);
        let ports = query.all("ports").flat_map(|ports| ports.split(','));
        let port = |text: &str| match text.trim().parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            Ok(_) | Err(_) => {
                Err(Status::bad_request(format!("query parameter \"ports\" {text:?} is no port")))
            }
        };
        Ok(PortForwardOptions { ports: ports.map(port).collect::<Result<_, _>>()? })
    }
}

/// `pod`: its name, for messages. `now` resolves `sinceSeconds`.
pub fn log_options(query: &str, pod: &str, now: Timestamp) -> Result<LogOptions, Status> {
    let query = Query::parse(query);
    let tail = query.number("tailLines")?;
    let bytes = query.number("limitBytes")?;
    let seconds = query.number("sinceSeconds")?;
    let time = match query.text("sinceTime") {
        "" => None,
        text => Some(text.parse::<Timestamp>().map_err(|e| Status::bad_request(e.to_string()))?),
    };
    let mut errors = Vec::new();
    let mut bounded = |field: &str, value: Option<i64>, least: i64, rule: &str| {
        if let Some(value) = value.filter(|v| *v < least) {
            errors.push((field.to_owned(), format!("Invalid value: {value}: {rule}"), "FieldValueInvalid"));
        }
    };
    bounded("tailLines", tail, 0, "must be greater than or equal to 0");
    bounded("limitBytes", bytes, 1, "must be greater than 0");
    bounded("sinceSeconds", seconds, 1, "must be greater than 0");
    if seconds.is_some() && time.is_some() {
        let rule = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(("".to_owned(), rule.to_owned(), "FieldValueForbidden"));
    }
    if !errors.is_empty() {
        return Err(invalid_log_options(pod, &errors));
    }
    let since = seconds.map(|s| now.as_millisecond() - s.saturating_mul(1000));
    Ok(LogOptions {
        container: query.text("container").to_owned(),
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: tail.and_then(|n| usize::try_from(n).ok()),
        limit_bytes: bytes.and_then(|n| usize::try_from(n).ok()),
        since_ms: since.or(time.map(|t| t.as_millisecond())),
    })
}

fn invalid_log_options(pod: &str, errors: &[(String, String, &str)]) -> Status {
    let shown: Vec<String> = errors.iter().map(|(field, rule, _)| format!("{field}: {rule}")).collect();
    let list = if shown.len() == 1 { shown[0].clone() } else { format!("[{}]", shown.join(", ")) };
    let causes: Vec<_> = errors
        .iter()
        .map(|(field, rule, reason)| json!({ "reason": reason, "message": rule, "field": field }))
        .collect();
    let details = json!({ "name": pod, "kind": "PodLogOptions", "causes": causes });
    let message = format!("PodLogOptions {pod:?} is invalid: {list}");
    Status { details: Some(details), ..Status::new(422, "Invalid", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_parameters() {
        let options = ExecOptions::exec(
            "command=sh&command=-c&command=echo+a%20b&container=c&stdin=true&stdout=1&stderr=True",
        );
        let expected = ExecOptions {
            container: "c".into(),
            command: vec!["sh".into(), "-c".into(), "echo a b".into()],
            stdin: true,
            stdout: true,
            stderr: true,
            tty: false,
        };
        assert_eq!(options.unwrap(), expected);
        assert!(!ExecOptions::exec("command=sh&tty=true&stdout=true&stderr=true").unwrap().stderr);
        let refused = |query: &str| ExecOptions::exec(query).unwrap_err();
        assert_eq!(refused("command=x").message, "you must specify at least 1 of stdin, stdout, stderr");
        assert_eq!(refused("command=x&stdout=false&stdin=0").code, 400);
        assert_eq!(refused("stdout=true").message, "you must specify at least one command for the container");
    }

    #[test]
    fn log_parameters() {
        let now = Timestamp::from_second(100).unwrap();
        let options = log_options(
            "follow=true&tailLines=5&sinceSeconds=10&limitBytes=7&timestamps=true&previous=false",
            "web",
            now,
        );
        let expected = LogOptions {
            follow: true,
            timestamps: true,
            tail_lines: Some(5),
            limit_bytes: Some(7),
            since_ms: Some(90_000),
            ..LogOptions::default()
        };
        assert_eq!(options.unwrap(), expected);
        let options = log_options("sinceTime=1970-01-01T00:00:50Z&container=c", "web", now).unwrap();
        assert_eq!((options.since_ms, options.container.as_str()), (Some(50_000), "c"));
        let refused = |query: &str| log_options(query, "web", now).unwrap_err();
        assert_eq!(refused("tailLines=x").message, "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(
            refused("tailLines=-1").message,
            "PodLogOptions \"web\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"
        );
        assert_eq!(refused("sinceSeconds=0&limitBytes=0").code, 422);
        assert_eq!(refused("sinceSeconds=1&sinceTime=1970-01-01T00:00:50Z").code, 422);
    }

    #[test]
    fn port_parameters() {
        assert_eq!(PortForwardOptions::parse("ports=80,443&ports=8080").unwrap().ports, [80, 443, 8080]);
        assert!(PortForwardOptions::parse("").unwrap().ports.is_empty());
        assert_eq!(PortForwardOptions::parse("ports=0").unwrap_err().code, 400);
        assert_eq!(PortForwardOptions::parse("ports=web").unwrap_err().code, 400);
    }
}
