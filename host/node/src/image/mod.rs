//! The image a container needs: here already, or pulled by its policy.

pub mod credentials;

use std::time::Instant;

use orch_container::runtime::{Credentials, Image, RuntimeError};
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::events::About;
use crate::pod::env::{SourceKind, Sources};
use crate::pod::inbox::{FailureKind, StartFailure};
use crate::pod::record::Waiting;
use crate::pod::spec::{Container, Pod};

/// `imagePullPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Always,
    IfNotPresent,
    Never,
}

fn policy(container: &Container) -> Policy {
    match container.image_pull_policy.as_str() {
        "Always" => Policy::Always,
        "IfNotPresent" => Policy::IfNotPresent,
        "Never" => Policy::Never,
        _ if has_moving_tag(&container.image) => Policy::Always,
        _ => Policy::IfNotPresent,
    }
}

fn has_moving_tag(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// Makes the image present and tells the pod's watchers how.
pub async fn ensure(
    agent: &Agent,
    pod: &Pod,
    container: &Container,
    cancel: &CancellationToken,
) -> Result<Image, StartFailure> {
    let about = About::container(pod, &container.name);
    let name = &container.image;
    let present = agent.runtime.image(name).await.map_err(|error| refused(agent, &about, name, &error))?;
    match (policy(container), present) {
        (Policy::Never | Policy::IfNotPresent, Some(image)) => {
            let message = format!("Container image \"{name}\" already present on machine");
            agent.events.normal(&about, "Pulled", message);
            Ok(image)
        }
        (Policy::Never, None) => {
            let message = format!("Container image \"{name}\" is not present with pull policy of Never");
            agent.events.warning(&about, "ErrImageNeverPull", &message);
            Err(failure("ErrImageNeverPull", message))
        }
        (Policy::Always, _) | (Policy::IfNotPresent, None) => pull(agent, pod, &about, name, cancel).await,
    }
}

fn refused(agent: &Agent, about: &About, name: &str, error: &RuntimeError) -> StartFailure {
    match error {
        RuntimeError::InvalidImage { .. } => {
            let message = format!("Failed to apply default image tag \"{name}\": {error}");
            agent.events.warning(about, "InspectFailed", &message);
            failure("InvalidImageName", message)
        }
        error => {
            let message = format!("Failed to inspect image \"{name}\": {error}");
            agent.events.warning(about, "Failed", &message);
            failure("ImageInspectError", message)
        }
    }
}

async fn pull(
    agent: &Agent,
    pod: &Pod,
    about: &About,
    name: &str,
    cancel: &CancellationToken,
) -> Result<Image, StartFailure> {
    agent.events.normal(about, "Pulling", format!("Pulling image \"{name}\""));
    let waited = Instant::now();
    let work = async {
        let secrets = pull_secrets(agent, pod, about).await;
        let _turn = agent.pulls.acquire().await;
        let pulling = Instant::now();
        (pull_with_any(agent, name, &secrets).await, pulling.elapsed())
    };
    let (result, took) = tokio::select! {
        _ = cancel.cancelled() => return Err(cancelled()),
        outcome = work => outcome,
    };
    match result {
        Ok(image) => {
            let message = format!(
                "Successfully pulled image \"{name}\" in {took:.3?} ({:.3?} including waiting). Image size: {} bytes.",
                waited.elapsed(),
                image.size_bytes
            );
            agent.events.normal(about, "Pulled", message);
            Ok(image)
        }
        Err(error @ RuntimeError::InvalidImage { .. }) => Err(refused(agent, about, name, &error)),
        Err(error) => {
            agent.events.warning(about, "Failed", format!("Failed to pull image \"{name}\": {error}"));
            Err(failure("ErrImagePull", error.to_string()))
        }
    }
}

/// Tries every credential that fits the registry, then the node's own, as upstream does; the last error counts.
async fn pull_with_any(agent: &Agent, name: &str, secrets: &Sources) -> Result<Image, RuntimeError> {
    let mut candidates = credentials::matching(name, secrets.values());
    candidates.extend(credentials::of_node(name, &agent.config.registry_credentials));
    if candidates.is_empty() {
        candidates.push(Credentials::Anonymous);
    }
    let mut last = None;
    for candidate in candidates {
        match agent.runtime.pull(name, candidate).await {
            Ok(image) => return Ok(image),
            Err(error @ RuntimeError::InvalidImage { .. }) => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| RuntimeError::Other("no credentials to try".into())))
}

async fn pull_secrets(agent: &Agent, pod: &Pod, about: &About) -> Sources {
    let names: Vec<_> =
        pod.spec.image_pull_secrets.iter().map(|s| (SourceKind::Secret, s.name.clone())).collect();
    if names.is_empty() {
        return Sources::new();
    }
    let secrets = agent.references.fetch(&pod.metadata.namespace, names.clone()).await.unwrap_or_default();
    let missing: Vec<_> =
        names.iter().filter(|key| !secrets.contains_key(*key)).map(|(_, name)| name.as_str()).collect();
    if !missing.is_empty() {
        let message = format!(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
            missing.join(", ")
        );
        agent.events.warning(about, "FailedToRetrieveImagePullSecret", message);
    }
    secrets
}

fn failure(reason: &str, message: String) -> StartFailure {
    StartFailure { waiting: Waiting { reason: reason.into(), message }, kind: FailureKind::Pull }
}

pub fn cancelled() -> StartFailure {
    let waiting = Waiting { reason: "ContainerCreating".into(), message: String::new() };
    StartFailure { waiting, kind: FailureKind::Cancelled }
}

/// What `status.containerStatuses[].imageID` shows.
pub fn shown_id(image: &Image) -> String {
    image.digests.first().cloned().unwrap_or_else(|| image.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_decides_when_no_policy_is_set() {
        let policy_of = |image: &str, policy: &str| {
            super::policy(&Container {
                image: image.into(),
                image_pull_policy: policy.into(),
                ..Container::default()
            })
        };
        assert_eq!(policy_of("busybox", ""), Policy::Always);
        assert_eq!(policy_of("localhost:5000/a/b:latest", ""), Policy::Always);
        assert_eq!(policy_of("localhost:5000/a/b:1", ""), Policy::IfNotPresent);
        assert_eq!(policy_of("a@sha256:00", ""), Policy::IfNotPresent);
        assert_eq!(policy_of("a:latest", "Never"), Policy::Never);
    }
}
