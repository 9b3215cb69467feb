//! The service proxy: informers in, nftables out.

mod plan;
mod rules;
mod sticky;

use std::sync::Arc;
use std::time::Duration;

use orch_client::informer::{self, Event, Objects};
use orch_client::{Client, ListOptions, Resource, Target};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

pub use rules::Ranges;

use crate::nft;

/// Changes within this time become one transaction.
const GATHER: Duration = Duration::from_millis(5);
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the node's rules true to Services, EndpointSlices and the ports that its pods want of it,
/// until stopped. The rules stay behind: traffic goes on while the daemon is away.
pub async fn proxy(client: Arc<dyn Client>, node_name: String, ranges: Ranges, stop: CancellationToken) {
    let watch = |resource: Resource, field_selector: String| {
        let options = ListOptions { field_selector, ..ListOptions::default() };
        informer::start(client.clone(), Target::all(&resource), options, stop.clone())
    };
    let (services, mut service_events) = watch(Resource::core("services"), String::new());
    let slices = Resource::new("discovery.k8s.io", "v1", "endpointslices");
    let (slices, mut slice_events) = watch(slices, String::new());
    let (pods, mut pod_events) = watch(Resource::core("pods"), format!("spec.nodeName={node_name}"));
    // Before the first lists are in, the rules of the last run are the better truth.
    for events in [&mut service_events, &mut slice_events, &mut pod_events] {
        if synced(events).await.is_none() {
            return;
        }
    }
    let mut kernel = None;
    loop {
        match bring(&mut kernel, &ranges, &services, &slices, &pods).await {
            Ok(()) => {
                let changed = tokio::select! {
                    event = service_events.recv() => event.is_some(),
                    event = slice_events.recv() => event.is_some(),
                    some = host_ports_change(&mut pod_events) => some.is_some(),
                    _ = stop.cancelled() => false,
                };
                if !changed {
                    return;
                }
                tokio::time::sleep(GATHER).await;
            }
            Err(error) => {
                tracing::error!(%error, "the service rules were not taken; trying again with a fresh table");
                kernel = None;
                tokio::select! {
                    _ = tokio::time::sleep(RETRY) => {}
                    _ = stop.cancelled() => return,
                }
            }
        }
        while service_events.try_recv().is_ok() || slice_events.try_recv().is_ok() {}
    }
}

/// Returns when a pod came, changed or went that wants ports of the node.
async fn host_ports_change(events: &mut UnboundedReceiver<Event>) -> Option<()> {
    loop {
        match events.recv().await? {
            Event::Added(pod) | Event::Modified { now: pod, .. } | Event::Deleted(pod)
                if plan::wants_host_ports(&pod) =>
            {
                return Some(());
            }
            _ => {}
        }
    }
}

async fn synced(events: &mut UnboundedReceiver<Event>) -> Option<()> {
    while !matches!(events.recv().await?, Event::Synced) {}
    Some(())
}

/// Brings the kernel to what the API says now; `None` begins with a fresh table.
async fn bring(
    kernel: &mut Option<rules::Rules>,
    ranges: &Ranges,
    services: &Objects,
    slices: &Objects,
    pods: &Objects,
) -> Result<(), crate::NetworkError> {
    let (services, slices, pods) = (services.all(), slices.all(), pods.all());
    let plan = plan::plan(
        services.iter().map(|service| &**service),
        slices.iter().map(|slice| &**slice),
        pods.iter().map(|pod| &**pod),
    );
    let mut script = String::new();
    let (changes, next) = match kernel {
        Some(rules) => rules.toward(&plan),
        None => {
            script = rules::skeleton(ranges);
            rules::Rules::default().toward(&plan)
        }
    };
    script += &changes;
    if !script.is_empty() {
        nft::apply(&script).await?;
    }
    *kernel = Some(next);
    Ok(())
}
