//! Plays scripts at one side and keeps its answers.

use std::collections::BTreeMap;
use std::time::Duration;

use orch_sim::Access;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::script::{Body, Script, Step};

const PATIENCE: Duration = Duration::from_secs(20);
/// How often what is waited for is asked again, and after how long.
const ASKED_AGAIN: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Alike at both sides, so that managers' names are.
const USER_AGENT: &str = "differential";

/// What clients read of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// Those that clients read. Audit-Id and dates differ by nature.
const HEADERS: &[&str] = &[
    "allow",
    "cache-control",
    "content-encoding",
    "content-type",
    "etag",
    "location",
    "retry-after",
    "vary",
    "warning",
    "x-content-type-options",
];

pub struct Player {
    client: Client,
    server: String,
}

impl Player {
    pub fn new(access: &Access) -> Player {
        let mut builder = Client::builder()
            .no_proxy()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        if let Some(authority) = &access.certificate_authority {
            let roots = reqwest::Certificate::from_pem_bundle(authority).expect("the host's own certificate");
            builder = builder.tls_certs_only(roots);
        }
        if access.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(identity) = &access.identity {
            builder =
                builder.identity(reqwest::Identity::from_pem(identity).expect("the host's own identity"));
        }
        if let Some(token) = &access.token {
            let value = format!("Bearer {token}").parse().expect("a token of plain letters");
            builder =
                builder.default_headers([(reqwest::header::AUTHORIZATION, value)].into_iter().collect());
        }
        Player { client: builder.build().expect("a TLS client"), server: access.server.clone() }
    }

    /// The answer to each step.
    pub async fn play(&self, script: &Script) -> Vec<Result<Answer, String>> {
        let mut memory = Memory::default();
        let mut answers = Vec::with_capacity(script.steps.len());
        for step in &script.steps {
            let answer = self.ask_until(step, &memory).await;
            if let Ok(answer) = &answer
                && (!step.quiet || step.method == "GET")
            {
                memory.learn(answer, step.is_dry());
            }
            answers.push(answer);
        }
        answers
    }

    /// The last answer, where what is waited for never comes.
    async fn ask_until(&self, step: &Step, memory: &Memory) -> Result<Answer, String> {
        let mut answer = self.ask(step, memory).await;
        let Some(until) = &step.until else { return answer };
        for _ in 0..ASKED_AGAIN {
            if answer.as_ref().is_ok_and(|answer| until.holds(answer.code, &answer.body)) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            answer = self.ask(step, memory).await;
        }
        answer
    }

    async fn ask(&self, step: &Step, memory: &Memory) -> Result<Answer, String> {
        let method = Method::from_bytes(step.method.as_bytes()).map_err(|e| e.to_string())?;
        let url = format!("{}{}", self.server, memory.fill(&step.path));
        let mut request = self.client.request(method, url);
        for (name, value) in &step.headers {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        if let Some(body) = memory.body(&step.body) {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| format!("no answer: {error:?}"))?;
        let code = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.map_err(|error| format!("the answer broke off: {error}"))?;
        let kept = HEADERS.iter().filter(|name| headers.contains_key(**name)).map(|name| {
            let all = headers.get_all(*name).iter();
            let values: Vec<String> =
                all.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
            (name.to_string(), values.join(" | "))
        });
        let headers: BTreeMap<_, _> = kept.collect();
        let media = headers.get("content-type").cloned().unwrap_or_default();
        Ok(Answer { code, headers, body: read(&bytes, &media) })
    }
}

/// JSON, the lines of a watch, YAML, or text.
fn read(bytes: &[u8], media: &str) -> Value {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(value) = serde_json::from_str(&text) {
        return value;
    }
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    match lines {
        Ok(events) if !text.is_empty() => events.into(),
        _ if media.starts_with("application/yaml") => {
            serde_saphyr::from_str(&text).unwrap_or_else(|_| text.into_owned().into())
        }
        _ => text.into_owned().into(),
    }
}

/// What one side answered so far.
#[derive(Default)]
struct Memory {
    last: Value,
    words: BTreeMap<&'static str, String>,
}

impl Memory {
    /// What was not stored tells its list's token at most.
    fn learn(&mut self, answer: &Answer, dry: bool) {
        if answer.code >= 300 {
            return;
        }
        let metadata = &answer.body["metadata"];
        let word = |name: &str| metadata[name].as_str().filter(|v| !v.is_empty()).map(String::from);
        if let Some(token) = word("continue") {
            self.words.insert("$continue", token);
        }
        if dry {
            return;
        }
        if let (Some(uid), Some(version)) = (word("uid"), word("resourceVersion")) {
            self.words.insert("$uid", uid);
            self.words.entry("$first").or_insert_with(|| version.clone());
            self.words.insert("$resourceVersion", version);
            self.last = answer.body.clone();
        }
    }

    fn fill(&self, text: &str) -> String {
        self.words.iter().fold(text.to_string(), |text, (name, value)| text.replace(name, value))
    }

    fn body(&self, body: &Body) -> Option<String> {
        match body {
            Body::None => None,
            Body::Json(value) => Some(self.fill(&value.to_string())),
            Body::Text(text) => Some(self.fill(text)),
            Body::Last(edits) => {
                let mut object = self.last.clone();
                edits.iter().for_each(|edit| edit.apply(&mut object));
                Some(self.fill(&object.to_string()))
            }
        }
    }
}
