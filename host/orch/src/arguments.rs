//! The command line. Every flag of `up` is also an environment variable `ORCH_…` and a key of the
//! configuration file; the command line wins over the environment, that over the file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use crate::commands::plugin::PluginCommand;

/// A container orchestrator in one binary that speaks the Kubernetes API.
#[derive(Parser)]
#[command(name = "orch", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the host: API, store, plugins and node agent
    Up(Box<Up>),
    /// Stop the host; pods keep running for the next `orch up`
    Down(Down),
    #[command(flatten)]
    Client(ClientCommand),
}

#[derive(Args, Clone, Default)]
pub struct Up {
    /// Where everything is kept [default: /var/lib/orch]
    #[arg(long, env = "ORCH_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port of the API [default: 0.0.0.0:6443]
    #[arg(long, env = "ORCH_LISTEN")]
    pub listen: Option<std::net::SocketAddr>,
    /// `sqlite`, or a `postgres://…` URL [default: sqlite]
    #[arg(long, env = "ORCH_STORE")]
    pub store: Option<String>,
    /// Name of this machine's Node object [default: the host name]
    #[arg(long, env = "ORCH_NODE_NAME")]
    pub node_name: Option<String>,
    /// YAML configuration file; see docs/configuration.md
    #[arg(long, env = "ORCH_CONFIG")]
    pub config: Option<PathBuf>,
    /// `REGISTRY=URL`: pull images of REGISTRY from URL (repeatable)
    #[arg(long, env = "ORCH_REGISTRY_MIRROR", value_delimiter = ',')]
    pub registry_mirror: Vec<String>,
    /// Trust registries whose certificates these authorities have signed, beside those that the machine
    /// trusts: a PEM file; repeatable
    #[arg(long, env = "ORCH_REGISTRY_CA", value_delimiter = ',', value_name = "FILE")]
    pub registry_ca: Vec<PathBuf>,
    /// `text` or `json`
    #[arg(long, env = "ORCH_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// What to log, in the syntax of `RUST_LOG` [default: info]
    #[arg(long, env = "ORCH_LOG")]
    pub log: Option<String>,
    #[command(flatten)]
    pub security: Security,
    /// Return once the node is ready, and go on in the background
    #[arg(long, env = "ORCH_DETACH")]
    pub detach: bool,
}

/// Who may come in, and what is written down of it; upstream's names.
#[derive(Args, Clone, Default)]
pub struct Security {
    /// Audit policy (`audit.k8s.io/v1` Policy); needs --audit-log-path
    #[arg(long, env = "ORCH_AUDIT_POLICY_FILE")]
    pub audit_policy_file: Option<PathBuf>,
    /// Where audit events go, one JSON object a line
    #[arg(long, env = "ORCH_AUDIT_LOG_PATH")]
    pub audit_log_path: Option<PathBuf>,
    /// Megabytes of an audit log before it is put away [default: 100]
    #[arg(long, env = "ORCH_AUDIT_LOG_MAXSIZE")]
    pub audit_log_maxsize: Option<u64>,
    /// Days for which old audit logs are kept [default: 0, for ever]
    #[arg(long, env = "ORCH_AUDIT_LOG_MAXAGE")]
    pub audit_log_maxage: Option<u64>,
    /// Old audit logs that are kept [default: 0, all]
    #[arg(long, env = "ORCH_AUDIT_LOG_MAXBACKUP")]
    pub audit_log_maxbackup: Option<usize>,
    /// Issuers whose tokens are taken (`apiserver.config.k8s.io/v1` AuthenticationConfiguration)
    #[arg(long, env = "ORCH_AUTHENTICATION_CONFIG")]
    pub authentication_config: Option<PathBuf>,
    /// URL of an OpenID Connect issuer, instead of --authentication-config
    #[arg(long, env = "ORCH_OIDC_ISSUER_URL")]
    pub oidc_issuer_url: Option<String>,
    /// The audience that the issuer's tokens must be for
    #[arg(long, env = "ORCH_OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,
    /// The claim that names the user [default: sub]
    #[arg(long, env = "ORCH_OIDC_USERNAME_CLAIM")]
    pub oidc_username_claim: Option<String>,
    /// Stands before users' names; `-`: nothing does [default: ISSUER#, or nothing for the claim email]
    #[arg(long, env = "ORCH_OIDC_USERNAME_PREFIX", allow_hyphen_values = true)]
    pub oidc_username_prefix: Option<String>,
    /// The claim that names the user's groups
    #[arg(long, env = "ORCH_OIDC_GROUPS_CLAIM")]
    pub oidc_groups_claim: Option<String>,
    /// Stands before groups' names
    #[arg(long, env = "ORCH_OIDC_GROUPS_PREFIX")]
    pub oidc_groups_prefix: Option<String>,
    /// `CLAIM=VALUE` that every token must have (repeatable)
    #[arg(long, env = "ORCH_OIDC_REQUIRED_CLAIM", value_delimiter = ',')]
    pub oidc_required_claim: Vec<String>,
    /// PEM file of the authorities that signed the issuer's certificate
    #[arg(long, env = "ORCH_OIDC_CA_FILE")]
    pub oidc_ca_file: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub struct Down {
    #[arg(long, env = "ORCH_DATA_DIR", default_value = "/var/lib/orch")]
    pub data_dir: PathBuf,
    /// Also remove every container, mount, namespace, cgroup, nftables table and the data directory
    #[arg(long)]
    pub purge: bool,
}

/// How the client commands find the API.
#[derive(Args, Clone)]
pub struct Connection {
    /// [default: $KUBECONFIG, else <data-dir>/kubeconfig]
    #[arg(long, env = "KUBECONFIG", global = true)]
    pub kubeconfig: Option<PathBuf>,
    #[arg(long, env = "ORCH_DATA_DIR", default_value = "/var/lib/orch", global = true)]
    pub data_dir: PathBuf,
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
}

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Create or change objects from YAML or JSON (server-side apply)
    Apply {
        /// A file, or `-` for standard input (repeatable)
        #[arg(short, long, required = true)]
        filename: Vec<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show objects as a table, YAML or JSON
    Get {
        /// `pods`, `deploy/web`, `pods web-0`, …
        #[arg(required = true)]
        what: Vec<String>,
        #[arg(short, long)]
        output: Option<String>,
        #[arg(short = 'A', long)]
        all_namespaces: bool,
        #[arg(short = 'l', long, default_value = "")]
        selector: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show one object in full, with its events
    Describe {
        #[arg(required = true)]
        what: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Print a container's log
    Logs {
        pod: String,
        #[arg(short, long, default_value = "")]
        container: String,
        #[arg(short, long)]
        follow: bool,
        #[arg(short, long)]
        previous: bool,
        #[arg(long)]
        tail: Option<i64>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Run a command in a container
    Exec {
        pod: String,
        #[arg(short, long, default_value = "")]
        container: String,
        #[arg(short = 'i', long)]
        stdin: bool,
        #[arg(short, long)]
        tty: bool,
        #[arg(last = true, required = true)]
        command: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Delete objects
    Delete {
        what: Vec<String>,
        #[arg(short, long)]
        filename: Vec<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Policies: install, see, swap and roll back Wasm components in the running cluster
    Plugin {
        #[command(subcommand)]
        command: Box<PluginCommand>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Simulated nodes, to load a cluster without machines
    Sim {
        #[command(subcommand)]
        command: SimCommand,
        #[command(flatten)]
        connection: Connection,
    },
    /// Images on this machine
    Image {
        #[command(subcommand)]
        command: ImageCommand,
        #[command(flatten)]
        connection: Connection,
    },
}

#[derive(Subcommand)]
pub enum SimCommand {
    /// Register nodes that no machine stands behind, and keep them alive until Ctrl-C; pods bound to
    /// them turn Running
    Nodes(SimNodes),
}

#[derive(Args, Clone)]
pub struct SimNodes {
    /// How many
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub count: u32,
    #[arg(long, default_value = "4")]
    pub cpu: String,
    #[arg(long, default_value = "32Gi")]
    pub memory: String,
    /// Pods a node takes
    #[arg(long, default_value_t = 110)]
    pub pods: u32,
    /// Nodes go to zone1, zone2, … in turn; 0: no zones
    #[arg(long, default_value_t = 3)]
    pub zones: usize,
    /// `KEY=VALUE` on every node (repeatable)
    #[arg(long)]
    pub label: Vec<String>,
    /// Nodes are named PREFIX-0, PREFIX-1, …
    #[arg(long, default_value = "sim")]
    pub name_prefix: String,
    /// Seconds between two renewals of a node's Lease
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=35))]
    pub renew_seconds: u64,
    /// Leave the nodes in the cluster at the end
    #[arg(long)]
    pub keep: bool,
    /// URL of the API, instead of the kubeconfig's
    #[arg(long)]
    pub server: Option<String>,
}

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Load docker or OCI archives
    Import {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List images
    Ls,
}
