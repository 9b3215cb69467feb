//! Reports what the objects of a namespace use of its ResourceQuotas: `status.hard` and `status.used`.
//!
//! Nothing is enforced here; the `resource-quota` check counts by itself.

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, PatchType, Resource, Selection, split_key,
};
use orch_sdk::object::Object;
use orch_sdk::quantity::Amount;
use orch_sdk::quota::{self, Amounts, Quota, Subject, add, amounts, count_names};
use orch_sdk::{Value, json};

const CLAIM: Kind = Kind::new("v1", "PersistentVolumeClaim");

#[derive(Default)]
pub struct ResourceQuotas;

orch_sdk::export_controller!(ResourceQuotas);

impl Controller for ResourceQuotas {
    /// Keys are namespaces: one object counts against each of its quotas.
    fn describe() -> Description {
        let of_pods =
            ["metadata.deletionTimestamp", "spec.activeDeadlineSeconds", "spec.containers", "status.phase"];
        let of_claims = ["spec", "status.allocatedResources", "status.currentVolumeAttributesClassName"];
        Description::new()
            .concurrency(2)
            .watches_mapped(Kind::RESOURCE_QUOTA, &["spec", "status"])
            .watches_mapped(Kind::POD, &of_pods)
            .watches_mapped(Kind::SERVICE, &["spec.type", "spec.ports", "spec.allocateLoadBalancerNodePorts"])
            .watches_mapped(CLAIM, &of_claims)
            // Identity only: nothing but coming and going is told.
            .watches_mapped(Kind::ANY, &["metadata.namespace"])
    }

    fn keys(&mut self, _: usize, _: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        let group = group(object.api_version());
        match object.namespace() {
            "" => Vec::new(),
            _ if quota::is_ignored(group, object.kind()) => Vec::new(),
            namespace => vec![namespace.into()],
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (_, namespace) = split_key(key);
        let quotas = api.list(Kind::RESOURCE_QUOTA, Selection::within(namespace))?;
        if quotas.is_empty() {
            return Ok(Outcome::done());
        }
        let measured = Measured::read(api, namespace)?;
        for quota in &quotas {
            report(api, quota, &measured)?;
        }
        let now = api.now_ms();
        Ok(match measured.next_given_up(now) {
            Some(at) => Outcome::requeue_after_ms(at - now + 1),
            None => Outcome::done(),
        })
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The objects of a namespace whose size counts.
struct Measured {
    subjects: Vec<Subject>,
    waits: Vec<u64>,
}

impl Measured {
    fn read(api: &dyn Api, namespace: &str) -> Result<Measured, Error> {
        let (mut subjects, mut waits) = (Vec::new(), Vec::new());
        let now = api.now_ms();
        for kind in [Kind::POD, Kind::SERVICE, CLAIM] {
            for object in api.list(kind, Selection::within(namespace))? {
                let mut subject = Subject::of("", kind.kind, &object);
                match subject.given_up_after {
                    Some(after) if after < now => subject.give_up(),
                    after => waits.extend(after),
                }
                subjects.push(subject);
            }
        }
        Ok(Measured { subjects, waits })
    }

    fn next_given_up(&self, now_ms: u64) -> Option<u64> {
        self.waits.iter().copied().min().map(|at| at.max(now_ms))
    }
}

fn report(api: &dyn Api, quota: &Value, measured: &Measured) -> Result<(), Error> {
    let limits = Quota::read(quota);
    let used = used(api, quota, &limits, measured)?;
    let before = quota.at(&["status"]);
    let same = |field: &str, now: &Amounts| !before[field].is_null() && amounts(&before[field]) == *now;
    if same("hard", &limits.hard) && same("used", &used) {
        return Ok(());
    }
    let status =
        json!({"hard": replaced(&before["hard"], &limits.hard), "used": replaced(&before["used"], &used)});
    let at = Kind::RESOURCE_QUOTA.object(quota.namespace(), quota.name());
    let body = json!({"metadata": {"uid": quota.uid()}, "status": status});
    match api.patch_subresource(at, "status", PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// As a merge patch: what is gone is null.
fn replaced(before: &Value, now: &Amounts) -> Value {
    let gone = before.as_object().into_iter().flatten().filter(|(name, _)| !now.contains_key(*name));
    let gone = gone.map(|(name, _)| (name.clone(), Value::Null));
    let kept = now.iter().map(|(name, amount)| (name.clone(), Value::from(*amount)));
    Value::Object(gone.chain(kept).collect())
}

/// Of everything that is limited and can be counted; what no kind is known for is left as it was.
fn used(api: &dyn Api, quota: &Value, limits: &Quota, measured: &Measured) -> Result<Amounts, Error> {
    let mut sum = Amounts::new();
    for subject in measured.subjects.iter().filter(|subject| limits.covers(subject)) {
        add(&mut sum, &subject.usage);
    }
    let resources = api.resources();
    let before = amounts(quota.at(&["status", "used"]));
    let mut used = Amounts::new();
    for name in limits.hard.keys() {
        let counted = match counted_by(&resources, name) {
            Some(resource) if limits.scopes.is_empty() => Some(count(api, resource, quota.namespace())?),
            Some(_) => Some(Amount::ZERO),
            None if is_measured(name) => Some(sum.get(name).copied().unwrap_or_default()),
            None => before.get(name).copied(),
        };
        used.extend(counted.map(|amount| (name.clone(), amount)));
    }
    Ok(used)
}

fn counted_by<'a>(resources: &'a [Resource], name: &str) -> Option<&'a Resource> {
    resources.iter().find(|resource| {
        let group = group(&resource.api_version);
        let listed = resource.namespaced && resource.can("list") && !Subject::measures(group, &resource.kind);
        listed && count_names(group, &resource.plural).iter().any(|known| known == name)
    })
}

fn count(api: &dyn Api, resource: &Resource, namespace: &str) -> Result<Amount, Error> {
    let objects = api.list(resource.as_kind(), Selection::within(namespace))?;
    Ok(Amount::units(objects.len() as i64))
}

/// Names that Pods, Services and PersistentVolumeClaims may use something of.
fn is_measured(name: &str) -> bool {
    let plain = ["cpu", "memory", "ephemeral-storage", "pods", "services", "persistentvolumeclaims"];
    let of_services = ["services.nodeports", "services.loadbalancers"];
    let counts = ["count/pods", "count/services", "count/persistentvolumeclaims"];
    let named = [&plain[..], &of_services, &counts].concat().contains(&name);
    let prefixed = ["requests.", "limits.", "hugepages-"].iter().any(|prefix| name.starts_with(prefix));
    named || prefixed || name.contains(".storageclass.storage.k8s.io/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    fn quota(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop", "uid": "u"},
            "spec": spec})
    }

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"containers": [{"resources": {"requests": {"cpu": "500m", "memory": "100Mi"}}}]}})
    }

    fn status(cluster: &Cluster) -> Value {
        ResourceQuotas.reconcile(cluster, "shop").unwrap();
        cluster.object(Kind::RESOURCE_QUOTA, "shop", "q")["status"].clone()
    }

    #[test]
    fn what_is_there_is_reported() {
        let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}});
        let hard = json!({"cpu": "2", "memory": "1Gi", "configmaps": 3, "count/pods": "5", "services": "1", "x": "1"});
        let cluster = Cluster::with([quota(json!({"hard": hard})), pod("a"), pod("b"), map("m")]);
        let expected = json!({
            "hard": {"cpu": "2", "memory": "1Gi", "configmaps": "3", "count/pods": "5", "services": "1", "x": "1"},
            "used": {"cpu": "1", "memory": "200Mi", "configmaps": "1", "count/pods": "2", "services": "0"},
        });
        assert_eq!(status(&cluster), expected);
        cluster.take_writes();
        assert_eq!(status(&cluster), expected);
        assert!(cluster.take_writes().is_empty(), "nothing changed, nothing written");
        let mut smaller = cluster.object(Kind::RESOURCE_QUOTA, "shop", "q");
        smaller["spec"]["hard"] = json!({"cpu": "3"});
        cluster.put(smaller);
        assert_eq!(status(&cluster), json!({"hard": {"cpu": "3"}, "used": {"cpu": "1"}}));
    }

    #[test]
    fn what_somebody_else_wrote_into_the_status_is_put_right() {
        let mut forged = quota(json!({"hard": {"pods": "1"}}));
        forged["status"] = json!({"hard": {"pods": "9"}, "used": {"pods": "7"}});
        let cluster = Cluster::with([forged]);
        assert_eq!(status(&cluster), json!({"hard": {"pods": "1"}, "used": {"pods": "0"}}));
    }

    #[test]
    fn a_pod_that_does_not_end_is_looked_at_again() {
        let cluster = Cluster::with([quota(json!({"hard": {"pods": "1"}}))]);
        let mut stuck = pod("a");
        stuck["metadata"]["deletionTimestamp"] = orch_sdk::time::rfc3339(cluster.now_ms()).into();
        stuck["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        cluster.put(stuck);
        let outcome = ResourceQuotas.reconcile(&cluster, "shop").unwrap();
        assert_eq!(outcome, Outcome::requeue_after_ms(30_001));
        assert_eq!(status(&cluster)["used"]["pods"], "1");
        cluster.advance_ms(30_001);
        assert_eq!(status(&cluster)["used"]["pods"], "0");
    }

    #[test]
    fn events_wake_nobody() {
        let event =
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "shop"}});
        assert!(ResourceQuotas.keys(4, Change::Added, &event, None).is_empty());
        assert_eq!(ResourceQuotas.keys(4, Change::Added, &pod("a"), None), ["shop"]);
    }
}
