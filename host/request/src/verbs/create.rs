//! Create: a new object, named by the client or by the server.

use orch_admission::Options;
use orch_client::{Target, WriteOptions};
use orch_object::{Kind, Status};
use orch_plugin::calls::admission::Operation;
use orch_store::{Change, Expect, StoreError, Write};
use serde_json::Value;

use super::api::{Api, Call, Written, namespace};
use super::{decode, metadata};
use crate::authn::user_info;
use crate::{causes, key};

/// Tries for a generated name that nobody has yet.
const NAME_TRIES: usize = 8;

/// Kinds whose names are addresses: nothing random is put behind a base.
const NAMED_BY_ADDRESS: &[(&str, &str)] = &[("networking.k8s.io", "ipaddresses")];

/// Who fills in `metadata.managedFields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The create: all fields belong to the request's manager.
    Record,
    /// An apply did already.
    Applied,
}

impl Api {
    /// Creates an object. The target's name may be empty; the body then names it.
    pub async fn create(
        &self,
        call: &Call,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "create", target)?;
        self.create_authorized(call, &kind, target, object, options, Ownership::Record).await
    }

    /// For sub-resources and update-as-create, which have been authorized as what they are.
    pub(crate) async fn create_authorized(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        ownership: Ownership,
    ) -> Result<Written, Status> {
        if kind.custom.as_ref().is_some_and(|custom| custom.terminating) {
            return Err(causes::definition_terminating("create"));
        }
        decode::check(call, kind, &mut object, &options.field_validation)?;
        metadata::match_target(&mut object, kind, target)?;
        let Some(base) = generate_base(&object) else {
            let own = given_name(&object).is_empty() && kind.strategy.names_itself;
            let name = if own { uuid::Uuid::new_v4().to_string() } else { given_name(&object).to_owned() };
            return self.create_named(call, kind, target, name, object, options, ownership).await;
        };
        if NAMED_BY_ADDRESS.contains(&(kind.group.as_str(), kind.plural.as_str())) {
            return self.create_named(call, kind, target, base, object, options, ownership).await;
        }
        for attempt in 1.. {
            let (object, name) = (object.clone(), metadata::generated_name(&base));
            match self.create_named(call, kind, target, name, object, options, ownership).await {
                Err(status) if status.is_already_exists() && attempt < NAME_TRIES => {}
                answer => return answer,
            }
        }
        unreachable!("the loop ends at its last try")
    }

    /// `name`: the client's, or what it is called instead of none.
    #[allow(clippy::too_many_arguments)] // one create, in its parts
    async fn create_named(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        name: String,
        mut object: Value,
        options: &WriteOptions,
        ownership: Ownership,
    ) -> Result<Written, Status> {
        let target = Target { name: name.clone(), ..target.clone() };
        self.fresh().await?;
        if ownership == Ownership::Record {
            metadata::of(&mut object)?.remove("managedFields");
        }
        metadata::begin(&mut object, self.clock.now(), kind.has_generation)?;
        kind.default(&mut object);
        kind.fill(&mut object);
        // Nobody owns what admission and the server itself add.
        if ownership == Ownership::Record {
            self.record_managed_fields(call, kind, &mut object, None, &target.subresource, options);
        }
        if !name.is_empty() {
            metadata::of(&mut object)?.insert("name".into(), name.clone().into());
        }
        let review = self.review(call, kind, &target, Operation::Create, None, Options::Create(options));
        self.mutate(call, &review, &mut object).await?;
        metadata::match_named_target(&mut object, kind, &target)?;
        kind.prepare_create(&mut object);
        if let Some(record) = kind.strategy.record_requester {
            record(&mut object, &user_info(&call.identity));
        }
        kind.default(&mut object);
        kind.shape(&mut object);
        self.check_permissions(call, kind, &target, &object, None)?;
        let mut errors = kind.validate(&object, None);
        if errors.is_empty() {
            errors = metadata::validate(&object, kind);
        }
        if !errors.is_empty() {
            return Err(Status::invalid(kind, &name, &errors));
        }
        call.warn((kind.strategy.warn)(&object, None));
        self.admit(call, &review, &object).await?;
        let _turn = self.account(call, &review, &object).await?;
        let key = key::of(kind, namespace(&target), &name);
        if self.cache.get(&key).is_some() {
            // Said before its addresses are found to be taken, by itself.
            return Err(Status::already_exists(kind, &name));
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str().filter(|v| !v.is_empty()) {
            tracing::debug!(version, "resourceVersion set on create");
            return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let held = self.allocator.allocate(kind, &mut object, None, options.dry_run).await?;
        if options.dry_run {
            held.keep();
            return Ok(Written { created: true, ..Written::unstored(object) });
        }
        let write =
            Write::new(key, Expect::Absent, Change::Put(self.converter.stamped(kind, &object).await?));
        match self.commit(kind, write, object).await {
            Ok(written) => {
                held.keep();
                Ok(written)
            }
            Err(error) => {
                held.release(&self.allocator).await;
                Err(create_failed(error, kind, &name))
            }
        }
    }
}

fn given_name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn generate_base(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let named = metadata["name"].as_str().is_some_and(|n| !n.is_empty());
    metadata["generateName"].as_str().filter(|base| !named && !base.is_empty()).map(String::from)
}

fn create_failed(error: StoreError, kind: &Kind, name: &str) -> Status {
    match error {
        StoreError::Conflict { .. } => Status::already_exists(kind, name),
        other => causes::store(other),
    }
}
