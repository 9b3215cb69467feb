//! One value of a range, held by one Service.

use std::net::Ipv4Addr;

use orch_object::Status;
use orch_store::{Change, Expect, StoreError, Write};
use serde_json::{Value, json};

use super::Allocator;
use super::range::{self, Range};
use crate::verbs::stamp;
use crate::{causes, key};

/// Whose an IPAddress is that stands for a Service's address.
pub const MANAGED_BY: (&str, &str) = ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");
pub const FAMILY: (&str, &str) = ("ipaddress.kubernetes.io/ip-family", "IPv4");

/// A value, in the words of its Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    Ip(Ipv4Addr),
    /// Port and protocol: TCP and UDP may share a number.
    Port(u16, String),
}

/// Why a value cannot be had.
#[derive(Debug)]
pub enum Refusal {
    Taken,
    /// Of no range, or of one that is not ready.
    OutOfRange,
    Exhausted,
    Store(Status),
}

impl Reservation {
    pub fn key(&self) -> String {
        match self {
            // Where upstream keeps them: networking.k8s.io/v1 IPAddress.
            Reservation::Ip(ip) => key::object("networking.k8s.io", "ipaddresses", "", &ip.to_string()),
            Reservation::Port(port, protocol) => {
                key::object("orch.dev", "nodeports", "", &format!("{port}-{}", protocol.to_lowercase()))
            }
        }
    }

    pub fn object(&self, service: &Value) -> Value {
        let metadata = &service["metadata"];
        let parent = json!({ "resource": "services",
            "namespace": metadata["namespace"], "name": metadata["name"] });
        let created = crate::verbs::time(jiff::Timestamp::now());
        let uid = uuid::Uuid::new_v4().to_string();
        match self {
            Reservation::Ip(ip) => json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
                "metadata": { "name": ip.to_string(), "uid": uid, "creationTimestamp": created,
                    "labels": { FAMILY.0: FAMILY.1, MANAGED_BY.0: MANAGED_BY.1 },
                    "managedFields": [owned(&created)] },
                "spec": { "parentRef": parent },
            }),
            Reservation::Port(port, protocol) => json!({
                "apiVersion": "orch.dev/v1", "kind": "NodePort",
                "metadata": { "name": port.to_string(), "uid": uid, "creationTimestamp": created },
                "spec": { "parentRef": parent, "protocol": protocol },
            }),
        }
    }
}

/// All of an IPAddress is the server's own.
fn owned(since: &str) -> Value {
    let label = |name: &str| format!("f:{name}");
    json!({
        "manager": "kube-apiserver", "operation": "Update", "apiVersion": "networking.k8s.io/v1",
        "time": since, "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": { "f:labels": { ".": {}, (label(FAMILY.0)): {}, (label(MANAGED_BY.0)): {} } },
            "f:spec": { "f:parentRef": { ".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {} } },
        },
    })
}

impl Allocator {
    /// Any free address.
    pub(super) async fn any_ip(&self, service: &Value, dry_run: bool) -> Result<Reservation, Refusal> {
        for range in self.ranges() {
            let reservation = |value| Reservation::Ip(Ipv4Addr::from(value));
            match self.any(range, service, reservation, dry_run).await {
                Err(Refusal::Exhausted) => {}
                found => return found,
            }
        }
        Err(Refusal::Exhausted)
    }

    /// Any free port.
    pub(super) async fn any_port(
        &self,
        service: &Value,
        protocol: &str,
        dry_run: bool,
    ) -> Result<Reservation, Refusal> {
        let port = |value| Reservation::Port(u16::try_from(value).unwrap_or_default(), protocol.into());
        self.any(self.ports, service, port, dry_run).await
    }

    /// This very value.
    pub(super) async fn exactly(
        &self,
        wanted: &Reservation,
        service: &Value,
        dry_run: bool,
    ) -> Result<(), Refusal> {
        let in_range = match wanted {
            Reservation::Ip(ip) => self.ranges().iter().any(|range| range.contains(u32::from(*ip))),
            Reservation::Port(port, _) => self.ports.contains(u32::from(*port)),
        };
        if !in_range {
            return Err(Refusal::OutOfRange);
        }
        self.reserve(wanted, service, dry_run).await
    }

    fn ranges(&self) -> Vec<Range> {
        range::ready(&self.cache).unwrap_or_else(|| vec![self.first.range()])
    }

    async fn reserve(&self, wanted: &Reservation, service: &Value, dry_run: bool) -> Result<(), Refusal> {
        if dry_run {
            let taken = self.cache.get(&wanted.key()).is_some();
            return if taken { Err(Refusal::Taken) } else { Ok(()) };
        }
        let change = Change::Put(stamp(&wanted.object(service)));
        let write = Write::new(wanted.key(), Expect::Absent, change);
        match self.cache.store().commit(write).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. }) => Err(Refusal::Taken),
            Err(error) => Err(Refusal::Store(causes::store(error))),
        }
    }

    async fn any(
        &self,
        range: Range,
        service: &Value,
        reservation: impl Fn(u32) -> Reservation,
        dry_run: bool,
    ) -> Result<Reservation, Refusal> {
        for value in range.candidates() {
            let wanted = reservation(value);
            if self.cache.get(&wanted.key()).is_some() {
                continue;
            }
            match self.reserve(&wanted, service, dry_run).await {
                Ok(()) => return Ok(wanted),
                Err(Refusal::Taken) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Refusal::Exhausted)
    }

    /// Gives a value back. What cannot be given back now is found by [`Allocator::repair`].
    pub(super) async fn release(&self, reservation: &Reservation) {
        let key = reservation.key();
        let Ok(Some(current)) = self.cache.get_fresh(&key).await else { return };
        let change = Change::Delete(stamp(&current.value()));
        let write = Write::new(key, Expect::Revision(current.revision), change);
        if let Err(error) = self.cache.store().commit(write).await {
            tracing::warn!(?reservation, %error, "a reservation is released later");
        }
    }
}
