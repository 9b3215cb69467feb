//! What all parts of the API server stand on, and the parts that are made of nothing else.

use std::sync::Arc;

use orch_admission::webhooks::Webhooks;
use orch_admission::{Chain, Cluster, Policies};
use orch_object::Kinds;
use orch_store::{Store, StoreError};
use orch_watch::Cache;

use crate::aggregation::Aggregator;
use crate::allocate::Allocator;
use crate::audit::Auditor;
use crate::authn::Authenticator;
use crate::authz::{Authorizer, Rbac, pod_nodes};
use crate::conversion::Converter;
use crate::definitions::KindTable;
use crate::fairness::{self, Fairness};
use crate::metrics::Metrics;
use crate::oidc::Oidc;
use crate::outbound::Outbound;
use crate::pki::Pki;
use crate::server::{Config, ServerError};
use crate::state::{CachedCluster, CachedState};
use crate::surroundings::ServerSurroundings;
use crate::tokens::Tokens;
use crate::verbs::{Api, Components, Parts, SystemClock};

pub(crate) struct Foundation {
    pub cache: Cache,
    pub kinds: Arc<KindTable>,
    pub outbound: Outbound,
    pub converter: Arc<Converter>,
    pub rbac: Rbac,
    pub authorizer: Arc<Authorizer>,
}

impl Foundation {
    /// Reads what the store holds.
    pub async fn lay(store: Arc<dyn Store>, kinds: Arc<Kinds>) -> Result<Foundation, StoreError> {
        let cache = Cache::start(store, orch_watch::Options::default()).await?;
        let outbound = Outbound::new(cache.clone());
        let rbac = Rbac::new(cache.clone());
        Ok(Foundation {
            kinds: Arc::new(KindTable::new(kinds, cache.clone())),
            converter: Arc::new(Converter::new(outbound.clone())),
            authorizer: Arc::new(Authorizer::new(rbac.clone(), pod_nodes(cache.clone()))),
            cache,
            outbound,
            rbac,
        })
    }

    /// The chain with the policies and webhooks of the API; plugins join it later.
    pub fn admission(&self) -> Arc<Chain> {
        let (cache, kinds) = (self.cache.clone(), self.kinds.clone());
        let state = Arc::new(CachedState::new(cache.clone(), kinds.clone()));
        let chain = Arc::new(Chain::new(state.clone()));
        let authorizer = self.authorizer.clone();
        let cluster: Arc<dyn Cluster> =
            Arc::new(CachedCluster { cache: cache.clone(), kinds: kinds.clone(), authorizer });
        chain.add_stage(Arc::new(Policies::new(&*state, cluster.clone())));
        let (outbound, converter) = (self.outbound.clone(), self.converter.clone());
        let around = ServerSurroundings::new(cache, kinds, outbound, converter, cluster);
        chain.add_stage(Arc::new(Webhooks::new(Arc::new(around))));
        chain
    }

    /// The verbs, with everything they ask on the way.
    pub fn api(
        &self,
        config: &Config,
        pki: &Pki,
        admission: Arc<Chain>,
        allocator: Allocator,
    ) -> Result<Api, ServerError> {
        let issuer = format!("https://kubernetes.default.svc.{}", config.cluster_domain);
        let tokens = Arc::new(Tokens::new(pki.service_account_key(), &issuer, self.cache.clone())?);
        let oidc = Oidc::new(&config.authentication)?;
        let anonymous = config.authentication.anonymous.clone();
        let fairness = Fairness::new(fairness::SEATS);
        let metrics = Metrics::default();
        metrics.register(|registry| fairness.register(registry));
        let auditor = config.audit.as_ref().map(Auditor::open).transpose()?.unwrap_or_else(Auditor::off);
        let (kinds, outbound) = (self.kinds.clone(), self.outbound.clone());
        let certificate = pki.front_proxy_client()?;
        Ok(Api::new(Parts {
            aggregator: Aggregator::new(self.cache.clone(), kinds, outbound, certificate),
            kinds: self.kinds.clone(),
            cache: self.cache.clone(),
            admission,
            authorizer: self.authorizer.clone(),
            authenticator: Authenticator::new(tokens.clone(), oidc, anonymous),
            tokens,
            allocator,
            components: self.components(),
            converter: self.converter.clone(),
            fairness,
            metrics,
            auditor,
            clock: Arc::new(SystemClock),
        }))
    }

    /// The store goes by the name that clients look for.
    fn components(&self) -> Components {
        let components = Components::default();
        let store = self.cache.store().clone();
        components.add("etcd-0", move || {
            let store = store.clone();
            async move { store.latest().await.map(drop).map_err(|error| error.to_string()) }
        });
        components
    }
}
