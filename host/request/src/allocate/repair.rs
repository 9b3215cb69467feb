//! What a crash or a person has put out of step: Services without their reservations, reservations
//! without their Services (`pkg/registry/core/service/ipallocator/controller`).

use std::collections::HashSet;
use std::sync::Arc;

use orch_store::{Change, Expect, StoreError, Write};
use orch_watch::Object;
use serde_json::Value;

use super::reservation::{FAMILY, MANAGED_BY, Reservation};
use super::{Allocator, service};
use crate::key;
use crate::verbs::stamp;

/// Younger reservations may belong to a write that is under way on another host.
const SETTLED: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

impl Allocator {
    /// Releases what belongs to no Service, and reserves what a Service has without a reservation of
    /// its own. IPAddresses that somebody else manages are left alone, unless a Service has the address.
    pub async fn repair(&self, now: jiff::Timestamp) -> Result<(), StoreError> {
        self.cache.fresh().await?;
        let mut used = HashSet::new();
        for service in self.cache.list(&key::prefix("", "services", None)).items {
            let service = service.glance();
            for reservation in service::reservations(&service) {
                self.put_right(&reservation, &service).await?;
                used.insert(reservation.key());
            }
        }
        for prefix in [
            key::prefix("networking.k8s.io", "ipaddresses", None),
            key::prefix("orch.dev", "nodeports", None),
        ] {
            for held in self.cache.list(&prefix).items {
                let object = held.glance();
                if !used.contains(&*held.key) && is_lost(&object, now) {
                    self.remove(&held).await?;
                }
            }
        }
        Ok(())
    }

    /// The Service keeps what it has; where that is out of range, or another Service's too, it is said.
    async fn put_right(&self, reservation: &Reservation, service: &Value) -> Result<(), StoreError> {
        if let Some(held) = self.cache.get(&reservation.key()) {
            let object = held.glance();
            if is_for(&object, reservation, service) {
                return Ok(());
            }
            if self.has_service(&object, reservation) {
                let of = &service["metadata"];
                tracing::warn!(?reservation, namespace = %of["namespace"], name = %of["name"],
                    "assigned to several Services: make this one anew");
                return Ok(());
            }
            self.remove(&held).await?;
        }
        if let Err(why) = self.exactly(reservation, service, false).await {
            tracing::warn!(?reservation, ?why, "what a Service has cannot be reserved for it");
        }
        Ok(())
    }

    /// Whether the Service that a reservation names has the value.
    fn has_service(&self, object: &Value, reservation: &Reservation) -> bool {
        let parent = &object["spec"]["parentRef"];
        let text = |field: &str| parent[field].as_str().unwrap_or_default();
        is_of_a_service(parent)
            && self
                .cache
                .get(&key::object("", "services", text("namespace"), text("name")))
                .is_some_and(|service| service::reservations(&service.glance()).contains(reservation))
    }

    async fn remove(&self, held: &Arc<Object>) -> Result<(), StoreError> {
        let change = Change::Delete(stamp(&held.glance()));
        let expect = Expect::Revision(held.revision);
        match self.cache.store().commit(Write::new(&*held.key, expect, change)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_of_a_service(parent: &Value) -> bool {
    parent["group"].as_str().unwrap_or_default().is_empty() && parent["resource"] == "services"
}

fn is_managed(address: &Value) -> bool {
    address["metadata"]["labels"][MANAGED_BY.0] == MANAGED_BY.1
}

/// Whether a reservation is as it would be made for the Service.
fn is_for(object: &Value, reservation: &Reservation, service: &Value) -> bool {
    let (parent, metadata) = (&object["spec"]["parentRef"], &service["metadata"]);
    let labelled = match reservation {
        Reservation::Ip(_) => is_managed(object) && object["metadata"]["labels"][FAMILY.0] == FAMILY.1,
        Reservation::Port(..) => true,
    };
    labelled
        && is_of_a_service(parent)
        && parent["namespace"] == metadata["namespace"]
        && parent["name"] == metadata["name"]
}

/// A reservation that no Service uses, and that no write under way can be about to use.
fn is_lost(object: &Value, now: jiff::Timestamp) -> bool {
    let is_address = object["kind"] == "IPAddress";
    if is_address && !is_managed(object) {
        return false;
    }
    let created = object["metadata"]["creationTimestamp"].as_str().and_then(|t| t.parse().ok());
    let settled = created.is_none_or(|created: jiff::Timestamp| now.duration_since(created) > SETTLED);
    settled || !is_of_a_service(&object["spec"]["parentRef"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_servers_own_addresses_are_ever_lost() {
        let service = json!({ "metadata": { "namespace": "a", "name": "b" } });
        let reservation = Reservation::Ip("10.96.0.7".parse().unwrap());
        let mut address = reservation.object(&service);
        assert!(is_for(&address, &reservation, &service));
        let now = jiff::Timestamp::now();
        assert!(!is_lost(&address, now));
        assert!(is_lost(&address, now + jiff::SignedDuration::from_secs(90)));
        let mut astray = address.clone();
        astray["spec"]["parentRef"]["resource"] = "gateways".into();
        assert!(is_lost(&astray, now), "changed since");
        astray["metadata"]["labels"] = json!({ (MANAGED_BY.0): "another.example" });
        assert!(!is_lost(&astray, now + jiff::SignedDuration::from_hours(1)), "another's");
        address["metadata"]["labels"] = json!({});
        assert!(!is_for(&address, &reservation, &service), "to be made anew");
        let other = json!({ "metadata": { "namespace": "a", "name": "c" } });
        assert!(!is_for(&reservation.object(&service), &reservation, &other));
    }
}
