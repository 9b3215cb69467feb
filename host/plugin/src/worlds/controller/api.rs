//! The `api` import: every call goes to the [`ControllerApi`] the plugin was loaded with.

use super::Capabilities;
use crate::calls::controller::{ApiError, PatchType, ServedResource};
use crate::worlds::bindings::controller::orch::controller::api;
use crate::worlds::{HostState, waiting};

type Answer<T> = Result<T, api::ApiError>;

impl api::Host for HostState<Capabilities> {
    async fn resources(&mut self) -> Vec<api::Resource> {
        self.extra.api.resources().into_iter().map(api::Resource::from).collect()
    }

    async fn get(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        name: String,
        live: bool,
    ) -> Answer<Option<String>> {
        let call = self.extra.api.get(&api_version, &kind, &namespace, &name, live);
        Ok(waiting(&self.clock.meter, call).await?)
    }

    async fn list(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        labels: String,
        fields: String,
    ) -> Answer<Vec<String>> {
        let call = self.extra.api.list(&api_version, &kind, &namespace, &labels, &fields);
        Ok(waiting(&self.clock.meter, call).await?)
    }

    async fn dependents(&mut self, owner_uid: String) -> Answer<Vec<String>> {
        Ok(waiting(&self.clock.meter, self.extra.api.dependents(&owner_uid)).await?)
    }

    async fn create(&mut self, object: String) -> Answer<String> {
        Ok(waiting(&self.clock.meter, self.extra.api.create(&object)).await?)
    }

    async fn update(&mut self, object: String, subresource: String) -> Answer<String> {
        Ok(waiting(&self.clock.meter, self.extra.api.update(&object, &subresource)).await?)
    }

    async fn patch(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        name: String,
        subresource: String,
        patch_type: api::PatchType,
        body: String,
    ) -> Answer<String> {
        let patch_type = patch_type.into();
        let call =
            self.extra.api.patch(&api_version, &kind, &namespace, &name, &subresource, patch_type, &body);
        Ok(waiting(&self.clock.meter, call).await?)
    }

    async fn delete(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        name: String,
        options: String,
    ) -> Answer<()> {
        let call = self.extra.api.delete(&api_version, &kind, &namespace, &name, &options);
        Ok(waiting(&self.clock.meter, call).await?)
    }

    async fn delete_collection(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        options: String,
    ) -> Answer<()> {
        let call = self.extra.api.delete_collection(&api_version, &kind, &namespace, &options);
        Ok(waiting(&self.clock.meter, call).await?)
    }

    async fn event(&mut self, regarding: String, event_type: String, reason: String, message: String) {
        let call = self.extra.api.event(&regarding, &event_type, &reason, &message);
        waiting(&self.clock.meter, call).await;
    }

    async fn now(&mut self) -> u64 {
        self.extra.api.now_ms()
    }
}

impl From<ApiError> for api::ApiError {
    fn from(error: ApiError) -> Self {
        let ApiError { code, reason, message } = error;
        api::ApiError { code, reason, message }
    }
}

impl From<ServedResource> for api::Resource {
    fn from(resource: ServedResource) -> Self {
        let ServedResource { api_version, kind, plural, namespaced, verbs } = resource;
        api::Resource { api_version, kind, plural, namespaced, verbs }
    }
}

impl From<api::PatchType> for PatchType {
    fn from(patch_type: api::PatchType) -> Self {
        match patch_type {
            api::PatchType::Json => PatchType::Json,
            api::PatchType::Merge => PatchType::Merge,
            api::PatchType::Strategic => PatchType::Strategic,
            api::PatchType::Apply => PatchType::Apply,
        }
    }
}
