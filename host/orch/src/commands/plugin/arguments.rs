use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

#[derive(Subcommand)]
pub enum PluginCommand {
    #[command(flatten)]
    Author(orch_author::AuthorCommand),
    /// List plugins and what they run
    Ls,
    /// Calls, latencies, traps and memory of each plugin, busiest first
    Top,
    /// Declare a new plugin and wait until it serves
    Install {
        /// What it will be called
        name: String,
        /// orch:scheduler, orch:controller, orch:admission or orch:cni
        #[arg(long)]
        world: String,
        #[command(flatten)]
        source: SourceArguments,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Replace what a plugin runs: another component, another configuration
    Swap {
        name: String,
        #[command(flatten)]
        source: SourceArguments,
        /// Its configuration, as JSON
        #[arg(long)]
        config: Option<String>,
    },
    /// Go back to the component, and the configuration, that served before
    Rollback {
        name: String,
        /// One of the versions that `orch plugin rollback NAME --list` shows; the beginning is enough
        #[arg(long, value_name = "DIGEST")]
        to: Option<String>,
        /// Show where one can go back to, and do nothing
        #[arg(long, conflicts_with = "to")]
        list: bool,
    },
    /// Print what a plugin logs, and what the host says about it
    Logs {
        name: String,
        /// Go on with what comes
        #[arg(short, long)]
        follow: bool,
        /// Only the latest lines
        #[arg(long)]
        tail: Option<i64>,
        /// With the time of each line
        #[arg(long)]
        timestamps: bool,
    },
    /// Store a component in a registry
    Push {
        /// The component: a .wasm file
        file: PathBuf,
        /// Where: registry.example/team/plugin:1
        reference: String,
        /// Sign it with this private key (PEM; see `orch plugin keygen`)
        #[arg(long, value_name = "KEY")]
        sign: Option<PathBuf>,
        #[command(flatten)]
        registry: RegistryArguments,
    },
    /// Sign a component: a file (prints the signature) or one in a registry
    Sign {
        /// A .wasm file, or a reference such as registry.example/team/plugin:1
        what: String,
        /// The private key (PEM)
        #[arg(long)]
        key: PathBuf,
        #[command(flatten)]
        registry: RegistryArguments,
    },
    /// Make a key pair to sign components with
    Keygen {
        /// Writes PREFIX.key (keep it) and PREFIX.pub (give it away)
        #[arg(long, default_value = "orch-plugin")]
        prefix: PathBuf,
        #[arg(long, value_enum, default_value = "p256")]
        algorithm: AlgorithmArgument,
    },
    /// Delete uploaded components that no plugin runs or could go back to
    Prune,
    /// Record what scheduling plugins are told and decide, for `replay`
    Record {
        /// Where the trace goes
        #[arg(long, short, default_value = "trace.jsonl")]
        output: PathBuf,
        /// How long, in seconds
        #[arg(long = "for", default_value_t = 60)]
        seconds: u64,
        /// At most so many MiB
        #[arg(long, default_value_t = 256)]
        max_mib: u64,
        /// Replace names, label values, images and uids by hashes
        #[arg(long)]
        redact: bool,
        /// For plugins from registries: their components go into the trace
        #[command(flatten)]
        registry: RegistryArguments,
    },
    /// Replay a trace against another version of a scheduling plugin, offline
    Replay {
        trace: PathBuf,
        /// The component to try
        #[arg(long, value_name = "FILE")]
        plugin: PathBuf,
        /// The plugin it stands in for [default: the file's name without .wasm]
        #[arg(long)]
        name: Option<String>,
        /// Its configuration, as JSON [default: that of the plugin it stands in for]
        #[arg(long)]
        config: Option<String>,
        /// What it is compared with [default: what was recorded]
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Differing decisions to print
        #[arg(long, default_value_t = 20)]
        show: usize,
    },
}

/// Where a component comes from; at most one of the first five.
#[derive(Args, Clone, Default)]
#[command(group = ArgGroup::new("source").multiple(false))]
pub struct SourceArguments {
    /// A component in a registry: registry.example/team/plugin:1
    #[arg(long, group = "source", value_name = "REFERENCE")]
    pub oci: Option<String>,
    /// A component on the host's disk
    #[arg(long, group = "source")]
    pub file: Option<PathBuf>,
    /// A component on this machine, sent through the API and kept in the cluster
    #[arg(long, group = "source", value_name = "FILE")]
    pub upload: Option<PathBuf>,
    /// A component that was uploaded before: sha256:…
    #[arg(long, group = "source")]
    pub digest: Option<String>,
    /// A component built into the host
    #[arg(long, group = "source")]
    pub builtin: Option<String>,
    /// With --oci: the Secret in kube-system with the registry's credentials
    #[arg(long, requires = "oci", value_name = "SECRET")]
    pub pull_secret: Option<String>,
    /// With --file, --upload or --digest: what `orch plugin sign FILE` printed
    #[arg(long, value_name = "BASE64", conflicts_with_all = ["oci", "builtin"])]
    pub signature: Option<String>,
    /// With --file or --upload: sign with this private key (PEM)
    #[arg(long, value_name = "KEY", conflicts_with_all = ["oci", "builtin", "digest", "signature"])]
    pub sign: Option<PathBuf>,
}

#[derive(Args, Clone, Default)]
pub struct SettingsArguments {
    /// Its configuration, as JSON
    #[arg(long)]
    pub config: Option<String>,
    /// Position among the plugins of its world, lowest first
    #[arg(long)]
    pub order: Option<i32>,
    /// Factor of a scheduler plugin's scores
    #[arg(long)]
    pub weight: Option<i32>,
    /// What a failed call means: Fail or Ignore
    #[arg(long)]
    pub failure_policy: Option<String>,
    /// What a controller may do through the API: RBAC rules, as JSON
    #[arg(long)]
    pub permissions: Option<String>,
}

#[derive(Args, Clone, Default)]
pub struct RegistryArguments {
    /// Credentials, as `docker login` writes them [default: $DOCKER_CONFIG or ~/.docker, config.json]
    #[arg(long, value_name = "FILE")]
    pub auth: Option<PathBuf>,
    /// Speak plain HTTP to the registry; loopback ones are always spoken to so
    #[arg(long)]
    pub plain_http: bool,
    /// Trust a registry whose certificate these authorities have signed: a PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmArgument {
    /// ECDSA, as cosign makes keys
    P256,
    Ed25519,
}
