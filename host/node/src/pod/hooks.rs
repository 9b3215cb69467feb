//! Lifecycle hooks.

use std::net::IpAddr;
use std::time::Duration;

use super::spec::{Container, Handler};
use crate::agent::Agent;
use crate::probe::{action, capture};

/// The running container a hook is for.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub agent: &'a Agent,
    pub container: &'a Container,
    pub id: &'a str,
    pub ips: &'a [IpAddr],
}

/// Runs to its end; the caller sets the time limit by dropping it.
pub async fn run(place: Place<'_>, handler: &Handler) -> Result<(), String> {
    if let Some(exec) = &handler.exec {
        let (code, output) = capture::exec(&*place.agent.runtime, place.id, exec.command.clone())
            .await
            .map_err(|e| e.to_string())?;
        return match code {
            0 => Ok(()),
            code => Err(format!("command '{}' exited with {code}: {output}", exec.command.join(" "))),
        };
    }
    if let Some(http) = &handler.http_get {
        let ip = place.ips.first().copied();
        return action::http(&place.agent.http, place.container, http, ip, None).await;
    }
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(Duration::from_secs(sleep.seconds)).await;
        return Ok(());
    }
    Err("the hook has no action that this node knows".into())
}
