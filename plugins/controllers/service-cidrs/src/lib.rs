//! ServiceCIDRs are ready to give addresses, and stay while Services have addresses that no other range
//! holds (`pkg/controller/servicecidrs`).
//! <https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/>

mod network;

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, ObjectRef, Outcome, PatchType, Selection,
};
use orch_sdk::object::Object;
use orch_sdk::time::{parse_rfc3339, rfc3339};
use orch_sdk::{Value, finalizer, json};

use network::Network;

const RANGE: Kind = Kind::new("networking.k8s.io/v1", "ServiceCIDR");
const ADDRESS: Kind = Kind::new("networking.k8s.io/v1", "IPAddress");
const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
/// Those that stand for the addresses of Services.
const OF_SERVICES: &str = "ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io";
const BLOCKED: &str = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a \
    new ServiceCIDR";
/// Until every API server has heard that a range goes, one could still give addresses of it.
const GRACE_MS: u64 = 10_000;
/// Ranges are few and depend on each other: all are looked at together.
const ALL: &str = "ranges";

#[derive(Default)]
pub struct Ranges;

orch_sdk::export_controller!(Ranges);

impl Controller for Ranges {
    fn describe() -> Description {
        let fields = ["metadata.deletionTimestamp", "metadata.finalizers", "spec.cidrs", "status.conditions"];
        Description::new().watches_mapped(RANGE, &fields).watches_mapped(ADDRESS, &["metadata.labels"])
    }

    /// An address that is gone may have held a range; a new one only holds what is not going.
    fn keys(&mut self, watch: usize, change: Change, _: &Value, _: Option<&Value>) -> Vec<String> {
        if watch == 0 || change == Change::Deleted { vec![ALL.into()] } else { Vec::new() }
    }

    fn reconcile(&mut self, api: &dyn Api, _: &str) -> Result<Outcome, Error> {
        let ranges = api.list(RANGE, Selection::default())?;
        let mut outcome = Outcome::done();
        let mut failed = None;
        for range in &ranges {
            match settle(api, range, &ranges) {
                Ok(None) => {}
                Ok(wait) => outcome.requeue_after_ms = outcome.requeue_after_ms.into_iter().chain(wait).min(),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(outcome), Err)
    }
}

/// Brings one range nearer to ready, or to its end; the answer is how long to wait for that.
fn settle(api: &dyn Api, range: &Value, ranges: &[Value]) -> Result<Option<u64>, Error> {
    let at = RANGE.object("", range.name());
    let hold = |used: bool| finalizer::hold_while(api, at, range, FINALIZER, || Ok(used));
    if !range.is_being_deleted() {
        hold(true)?;
        tell(api, at, range, "True", "", "Kubernetes Service CIDR is ready")?;
        return Ok(None);
    }
    if is_needed(api, range, ranges)? {
        tell(api, at, range, "False", "Terminating", BLOCKED)?;
        return Ok(None);
    }
    let since = range.at(&["metadata", "deletionTimestamp"]).as_str().and_then(parse_rfc3339).unwrap_or(0);
    let left = (since + GRACE_MS).saturating_sub(api.now_ms());
    if left > 0 {
        return Ok(Some(left));
    }
    hold(false)?;
    Ok(None)
}

/// Whether a Service has an address that only this range holds.
fn is_needed(api: &dyn Api, range: &Value, ranges: &[Value]) -> Result<bool, Error> {
    let own = networks(range);
    let others: Vec<Network> =
        ranges.iter().filter(|other| other.name() != range.name()).flat_map(networks).collect();
    if own.iter().all(|network| others.iter().any(|other| other.holds_all_of(network))) {
        return Ok(false);
    }
    let addresses = api.list(ADDRESS, Selection::default().labels(OF_SERVICES))?;
    let mut addresses = addresses.iter().filter_map(|address| address.name().parse().ok());
    Ok(addresses.any(|address| {
        let held_by = |networks: &[Network]| networks.iter().any(|network| network.holds(address));
        held_by(&own) && !held_by(&others)
    }))
}

fn networks(range: &Value) -> Vec<Network> {
    let listed = range.items(&["spec", "cidrs"]).iter();
    listed.filter_map(|network| Network::parse(network.as_str()?)).collect()
}

/// Says how the range is, unless that is said already.
fn tell(
    api: &dyn Api,
    at: ObjectRef,
    range: &Value,
    status: &str,
    reason: &str,
    message: &str,
) -> Result<(), Error> {
    let told = range.items(&["status", "conditions"]).iter();
    if told.into_iter().any(|known| known["type"] == "Ready" && known["status"] == status) {
        return Ok(());
    }
    let mut condition = json!({ "type": "Ready", "status": status, "message": message,
        "lastTransitionTime": rfc3339(api.now_ms()) });
    if !reason.is_empty() {
        condition["reason"] = reason.into();
    }
    let body = json!({ "apiVersion": RANGE.api_version, "kind": RANGE.kind,
        "metadata": { "name": range.name() }, "status": { "conditions": [condition] } });
    match api.patch_subresource(at, "status", PatchType::Apply, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    const GOING: &str = "2026-11-20T00:00:00Z";

    fn range(name: &str, network: &str, going: bool) -> Value {
        let mut range = json!({ "apiVersion": RANGE.api_version, "kind": RANGE.kind,
            "metadata": { "name": name }, "spec": { "cidrs": [network] } });
        if going {
            range["metadata"]["deletionTimestamp"] = GOING.into();
            range["metadata"]["finalizers"] = json!([FINALIZER]);
        }
        range
    }

    fn address(name: &str, manager: &str) -> Value {
        json!({ "apiVersion": ADDRESS.api_version, "kind": ADDRESS.kind, "metadata": { "name": name,
            "labels": { "ipaddress.kubernetes.io/managed-by": manager } } })
    }

    fn ready(cluster: &Cluster, name: &str) -> Value {
        cluster.object(RANGE, "", name)["status"]["conditions"][0].clone()
    }

    #[test]
    fn a_new_range_is_held_and_ready() {
        let cluster = Cluster::with([range("r", "10.0.0.0/24", false)]);
        Ranges.reconcile(&cluster, ALL).unwrap();
        assert_eq!(cluster.object(RANGE, "", "r")["metadata"]["finalizers"], json!([FINALIZER]));
        assert_eq!(ready(&cluster, "r")["status"], "True");
        cluster.take_writes();
        Ranges.reconcile(&cluster, ALL).unwrap();
        assert!(cluster.take_writes().is_empty(), "what is right is left alone");
    }

    #[test]
    fn a_range_goes_when_no_service_needs_it() {
        let with = |addresses: &[Value], others: &[Value]| {
            let all = [range("r", "10.0.0.0/24", true)].into_iter();
            let cluster = Cluster::with(all.chain(addresses.to_vec()).chain(others.to_vec()));
            Ranges.reconcile(&cluster, ALL).unwrap();
            cluster
        };
        let gone = |cluster: &Cluster| cluster.objects(RANGE, "").iter().all(|range| range.name() != "r");
        let used = [address("10.0.0.7", "ipallocator.k8s.io")];
        let held = with(&used, &[range("o", "10.0.1.0/24", false)]);
        assert_eq!(
            (&ready(&held, "r")["status"], &ready(&held, "r")["reason"]),
            (&json!("False"), &json!("Terminating"))
        );
        assert!(!gone(&held));
        assert!(gone(&with(&[address("10.0.0.7", "another.example")], &[])));
        assert!(gone(&with(&[address("10.0.0.255", "ipallocator.k8s.io")], &[])), "never given by it");
        assert!(gone(&with(&used, &[range("o", "10.0.0.0/16", false)])), "held by a larger one");
        assert!(gone(&with(&used, &[range("o", "10.0.0.0/28", false)])), "held by another one");
    }

    #[test]
    fn addresses_could_be_given_a_little_longer() {
        let cluster = Cluster::new();
        let mut going = range("r", "10.0.0.0/24", true);
        going["metadata"]["deletionTimestamp"] = rfc3339(cluster.now_ms() - 4_000).into();
        cluster.put(going);
        assert_eq!(Ranges.reconcile(&cluster, ALL).unwrap(), Outcome::requeue_after_ms(6_000));
        cluster.advance_ms(6_000);
        assert_eq!(Ranges.reconcile(&cluster, ALL).unwrap(), Outcome::done());
        assert!(cluster.objects(RANGE, "").is_empty());
    }
}
