//! The whole host in one readable place: which part is given which.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use orch_client::node::{NodeConnection, Nodes};
use orch_client::plugin::Traces;
use orch_client::{
    Client, Identity, ListOptions, Patch, PatchType, Resource, Target, WriteOptions, informer,
};
use orch_container::{Authority, OrchRuntime, RegistryConfig};
use orch_controllers::Controllers;
use orch_network::Network;
use orch_node::NodeAgent;
use orch_object::Kinds;
use orch_request::{LocalClient, Server, ServiceCidr, kubeconfig};
use orch_scheduler::Scheduler;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::plugins::{self, Defaults, PluginLines, Surroundings, Users};
use crate::config::Config;

/// A running host.
pub struct Host {
    tasks: TaskTracker,
    controllers: Controllers,
    store: Arc<dyn orch_store::Store>,
}

impl Host {
    /// Returns once the node is Ready.
    pub async fn start(config: &Config, lines: PluginLines, stop: CancellationToken) -> anyhow::Result<Host> {
        let tasks = TaskTracker::new();
        let address = super::address::of_this_machine();
        let file = config.data_dir.join("store/state.db");
        let store = orch_store::open(&config.store, &file, Default::default()).await?;
        let settings = server_config(config, address)?;
        let server = Server::new(settings, store.clone(), Arc::new(Kinds::builtin())).await?;
        kubeconfig::write_admin(&config.data_dir.join("kubeconfig"), &server.local_url(), server.pki())
            .context("cannot write the kubeconfig")?;
        let clients = {
            let api = server.api();
            move |identity: Identity| -> Arc<dyn Client> { Arc::new(LocalClient::new(api.clone(), identity)) }
        };

        let network =
            Network::start(network_config(config, address)?, clients(of_the_host("network")), stop.clone())
                .await?;
        let runtime = OrchRuntime::open(runtime_config(config)?).await.context("containers")?;
        let agent = NodeAgent::start(
            node_config(config, address)?,
            clients(Identity::new(
                format!("system:node:{}", config.node_name),
                &["system:nodes", "system:authenticated"],
            )),
            Arc::new(runtime),
            network.pods.clone(),
            stop.clone(),
        )?;
        server.set_nodes(Box::new(OneNode { name: config.node_name.clone(), agent }));

        let scheduler_client = clients(Identity::new("system:kube-scheduler", &["system:authenticated"]));
        let scheduler = Scheduler::start(scheduler_client.clone(), Default::default(), stop.clone());
        let controllers = Controllers::start(Arc::new(clients.clone()), stop.clone());
        server.set_traces(Box::new(SchedulerTraces(scheduler.clone())));
        server.metrics().register(|registry| {
            scheduler.metrics().register(registry);
            controllers.metrics().register(registry);
        });
        tell_components(&server, &scheduler, &controllers);
        let users = Users {
            scheduler,
            controllers: controllers.clone(),
            admission: server.admission(),
            pods: network.pods.clone(),
            client: clients(of_the_host("plugins")),
            scheduler_client,
            clients: Arc::new(clients.clone()),
            namespaces: namespaces(clients(of_the_host("plugins")), stop.clone()),
        };
        server.set_plugin_logs(Box::new(lines.clone()));
        let surroundings = Surroundings {
            cache: &config.data_dir.join("cache"),
            registries: registry_config(config)?,
            defaults: Defaults { root_ca: server.pki().ca_certificate().to_string() },
            lines,
            metrics: server.metrics(),
        };
        plugins::start(users, surroundings, &tasks, stop.clone()).await?;

        tasks.spawn(server.run(stop.clone()));
        tasks.close();
        let host = clients(of_the_host("host"));
        node_ready(host.clone(), &config.node_name, &stop).await?;
        label_control_plane(&*host, &config.node_name).await?;
        std::fs::write(ready_file(&config.data_dir), "")?;
        Ok(Host { tasks, controllers, store })
    }

    /// Returns when everything that was under way has ended.
    pub async fn stopped(self) {
        self.controllers.shut_down().await;
        if tokio::time::timeout(Duration::from_secs(8), self.tasks.wait()).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        self.store.close().await;
    }
}

/// Kept current for canaries that decide in some namespaces only.
fn namespaces(client: Arc<dyn Client>, stop: CancellationToken) -> informer::Objects {
    let target = Target::all(&Resource::core("namespaces"));
    let (objects, mut events) = informer::start(client, target, ListOptions::default(), stop);
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    objects
}

/// Exists while a ready host runs; `orch up --detach` waits for it.
pub fn ready_file(data_dir: &Path) -> PathBuf {
    data_dir.join("run/ready")
}

/// What `kubectl get componentstatuses` asks.
fn tell_components(server: &Server, scheduler: &Scheduler, controllers: &Controllers) {
    let (scheduler, controllers) = (scheduler.clone(), controllers.clone());
    server.components().add("scheduler", move || {
        let scheduler = scheduler.clone();
        async move { scheduler.answers().await.map_err(|error| error.to_string()) }
    });
    server.components().add("controller-manager", move || {
        let controllers = controllers.clone();
        async move {
            match controllers.running().await {
                0 => Err("no controller runs".into()),
                _ => Ok(()),
            }
        }
    });
}

/// Parts of the host itself: they may do everything, each under a name of its own.
fn of_the_host(part: &str) -> Identity {
    Identity::new(format!("system:orch:{part}"), &["system:masters", "system:authenticated"])
}

fn server_config(config: &Config, address: Ipv4Addr) -> anyhow::Result<orch_request::Config> {
    let mut server = orch_request::Config::new(config.listen, address.into(), config.data_dir.join("pki"));
    server.service_cidr = service_cidr(config)?;
    server.cluster_domain = config.cluster_domain.clone();
    server.names = vec![config.node_name.clone()];
    server.audit = config.security.audit();
    server.authentication = config.security.authentication()?;
    Ok(server)
}

fn service_cidr(config: &Config) -> anyhow::Result<ServiceCidr> {
    config.service_cidr.parse().with_context(|| format!("serviceCidr {}", config.service_cidr))
}

/// The first /24 of the pods' range: there is one node.
fn node_pod_cidr(config: &Config) -> anyhow::Result<String> {
    let wrong = || format!("podCidr {}: write it as 10.244.0.0/16, a /24 or larger", config.pod_cidr);
    let (base, length) = config.pod_cidr.split_once('/').with_context(wrong)?;
    let base: Ipv4Addr = base.parse().with_context(wrong)?;
    let length: u8 = length.parse().with_context(wrong)?;
    anyhow::ensure!(length <= 24, wrong());
    Ok(format!("{base}/24"))
}

fn network_config(config: &Config, address: Ipv4Addr) -> anyhow::Result<orch_network::Config> {
    Ok(orch_network::Config {
        data_dir: config.data_dir.clone(),
        node_name: config.node_name.clone(),
        node_ip: address,
        node_pod_cidr: node_pod_cidr(config)?,
        pod_cidr: config.pod_cidr.clone(),
        service_cidr: config.service_cidr.clone(),
        cluster_dns: service_cidr(config)?.address(10),
        cluster_domain: config.cluster_domain.clone(),
    })
}

fn runtime_config(config: &Config) -> anyhow::Result<orch_container::Config> {
    let mut runtime = orch_container::Config::new(&config.data_dir);
    runtime.registries = registry_config(config)?;
    Ok(runtime)
}

/// Of images and of plugins.
fn registry_config(config: &Config) -> anyhow::Result<RegistryConfig> {
    let authority = |path: &PathBuf| Authority::read(path).map_err(|why| anyhow!("--registry-ca {why}"));
    Ok(RegistryConfig {
        authorities: config.registry_ca.iter().map(authority).collect::<Result<_, _>>()?,
        mirrors: config
            .registry_mirrors
            .iter()
            .map(|(name, url)| (name.clone(), vec![url.clone()]))
            .collect(),
        insecure: config.insecure_registries.clone(),
    })
}

fn node_config(config: &Config, address: Ipv4Addr) -> anyhow::Result<orch_node::Config> {
    Ok(orch_node::Config {
        node_name: config.node_name.clone(),
        data_dir: config.data_dir.clone(),
        addresses: vec![address.into()],
        pod_cidrs: vec![node_pod_cidr(config)?],
        version: orch_request::GIT_VERSION.into(),
        ..Default::default()
    })
}

/// The scheduler of this process.
struct SchedulerTraces(Scheduler);

impl Traces for SchedulerTraces {
    fn trace(&self) -> BoxStream<'static, std::io::Result<Bytes>> {
        let scheduler = self.0.clone();
        let lines = async move {
            let lines = scheduler.record().await.map_err(std::io::Error::other);
            match lines {
                Ok(lines) => futures::stream::unfold(lines, |mut lines| async move {
                    let line = lines.recv().await?;
                    Some((Ok(Bytes::from(line + "\n")), lines))
                })
                .boxed(),
                Err(error) => futures::stream::once(async { Err(error) }).boxed(),
            }
        };
        futures::stream::once(lines).flatten().boxed()
    }
}

/// The node agent of this process.
struct OneNode {
    name: String,
    agent: Arc<NodeAgent>,
}

impl Nodes for OneNode {
    fn connection(&self, node_name: &str) -> Option<Arc<dyn NodeConnection>> {
        (node_name == self.name).then(|| self.agent.clone() as Arc<dyn NodeConnection>)
    }
}

/// Waits until the API says that the node is Ready.
async fn node_ready(client: Arc<dyn Client>, name: &str, stop: &CancellationToken) -> anyhow::Result<()> {
    let options = ListOptions { field_selector: format!("metadata.name={name}"), ..Default::default() };
    let watching = stop.child_token();
    let (nodes, mut events) =
        informer::start(client, Target::all(&Resource::core("nodes")), options, watching.clone());
    let ready = async {
        loop {
            if nodes.get(name).is_some_and(|node| is_ready(&node)) {
                return Ok(());
            }
            events.recv().await.context("stopped before the node was ready")?;
        }
    };
    let result = tokio::time::timeout(Duration::from_secs(60), ready)
        .await
        .context("the node is not ready after 60 s");
    watching.cancel();
    result?
}

/// A node may not set its role itself.
async fn label_control_plane(client: &dyn Client, name: &str) -> anyhow::Result<()> {
    let labels = serde_json::json!({ "node-role.kubernetes.io/control-plane": "" });
    let patch =
        Patch { patch_type: PatchType::Merge, body: serde_json::json!({ "metadata": { "labels": labels } }) };
    let target = Target::cluster(&Resource::core("nodes"), name);
    client.patch(&target, patch, &WriteOptions::default()).await.context("cannot label the node")?;
    Ok(())
}

fn is_ready(node: &serde_json::Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}
