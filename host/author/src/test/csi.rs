//! Cases of a storage driver: its calls over directories in memory, and what is in these afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use orch_plugin::calls::CallError;
use orch_plugin::calls::csi::{Answer, CsiPlugin, Lent, VolumeCapability};
use orch_plugin::worlds::CsiComponent;
use orch_sdk::csi::Directory;
use orch_sdk::csi::fake::Memory;
use serde_json::Value;

use super::TestError;
use super::outcome::Outcome;
use super::script::{Case, Contents, Expect};
use answer::shown;
use directory::Shared;

pub use question::Storage;

mod answer;
mod directory;
mod question;

/// The driver, and the directories by the names that the script gives them.
pub struct Driver {
    component: Arc<CsiComponent>,
    directories: BTreeMap<String, Memory>,
}

impl Driver {
    pub fn new(component: Arc<CsiComponent>) -> Self {
        Driver { component, directories: BTreeMap::new() }
    }

    /// Puts what is given where it is not, and leaves the rest.
    pub fn put(&mut self, directories: &BTreeMap<String, Contents>) -> Result<(), TestError> {
        for (name, contents) in directories {
            let directory = self.directory(name);
            for (path, file) in contents {
                let put = match file {
                    None => directory.make_directory(path),
                    Some(text) => {
                        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                        directory.make_directory(parent).and_then(|()| directory.write(path, text.as_bytes()))
                    }
                };
                put.map_err(|error| TestError::Object(format!("the directory {name}: {}", error.message)))?;
            }
        }
        Ok(())
    }

    pub async fn ask(&mut self, case: &Case) -> Result<Outcome, TestError> {
        let Some(question) = &case.storage else {
            return Err(TestError::Asks { case: case.name.clone(), what: "storage" });
        };
        let mut outcome = Outcome::default();
        let started = Instant::now();
        let answer = self.call(question).await;
        outcome.times.push((question.name(), started.elapsed()));
        if let Some(answer) = outcome.result(case.expect.error.as_deref(), said(answer))
            && let Some(expected) = &case.expect.answer
        {
            outcome.part("answer", expected, &answer);
        }
        self.look(&case.expect, &mut outcome)?;
        Ok(outcome)
    }

    fn look(&self, expect: &Expect, outcome: &mut Outcome) -> Result<(), TestError> {
        for (name, expected) in expect.directories.iter().flatten() {
            outcome.same(name, Some(expected), &contents(self.known(name)?));
        }
        for (name, expected) in expect.mounts.iter().flatten() {
            outcome.same(name, Some(expected), &self.mounted(self.known(name)?));
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Result<&Memory, TestError> {
        self.directories.get(name).ok_or_else(|| TestError::NotThere(format!("the directory {name}")))
    }

    /// `v/data read-only`
    fn mounted(&self, at: &Memory) -> Option<String> {
        let mount = at.mounted()?;
        let source = self.directories.iter().find(|(_, directory)| **directory == mount.source);
        let source = source.map_or("?", |(name, _)| name.as_str());
        let path = if mount.path.is_empty() { String::new() } else { format!("/{}", mount.path) };
        Some(format!("{source}{path}{}", if mount.read_only { " read-only" } else { "" }))
    }

    fn directory(&mut self, name: &str) -> Memory {
        self.directories.entry(name.into()).or_default().clone()
    }

    fn lent(&mut self, name: &str) -> Lent {
        Arc::new(Shared(self.directory(name)))
    }

    /// A volume's or snapshot's directory bears its id: for one that is made, its name until then.
    fn renamed<T>(&mut self, name: &str, made: &Answer<T>, id: impl FnOnce(&T) -> &str) {
        if let Ok(Ok(made)) = made {
            let directory = self.directory(name);
            self.directories.insert(id(made).into(), directory);
        }
    }

    async fn call(&mut self, question: &Storage) -> Answer<Value> {
        let driver = self.component.clone();
        match question {
            Storage::Probe => shown(driver.probe().await),
            Storage::CreateVolume(new) => {
                let source = new.source().map(|id| self.lent(id));
                let made = driver.create_volume(&new.request(), self.lent(&new.name), source).await;
                self.renamed(&new.name, &made, |volume| &volume.volume_id);
                shown(made)
            }
            Storage::DeleteVolume { volume_id, secrets } => {
                shown(driver.delete_volume(volume_id, &secrets.list(), self.lent(volume_id)).await)
            }
            Storage::ValidateCapabilities { volume_id, capabilities, volume_context } => {
                let capabilities: Vec<VolumeCapability> = capabilities.iter().map(Into::into).collect();
                shown(driver.validate_capabilities(volume_id, &capabilities, &volume_context.list()).await)
            }
            Storage::ControllerPublish(publication) => {
                shown(driver.controller_publish(&publication.request()).await)
            }
            Storage::ControllerUnpublish { volume_id, node_id, secrets } => {
                let secrets = secrets.list();
                shown(driver.controller_unpublish(volume_id, node_id.as_deref(), &secrets).await)
            }
            Storage::Capacity { parameters, accessible, pool } => {
                let accessible = accessible.as_ref().map(question::Attributes::list);
                shown(driver.capacity(&parameters.list(), accessible.as_ref(), self.lent(pool)).await)
            }
            Storage::ControllerExpand { volume_id, required_bytes, limit_bytes, secrets } => {
                let capacity = question::range(*required_bytes, *limit_bytes);
                let volume = self.lent(volume_id);
                shown(driver.controller_expand(volume_id, capacity, &secrets.list(), volume).await)
            }
            Storage::CreateSnapshot(new) => {
                let (volume, snapshot) = (self.lent(&new.source_volume_id), self.lent(&new.name));
                let made = driver.create_snapshot(&new.request(), volume, snapshot).await;
                self.renamed(&new.name, &made, |snapshot| &snapshot.snapshot_id);
                shown(made)
            }
            Storage::DeleteSnapshot { snapshot_id, secrets } => {
                shown(driver.delete_snapshot(snapshot_id, &secrets.list(), self.lent(snapshot_id)).await)
            }
            Storage::Info { node, labels } => shown(driver.info(node, &labels.list()).await),
            Storage::Stage { volume, staging } => {
                let (directory, staging) = (self.lent(&volume.volume_id), self.lent(staging));
                shown(driver.stage(&volume.request(), directory, staging).await)
            }
            Storage::Unstage { volume_id, staging } => {
                shown(driver.unstage(volume_id, self.lent(staging)).await)
            }
            Storage::Publish { volume, pod, read_only, staging, target } => {
                let (directory, target) = (self.lent(&volume.volume_id), self.lent(target));
                let staging = staging.as_ref().map(|name| self.lent(name));
                let (volume, pod) = (volume.request(), pod.into());
                shown(driver.publish(&volume, &pod, *read_only, directory, staging, target).await)
            }
            Storage::Unpublish { volume_id, target } => {
                shown(driver.unpublish(volume_id, self.lent(target)).await)
            }
            Storage::VolumeStats { volume_id, target } => {
                shown(driver.volume_stats(volume_id, self.lent(target)).await)
            }
            Storage::NodeExpand { volume_id, required_bytes, limit_bytes, target } => {
                let capacity = question::range(*required_bytes, *limit_bytes);
                shown(driver.node_expand(volume_id, capacity, self.lent(target)).await)
            }
        }
    }
}

/// What the driver says went wrong, with its code; or why there was no answer.
fn said(answer: Answer<Value>) -> Result<Value, String> {
    let failed = |error: CallError| error.to_string();
    answer.map_err(failed)?.map_err(|error| format!("{}: {}", error.code, error.message))
}

fn contents(directory: &Memory) -> Contents {
    let text = |file: Vec<u8>| String::from_utf8_lossy(&file).into_owned();
    directory.tree().into_iter().map(|(path, file)| (path, file.map(text))).collect()
}
