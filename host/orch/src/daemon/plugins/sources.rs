//! The component that a `spec.source` names: found, checked against the policies and kept on disk.
//!
//! What this host has on disk is used where nothing else can be meant: a digest, and at the start of
//! the host whatever it ran before, so that a restart neither needs the registry nor changes what runs.
//! A tag is asked for anew when the source changes.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use orch_client::informer::Objects;
use orch_client::{Client, Resource, Status, Target};
use orch_container::RegistryConfig;
use orch_container::runtime::Credentials;
use orch_plugin::lifecycle::{FetchError, Fetched, SourceSpec};
use orch_plugin::{Shelf, Source, World};
use orch_source::oci::{Place, Pulled, Registries};
use orch_source::policy::{self, Demand, Evidence, Subject};
use orch_source::records::{Record, Records};
use orch_source::{LARGEST, SourceError, upload};
use parking_lot::Mutex;
use serde_json::Value;

/// Where pull secrets are: a Plugin has no namespace of its own.
const SECRETS_NAMESPACE: &str = "kube-system";
const ARTIFACTS: Resource = Resource::new(upload::GROUP, upload::VERSION, upload::ARTIFACTS);
const CHUNKS: Resource = Resource::new(upload::GROUP, upload::VERSION, upload::CHUNKS);

pub struct Sources {
    client: Arc<dyn Client>,
    registries: Registries,
    shelf: Shelf,
    records: Records,
    policies: Objects,
    /// Fetched beforehand, by the plugin's name.
    fetched: Mutex<HashMap<String, Ready>>,
}

/// What came of a source.
type Ready = (SourceSpec, Result<Fetched, FetchError>);

/// A plugin whose component is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: String,
    pub world: World,
    pub source: SourceSpec,
}

impl Sources {
    /// `cache`: `<data-dir>/cache`. `policies`: the PluginPolicies, kept current.
    pub fn open(
        client: Arc<dyn Client>,
        config: RegistryConfig,
        cache: &Path,
        policies: Objects,
    ) -> io::Result<Self> {
        Ok(Sources {
            client,
            registries: Registries { config },
            shelf: Shelf::open(&cache.join("components"))?,
            records: Records::open(&cache.join("references"))?,
            policies,
            fetched: Mutex::default(),
        })
    }

    /// Whether getting it may take long.
    pub fn is_remote(source: &SourceSpec) -> bool {
        source.oci.is_some() || source.digest.is_some()
    }

    /// Leaves a result for the next [`Sources::take`] of the same source.
    pub fn put(&self, wanted: &Wanted, result: Result<Fetched, FetchError>) {
        self.fetched.lock().insert(wanted.name.clone(), (wanted.source.clone(), result));
    }

    /// What was left and not taken: nothing had to be loaded after all.
    pub fn forget(&self, name: &str) {
        self.fetched.lock().remove(name);
    }

    /// What was fetched beforehand, else what can be had now.
    pub async fn take(&self, wanted: &Wanted) -> Result<Fetched, FetchError> {
        let ready = self.fetched.lock().remove(&wanted.name);
        match ready {
            Some((source, result)) if source == wanted.source => result,
            Some(_) | None => self.fetch(wanted).await,
        }
    }

    /// What this host ran from this source before it was stopped.
    pub async fn kept(&self, wanted: &Wanted) -> Option<Fetched> {
        let Wanted { source, .. } = wanted;
        match (&source.oci, &source.digest) {
            (Some(reference), _) => {
                let place = Place::parse(reference).ok()?;
                let demands = self.demands(&subject_of(wanted, Some(&place))).ok()?;
                self.recorded(wanted, &place, &demands)
            }
            (None, Some(digest)) => self.shelf.get(digest).and_then(|wasm| self.by_digest(wanted, wasm).ok()),
            (None, None) => None,
        }
    }

    pub async fn fetch(&self, wanted: &Wanted) -> Result<Fetched, FetchError> {
        let source = &wanted.source;
        if let Some(name) = &source.builtin {
            let subject = subject_of(wanted, None);
            let demands = self.demands(&subject)?;
            policy::check(&demands, &subject, &Evidence::Builtin).map_err(refused)?;
            return Ok(Fetched { source: Source::Builtin(name.clone()), pinned: source.clone() });
        }
        if let Some(path) = &source.file {
            return self.file(wanted, path).await;
        }
        if let Some(reference) = &source.oci {
            return self.artifact(wanted, reference).await;
        }
        let digest = source.digest.as_deref().unwrap_or_default();
        let wasm = match self.shelf.get(digest) {
            Some(wasm) => wasm,
            None => self.uploaded(digest).await?,
        };
        self.by_digest(wanted, wasm)
    }

    async fn file(&self, wanted: &Wanted, path: &Path) -> Result<Fetched, FetchError> {
        let read = tokio::fs::read(path).await;
        let wasm = read.map_err(|error| FetchError {
            reason: "NotFound",
            message: format!("cannot read the component {}: {error}", path.display()),
        })?;
        if wasm.len() > LARGEST {
            return Err(refused(SourceError::TooLarge { what: path.display().to_string(), limit: LARGEST }));
        }
        let digest = self.checked(wanted, &wasm)?;
        let signature = wanted.source.signature.clone();
        let pinned = SourceSpec { digest: Some(digest), signature, ..SourceSpec::default() };
        Ok(Fetched { source: Source::Bytes(wasm), pinned })
    }

    fn by_digest(&self, wanted: &Wanted, wasm: Vec<u8>) -> Result<Fetched, FetchError> {
        self.checked(wanted, &wasm)?;
        Ok(Fetched { source: Source::Bytes(wasm), pinned: wanted.source.clone() })
    }

    /// Policies are met; the bytes are kept, for a restart and for a rollback.
    fn checked(&self, wanted: &Wanted, wasm: &[u8]) -> Result<String, FetchError> {
        let subject = subject_of(wanted, None);
        let demands = self.demands(&subject)?;
        let evidence = Evidence::Bytes { wasm, signature: wanted.source.signature.as_deref() };
        policy::check(&demands, &subject, &evidence).map_err(refused)?;
        Ok(self.keep(wasm))
    }

    fn keep(&self, wasm: &[u8]) -> String {
        self.shelf.put(wasm).unwrap_or_else(|error| {
            tracing::warn!(%error, "a component cannot be kept: a restart will need its source again");
            orch_source::digest_of(wasm)
        })
    }

    async fn artifact(&self, wanted: &Wanted, reference: &str) -> Result<Fetched, FetchError> {
        let place = Place::parse(reference).map_err(refused)?;
        let subject = subject_of(wanted, Some(&place));
        let demands = self.demands(&subject)?;
        if place.pin().is_some()
            && let Some(kept) = self.recorded(wanted, &place, &demands)
        {
            return Ok(kept);
        }
        let credentials = self.credentials(wanted, &place).await?;
        let must_be_signed = !demands.is_empty();
        let pulled = self.registries.pull(&place, &credentials, must_be_signed).await.map_err(refused)?;
        let evidence = Evidence::Manifest { digest: &pulled.manifest, signed: &pulled.signatures };
        policy::check(&demands, &subject, &evidence).map_err(refused)?;
        self.record(&place, &pulled);
        let pinned = pin(wanted, &place, &pulled.manifest);
        Ok(Fetched { source: Source::Bytes(pulled.wasm), pinned })
    }

    /// What the reference stood for when it was last pulled, if that still meets the policies.
    fn recorded(&self, wanted: &Wanted, place: &Place, demands: &[Demand]) -> Option<Fetched> {
        let record = self.records.read(&place.name())?;
        let subject = subject_of(wanted, Some(place));
        let evidence = Evidence::Manifest { digest: &record.manifest, signed: &record.signatures };
        policy::check(demands, &subject, &evidence).ok()?;
        let wasm = self.shelf.get(&record.component)?;
        Some(Fetched { source: Source::Bytes(wasm), pinned: pin(wanted, place, &record.manifest) })
    }

    /// Under the name that was asked for, and under the digest that a rollback will ask for.
    fn record(&self, place: &Place, pulled: &Pulled) {
        let component = self.keep(&pulled.wasm);
        for reference in [place.name(), place.pinned(&pulled.manifest)] {
            let record = Record {
                reference,
                manifest: pulled.manifest.clone(),
                component: component.clone(),
                signatures: pulled.signatures.clone(),
            };
            if let Err(error) = self.records.write(&record) {
                tracing::warn!(%error, "what a reference stands for cannot be kept");
            }
        }
    }

    async fn credentials(&self, wanted: &Wanted, place: &Place) -> Result<Vec<Credentials>, FetchError> {
        let Some(name) = &wanted.source.pull_secret else { return Ok(Vec::new()) };
        let secret = Target::named(&Resource::core("secrets"), SECRETS_NAMESPACE, name);
        let secret = self.client.get(&secret).await.map_err(|error| FetchError {
            reason: if error.is_not_found() { "PullSecretNotFound" } else { "PullSecretUnreadable" },
            message: format!(
                "spec.source.pullSecret: {error}; create it with `kubectl create secret docker-registry {name} \
                 --namespace {SECRETS_NAMESPACE} …`"
            ),
        })?;
        let found = orch_node::credentials::matching(&place.name(), std::iter::once(&secret));
        if found.is_empty() {
            return Err(FetchError {
                reason: "PullSecretUnusable",
                message: format!(
                    "spec.source.pullSecret: the Secret {SECRETS_NAMESPACE}/{name} (type {}) has no credentials \
                     for {}: it must be of type kubernetes.io/dockerconfigjson and name that registry",
                    secret["type"].as_str().unwrap_or("Opaque"),
                    place.repository()
                ),
            });
        }
        Ok(found)
    }

    async fn uploaded(&self, digest: &str) -> Result<Vec<u8>, FetchError> {
        let name = upload::artifact_name(digest);
        let missing = |error: Status| FetchError {
            reason: if error.is_not_found() { "ArtifactNotFound" } else { "ArtifactUnreadable" },
            message: format!(
                "spec.source.digest: {error}; upload the component with `orch plugin install … --upload FILE` \
                 (what was uploaded: `kubectl get pluginartifacts`)"
            ),
        };
        let artifact = self.client.get(&Target::cluster(&ARTIFACTS, &name)).await.map_err(missing)?;
        let mut chunks = Vec::new();
        for index in 0..upload::chunk_count(&artifact) {
            let target = Target::cluster(&CHUNKS, &upload::chunk_name(digest, index));
            let chunk = self.client.get(&target).await;
            chunks.push(chunk.map_err(|error| FetchError {
                reason: "ArtifactIncomplete",
                message: format!("spec.source.digest: the upload is not complete: {error}; upload it again"),
            })?);
        }
        upload::join(digest, &artifact, &chunks).map_err(refused)
    }

    fn demands(&self, subject: &Subject) -> Result<Vec<Demand>, FetchError> {
        let mut policies = self.policies.all();
        policies.sort_by_key(|policy| policy["metadata"]["name"].as_str().map(str::to_owned));
        let named = policies.iter().map(|policy| (name_of(policy), &policy["spec"]));
        policy::decide(named, subject).map_err(refused)
    }
}

fn name_of(policy: &Value) -> &str {
    policy["metadata"]["name"].as_str().unwrap_or_default()
}

fn refused(error: SourceError) -> FetchError {
    FetchError { reason: error.reason(), message: error.to_string() }
}

fn pin(wanted: &Wanted, place: &Place, manifest: &str) -> SourceSpec {
    SourceSpec { oci: Some(place.pinned(manifest)), ..wanted.source.clone() }
}

/// As policies see it: a source by each of its names.
fn subject_of(wanted: &Wanted, place: Option<&Place>) -> Subject {
    let source = &wanted.source;
    let sources = match place {
        Some(place) => vec![format!("oci:{}", place.name()), format!("oci:{}", place.repository())],
        None => {
            let file = source.file.as_ref().map(|path| format!("file:{}", path.display()));
            let builtin = source.builtin.as_ref().map(|name| format!("builtin:{name}"));
            let digest = source.digest.as_ref().map(|digest| format!("digest:{digest}"));
            file.into_iter().chain(builtin).chain(digest).collect()
        }
    };
    Subject { name: wanted.name.clone(), world: wanted.world.to_string(), sources }
}
