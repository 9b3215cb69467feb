use std::path::PathBuf;

use super::apply::{namespace_of, read_files};
use super::resources::{self, text};
use super::{JSON, Session};

/// Deletes named objects, or those of files. Does not wait for graceful ends.
pub async fn delete(session: &Session, what: &[String], files: &[PathBuf]) -> anyhow::Result<()> {
    let served = resources::all(session).await?;
    let mut targets = Vec::new();
    for object in read_files(files)? {
        let resource = resources::of(&served, &object)?;
        let (namespace, name) = (namespace_of(session, &object), text(&object["metadata"]["name"]));
        targets.push((resource, namespace, name));
    }
    if !what.is_empty() {
        for asked in resources::asked(&served, what)? {
            let Some(name) = asked.name else {
                anyhow::bail!("name the {} to delete", asked.resource.plural);
            };
            targets.push((asked.resource, session.namespace.clone(), name));
        }
    }
    if targets.is_empty() {
        anyhow::bail!("nothing to delete: name objects (`pods web-0`) or files (`-f hello.yaml`)");
    }
    for (resource, namespace, name) in targets {
        session.request("DELETE", &resource.path(Some(&namespace), Some(&name)), JSON, Vec::new()).await?;
        println!("{} \"{name}\" deleted", resource.printed());
    }
    Ok(())
}
