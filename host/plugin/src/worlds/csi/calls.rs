//! Each call of `orch:csi`, over the one instance.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures::FutureExt;
use wasmtime::component::Resource;

use super::{CsiComponent, Directory, answers};
use crate::calls::csi::{
    Answer, Attributes, CapacityRange, CsiPlugin, Description, Expansion, Health, Lent, NewSnapshot,
    NewVolume, NodeInfo, Pod, Publication, Room, Snapshot, Topology, Volume, VolumeCapability, VolumeUse,
};

/// What the guest gets of a directory: it is the host's again after the call.
fn borrow(handle: &Resource<Directory>) -> Resource<Directory> {
    Resource::new_borrow(handle.rep())
}

fn anything<T>(_: &T) -> Result<(), String> {
    Ok(())
}

#[async_trait]
impl CsiPlugin for CsiComponent {
    fn name(&self) -> &str {
        &self.context.name
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn instance(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    async fn probe(&self) -> Answer<bool> {
        let call = self.call(
            "probe",
            vec![],
            |csi, store, _| csi.orch_csi_identity().call_probe(store).boxed(),
            anything,
        );
        call.await
    }

    async fn create_volume(&self, request: &NewVolume, volume: Lent, source: Option<Lent>) -> Answer<Volume> {
        let (asked, lent) = (request.clone(), [volume].into_iter().chain(source).collect());
        let call = self.call(
            "create-volume",
            lent,
            |csi, store, handles| {
                async move {
                    let (volume, source) = (borrow(&handles[0]), handles.get(1).map(borrow));
                    csi.orch_csi_controller().call_create_volume(store, &asked, volume, source).await
                }
                .boxed()
            },
            |volume| answers::check_volume(request, volume),
        );
        call.await
    }

    async fn delete_volume(&self, volume_id: &str, secrets: &Attributes, volume: Lent) -> Answer<()> {
        let (id, secrets) = (volume_id.to_string(), secrets.clone());
        let call = self.call(
            "delete-volume",
            vec![volume],
            |csi, store, handles| {
                async move {
                    let volume = borrow(&handles[0]);
                    csi.orch_csi_controller().call_delete_volume(store, &id, &secrets, volume).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn validate_capabilities(
        &self,
        volume_id: &str,
        capabilities: &[VolumeCapability],
        context: &Attributes,
    ) -> Answer<Option<String>> {
        let (id, capabilities, context) = (volume_id.to_string(), capabilities.to_vec(), context.clone());
        let call = self.call(
            "validate-capabilities",
            vec![],
            |csi, store, _| {
                async move {
                    let controller = csi.orch_csi_controller();
                    controller.call_validate_capabilities(store, &id, &capabilities, &context).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn controller_publish(&self, request: &Publication) -> Answer<Attributes> {
        let request = request.clone();
        let call = self.call(
            "controller-publish",
            vec![],
            |csi, store, _| {
                async move { csi.orch_csi_controller().call_controller_publish(store, &request).await }
                    .boxed()
            },
            answers::check_context,
        );
        call.await
    }

    async fn controller_unpublish(
        &self,
        volume_id: &str,
        node_id: Option<&str>,
        secrets: &Attributes,
    ) -> Answer<()> {
        let (id, node, secrets) = (volume_id.to_string(), node_id.map(String::from), secrets.clone());
        let call = self.call(
            "controller-unpublish",
            vec![],
            |csi, store, _| {
                async move {
                    let controller = csi.orch_csi_controller();
                    controller.call_controller_unpublish(store, &id, node.as_deref(), &secrets).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn capacity(
        &self,
        parameters: &Attributes,
        accessible: Option<&Topology>,
        pool: Lent,
    ) -> Answer<Room> {
        let (parameters, accessible) = (parameters.clone(), accessible.cloned());
        let call = self.call(
            "capacity",
            vec![pool],
            |csi, store, handles| {
                async move {
                    let pool = borrow(&handles[0]);
                    let controller = csi.orch_csi_controller();
                    controller.call_capacity(store, &parameters, accessible.as_ref(), pool).await
                }
                .boxed()
            },
            answers::check_room,
        );
        call.await
    }

    async fn controller_expand(
        &self,
        volume_id: &str,
        capacity: CapacityRange,
        secrets: &Attributes,
        volume: Lent,
    ) -> Answer<Expansion> {
        let (id, secrets) = (volume_id.to_string(), secrets.clone());
        let call = self.call(
            "controller-expand",
            vec![volume],
            |csi, store, handles| {
                async move {
                    let volume = borrow(&handles[0]);
                    let controller = csi.orch_csi_controller();
                    controller.call_controller_expand(store, &id, capacity, &secrets, volume).await
                }
                .boxed()
            },
            |expansion| answers::check_expansion(&capacity, expansion),
        );
        call.await
    }

    async fn create_snapshot(&self, request: &NewSnapshot, volume: Lent, snapshot: Lent) -> Answer<Snapshot> {
        let asked = request.clone();
        let call = self.call(
            "create-snapshot",
            vec![volume, snapshot],
            |csi, store, handles| {
                async move {
                    let (volume, snapshot) = (borrow(&handles[0]), borrow(&handles[1]));
                    csi.orch_csi_controller().call_create_snapshot(store, &asked, volume, snapshot).await
                }
                .boxed()
            },
            |snapshot| answers::check_snapshot(request, snapshot),
        );
        call.await
    }

    async fn delete_snapshot(&self, snapshot_id: &str, secrets: &Attributes, snapshot: Lent) -> Answer<()> {
        let (id, secrets) = (snapshot_id.to_string(), secrets.clone());
        let call = self.call(
            "delete-snapshot",
            vec![snapshot],
            |csi, store, handles| {
                async move {
                    let snapshot = borrow(&handles[0]);
                    csi.orch_csi_controller().call_delete_snapshot(store, &id, &secrets, snapshot).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn info(&self, node_name: &str, labels: &Attributes) -> Answer<NodeInfo> {
        let (name, labels) = (node_name.to_string(), labels.clone());
        let call = self.call(
            "info",
            vec![],
            |csi, store, _| async move { csi.orch_csi_node().call_info(store, &name, &labels).await }.boxed(),
            |info| answers::check_info(&self.description, info),
        );
        call.await
    }

    async fn stage(&self, request: &VolumeUse, volume: Lent, staging: Lent) -> Answer<()> {
        let request = request.clone();
        let call = self.call(
            "stage",
            vec![volume, staging],
            |csi, store, handles| {
                async move {
                    let (volume, staging) = (borrow(&handles[0]), borrow(&handles[1]));
                    csi.orch_csi_node().call_stage(store, &request, volume, staging).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn unstage(&self, volume_id: &str, staging: Lent) -> Answer<()> {
        let id = volume_id.to_string();
        let call = self.call(
            "unstage",
            vec![staging],
            |csi, store, handles| {
                async move { csi.orch_csi_node().call_unstage(store, &id, borrow(&handles[0])).await }.boxed()
            },
            anything,
        );
        call.await
    }

    async fn publish(
        &self,
        request: &VolumeUse,
        pod: &Pod,
        read_only: bool,
        volume: Lent,
        staging: Option<Lent>,
        target: Lent,
    ) -> Answer<()> {
        let (request, pod) = (request.clone(), pod.clone());
        let lent = [volume, target].into_iter().chain(staging).collect();
        let call = self.call(
            "publish",
            lent,
            |csi, store, handles| {
                async move {
                    let (volume, target) = (borrow(&handles[0]), borrow(&handles[1]));
                    let (node, staging) = (csi.orch_csi_node(), handles.get(2).map(borrow));
                    node.call_publish(store, &request, &pod, read_only, volume, staging, target).await
                }
                .boxed()
            },
            anything,
        );
        call.await
    }

    async fn unpublish(&self, volume_id: &str, target: Lent) -> Answer<()> {
        let id = volume_id.to_string();
        let call = self.call(
            "unpublish",
            vec![target],
            |csi, store, handles| {
                async move { csi.orch_csi_node().call_unpublish(store, &id, borrow(&handles[0])).await }
                    .boxed()
            },
            anything,
        );
        call.await
    }

    async fn volume_stats(&self, volume_id: &str, target: Lent) -> Answer<Health> {
        let id = volume_id.to_string();
        let call = self.call(
            "volume-stats",
            vec![target],
            |csi, store, handles| {
                async move { csi.orch_csi_node().call_volume_stats(store, &id, borrow(&handles[0])).await }
                    .boxed()
            },
            anything,
        );
        call.await
    }

    async fn node_expand(&self, volume_id: &str, capacity: CapacityRange, target: Lent) -> Answer<u64> {
        let id = volume_id.to_string();
        let call = self.call(
            "node-expand",
            vec![target],
            |csi, store, handles| {
                async move {
                    let target = borrow(&handles[0]);
                    csi.orch_csi_node().call_node_expand(store, &id, capacity, target).await
                }
                .boxed()
            },
            |bytes| answers::check_capacity(&capacity, *bytes),
        );
        call.await
    }
}
