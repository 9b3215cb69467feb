use serde_json::Value;

use super::resources::{self, list, text};
use super::{JSON, Session, get};

/// The whole object as YAML without bookkeeping, then its events.
pub async fn describe(session: &Session, what: &[String]) -> anyhow::Result<()> {
    let served = resources::all(session).await?;
    for asked in resources::asked(&served, what)? {
        let path = asked.resource.path(Some(&session.namespace), asked.name.as_deref());
        let answer = session.request("GET", &path, JSON, Vec::new()).await?;
        let objects = match answer.get("items") {
            Some(items) => list(items).to_vec(),
            None => vec![answer],
        };
        for mut object in objects {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            print!("{}", get::yaml(&object)?);
            print_events(session, &object).await?;
        }
    }
    Ok(())
}

async fn print_events(session: &Session, object: &Value) -> anyhow::Result<()> {
    let uid = text(&object["metadata"]["uid"]);
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}");
    let events = session.request("GET", &path, JSON, Vec::new()).await?;
    let mut rows = vec![["Type", "Reason", "Count", "From", "Message"].map(String::from).to_vec()];
    for event in list(&events["items"]) {
        rows.push(vec![
            text(&event["type"]),
            text(&event["reason"]),
            event["count"].as_i64().unwrap_or(1).to_string(),
            text(&event["source"]["component"]),
            text(&event["message"]),
        ]);
    }
    if rows.len() == 1 {
        println!("events: none");
    } else {
        print!("events:\n{}", get::aligned(&rows));
    }
    Ok(())
}
