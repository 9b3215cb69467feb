//! `/metrics`, as Prometheus reads it.

use serde_json::json;

use crate::fixture::{Api, answer, config_map};
use crate::security::{allow, until};

async fn text(api: &Api, accept: &str) -> (String, String) {
    let request = api.request(reqwest::Method::GET, "/metrics").header("accept", accept);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let media = response.headers()["content-type"].to_str().unwrap().to_string();
    (media, response.text().await.unwrap())
}

/// The sum of the samples of this name whose labels have all of these.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
    });
    let samples = of_name.filter(|line| labels.iter().all(|label| line.contains(label)));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn requests_are_counted_by_verb_resource_and_code() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let created = ["verb=\"POST\"", "resource=\"configmaps\"", "scope=\"resource\"", "code=\"201\""];
    let missed = ["verb=\"GET\"", "resource=\"configmaps\"", "code=\"404\""];
    let (media, before) = text(&api, "*/*").await;
    assert!(media.starts_with("text/plain; version=0.0.4"), "{media}");
    api.post(&path, &config_map("a")).await.expect(201);
    api.post(&format!("{path}?dryRun=All"), &config_map("b")).await.expect(201);
    api.get(&format!("{path}/none")).await.expect(404);
    let (_, after) = text(&api, "text/plain").await;
    let grown = |name: &str, labels: &[&str]| sum(&after, name, labels) - sum(&before, name, labels);
    assert!(after.contains("# TYPE apiserver_request_total counter\n"), "{after}");
    assert_eq!(grown("apiserver_request_total", &created), 2.0);
    assert_eq!(grown("apiserver_request_total", &[&created[..], &["dry_run=\"All\""]].concat()), 1.0);
    assert_eq!(grown("apiserver_request_total", &missed), 1.0);
    assert_eq!(grown("apiserver_request_duration_seconds_count", &created[..3]), 2.0);
    assert_eq!(
        grown("apiserver_request_duration_seconds_bucket", &[&created[..3], &["le=\"+Inf\""]].concat()),
        2.0
    );
    // This very request.
    assert_eq!(sum(&after, "apiserver_current_inflight_requests", &["request_kind=\"readOnly\""]), 1.0);
}

#[tokio::test]
async fn a_watch_is_counted_when_it_ends() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let labels = ["verb=\"WATCH\"", "resource=\"secrets\"", "scope=\"namespace\""];
    let path = format!("/api/v1/namespaces/{namespace}/secrets?watch=true");
    let watch = api.request(reqwest::Method::GET, &path).send().await.unwrap();
    let counts = async || {
        let (_, text) = text(&api, "*/*").await;
        let lasting = sum(&text, "apiserver_longrunning_requests", &labels);
        (lasting, sum(&text, "apiserver_request_total", &labels))
    };
    assert_eq!(counts().await, (1.0, 0.0));
    drop(watch);
    until(async || counts().await == (0.0, 1.0)).await;
}

#[tokio::test]
async fn fairness_tells_what_it_lets_in() {
    let api = Api::start().await;
    let (_, before) = text(&api, "*/*").await;
    api.get("/api/v1/namespaces").await.expect(200);
    let (_, after) = text(&api, "*/*").await;
    let exempt = ["priority_level=\"exempt\"", "flow_schema=\"exempt\""];
    let name = "apiserver_flowcontrol_dispatched_requests_total";
    // The namespaces and the first look at the metrics itself.
    assert!(sum(&after, name, &exempt) - sum(&before, name, &exempt) >= 2.0, "{after}");
    let seats = |bound: &str| {
        sum(&after, &format!("apiserver_flowcontrol_{bound}_limit_seats"), &["priority_level=\"system\""])
    };
    assert!(seats("nominal") > 0.0 && seats("lower") <= seats("nominal"), "{after}");
}

#[tokio::test]
async fn open_metrics_for_those_who_ask() {
    let api = Api::start().await;
    api.get("/version").await.expect(200);
    let (media, text) = text(&api, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert!(media.starts_with("application/openmetrics-text; version=1.0.0"), "{media}");
    assert!(text.contains("# TYPE apiserver_request counter\n") && text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn only_who_may_reads_them() {
    let api = Api::start().await;
    let refused = answer(api.anonymous("/metrics")).await;
    assert_eq!(refused.code, 403);
    assert_eq!(refused.message(), "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    let ask = || api.request(reqwest::Method::GET, "/metrics").header("impersonate-user", "prometheus");
    assert_eq!(ask().send().await.unwrap().status(), 403);
    allow(
        &api,
        "prometheus",
        "reads-metrics",
        json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }]),
    )
    .await;
    until(async || ask().send().await.unwrap().status() == 200).await;
}
