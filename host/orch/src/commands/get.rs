use anyhow::bail;
use serde_json::Value;

use super::resources::{self, Asked, list, text};
use super::{JSON, Session};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub struct Options {
    pub output: Option<String>,
    pub all_namespaces: bool,
    pub selector: String,
}

pub async fn get(session: &Session, what: &[String], options: &Options) -> anyhow::Result<()> {
    let served = resources::all(session).await?;
    let asked = resources::asked(&served, what)?;
    let several = asked.len() > 1;
    for (index, one) in asked.iter().enumerate() {
        let path = path(session, one, options);
        match options.output.as_deref() {
            None | Some("wide") => {
                let table = session.request("GET", &path, TABLE, Vec::new()).await?;
                if index > 0 {
                    println!();
                }
                let prefix = if several { format!("{}/", one.resource.printed()) } else { String::new() };
                print_table(&table, options, &prefix, one.resource.namespaced);
            }
            Some("json") => {
                println!(
                    "{}",
                    serde_json::to_string_pretty(&session.request("GET", &path, JSON, Vec::new()).await?)?
                )
            }
            Some("yaml") => print!("{}", yaml(&session.request("GET", &path, JSON, Vec::new()).await?)?),
            Some("name") => print_names(&session.request("GET", &path, JSON, Vec::new()).await?, one),
            Some(other) => bail!("--output {other}: only wide, yaml, json and name are known"),
        }
    }
    Ok(())
}

pub fn yaml(value: &Value) -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(value)?)
}

fn path(session: &Session, asked: &Asked, options: &Options) -> String {
    let namespace = (!options.all_namespaces || asked.name.is_some()).then_some(session.namespace.as_str());
    let mut path = asked.resource.path(namespace, asked.name.as_deref());
    if !options.selector.is_empty() {
        let encoded: String = options.selector.bytes().map(percent).collect();
        path += &format!("?labelSelector={encoded}");
    }
    path
}

fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => (byte as char).to_string(),
        other => format!("%{other:02X}"),
    }
}

fn print_names(answer: &Value, asked: &Asked) {
    let items = match answer.get("items") {
        Some(items) => list(items),
        None => std::slice::from_ref(answer),
    };
    for item in items {
        println!("{}/{}", asked.resource.printed(), text(&item["metadata"]["name"]));
    }
}

fn print_table(table: &Value, options: &Options, prefix: &str, namespaced: bool) {
    let wide = options.output.as_deref() == Some("wide");
    let shown: Vec<usize> = list(&table["columnDefinitions"])
        .iter()
        .enumerate()
        .filter(|(_, c)| wide || c["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(i, _)| i)
        .collect();
    let with_namespace = options.all_namespaces && namespaced;
    let mut rows = Vec::new();
    let mut head: Vec<String> =
        shown.iter().map(|&i| text(&table["columnDefinitions"][i]["name"]).to_uppercase()).collect();
    if with_namespace {
        head.insert(0, "NAMESPACE".into());
    }
    rows.push(head);
    for row in list(&table["rows"]) {
        let mut cells: Vec<String> = shown.iter().map(|&i| cell(&row["cells"][i])).collect();
        if let Some(first) = cells.first_mut() {
            *first = format!("{prefix}{first}");
        }
        if with_namespace {
            cells.insert(0, text(&row["object"]["metadata"]["namespace"]));
        }
        rows.push(cells);
    }
    if rows.len() == 1 {
        println!("No resources found");
        return;
    }
    print!("{}", aligned(&rows));
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "<none>".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Columns three spaces apart, as kubectl prints them.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(s, w)| format!("{s:<w$}")).collect();
        out += line.join("   ").trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows = [vec!["NAME".to_string(), "READY".into()], vec!["a-long-name".into(), "1/1".into()]];
        assert_eq!(super::aligned(&rows), "NAME          READY\na-long-name   1/1\n");
    }
}
