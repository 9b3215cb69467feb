//! The service proxy: informers in, nftables out.

mod plan;
mod rules;

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

/// Keeps the node's rules true to Services and EndpointSlices until stopped. The rules stay behind:
/// traffic goes on while the daemon is away.
pub async fn proxy(client: Arc<dyn Client>, ranges: Ranges, stop: CancellationToken) {
    let watch = |resource: Resource| {
        informer::start(client.clone(), Target::all(&resource), ListOptions::default(), stop.clone())
    };
    let (services, mut service_events) = watch(Resource::core("services"));
    let (slices, mut slice_events) = watch(Resource::new("discovery.k8s.io", "v1", "endpointslices"));
    // Before the first lists are in, the rules of the last run are the better truth.
    if synced(&mut service_events).await.is_none() || synced(&mut slice_events).await.is_none() {
        return;
    }
    let mut kernel = None;
    loop {
        match bring(&mut kernel, &ranges, &services, &slices).await {
            Ok(()) => {
                let changed = tokio::select! {
                    event = service_events.recv() => event.is_some(),
                    event = slice_events.recv() => event.is_some(),
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
) -> Result<(), crate::NetworkError> {
    let (services, slices) = (services.all(), slices.all());
    let plan = plan::plan(services.iter().map(|s| &**s), slices.iter().map(|s| &**s));
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
