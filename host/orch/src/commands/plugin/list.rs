//! `ls` and `top`.

use std::cmp::Reverse;

use serde_json::Value;

use super::{PLUGINS, wait};
use crate::commands::get::aligned;
use crate::commands::resources::{list, text};
use crate::commands::{JSON, Session};

pub async fn ls(session: &Session) -> anyhow::Result<()> {
    let plugins = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    let mut rows =
        vec![["NAME", "WORLD", "READY", "CALLS", "TRAPS", "DIGEST", "MESSAGE"].map(String::from).to_vec()];
    for plugin in list(&plugins["items"]) {
        let status = &plugin["status"];
        let ready = wait::condition(plugin, "Ready");
        rows.push(vec![
            text(&plugin["metadata"]["name"]),
            text(&plugin["spec"]["world"]),
            ready.map(|c| text(&c["status"])).unwrap_or_else(|| "Unknown".into()),
            status["calls"].as_u64().unwrap_or(0).to_string(),
            status["traps"].as_u64().unwrap_or(0).to_string(),
            text(&status["digest"]).chars().take(19).collect(),
            wait::refusal(plugin).unwrap_or_default(),
        ]);
    }
    print!("{}", aligned(&rows));
    Ok(())
}

/// What the hosts wrote to status last, which they do once a minute.
pub async fn top(session: &Session) -> anyhow::Result<()> {
    let plugins = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    print!("{}", aligned(&table(list(&plugins["items"]))));
    Ok(())
}

fn table(plugins: &[Value]) -> Vec<Vec<String>> {
    let mut plugins: Vec<&Value> = plugins.iter().collect();
    plugins.sort_by_key(|plugin| Reverse(count(plugin, "calls")));
    let heading = ["NAME", "WORLD", "CALLS", "P50", "P99", "TRAPS", "DEADLINE-MISSES", "MEMORY"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for plugin in plugins {
        let memory = plugin["status"]["memoryBytes"].as_u64();
        rows.push(vec![
            text(&plugin["metadata"]["name"]),
            text(&plugin["spec"]["world"]),
            count(plugin, "calls").to_string(),
            time(&plugin["status"]["latency"]["p50Nanoseconds"]),
            time(&plugin["status"]["latency"]["p99Nanoseconds"]),
            count(plugin, "traps").to_string(),
            count(plugin, "deadlineMisses").to_string(),
            memory.map_or("-".into(), |bytes| format!("{}Ki", bytes >> 10)),
        ]);
    }
    rows
}

fn count(plugin: &Value, field: &str) -> u64 {
    plugin["status"][field].as_u64().unwrap_or(0)
}

fn time(nanoseconds: &Value) -> String {
    match nanoseconds.as_u64().unwrap_or(0) {
        0 => "-".into(),
        nanoseconds @ 1..1_000 => format!("{nanoseconds}ns"),
        nanoseconds @ 1_000..1_000_000 => format!("{}us", nanoseconds / 1_000),
        nanoseconds => format!("{:.1}ms", nanoseconds as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_busiest_come_first() {
        let plugin = |name: &str, calls: u64| {
            let latency = json!({ "p50Nanoseconds": 21_000, "p99Nanoseconds": 1_500_000 });
            let status = json!({ "calls": calls, "latency": latency, "memoryBytes": 2 << 20 });
            json!({ "metadata": { "name": name }, "spec": { "world": "orch:scheduler" }, "status": status })
        };
        let rows = table(&[plugin("idle", 0), plugin("busy", 7)]);
        assert_eq!(rows[1], ["busy", "orch:scheduler", "7", "21us", "1.5ms", "0", "0", "2048Ki"]);
        assert_eq!(rows[2][0], "idle");
    }
}
