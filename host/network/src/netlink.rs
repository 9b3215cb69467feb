//! Netlink in a chosen network namespace. A netlink socket belongs to the namespace of the thread
//! that opens it, so each namespace in use has a thread of its own; it ends with its last handle.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures::TryStreamExt;
use rtnetlink::Handle;
use tokio::sync::{mpsc, oneshot};

type Job = Box<dyn FnOnce(Handle) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A namespace to work in.
pub struct Namespace {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Namespace {
    /// The daemon's own.
    pub fn current() -> Namespace {
        Namespace::spawn(None)
    }

    /// The one pinned at this path.
    pub fn pinned(path: &Path) -> Namespace {
        Namespace::spawn(Some(path.to_path_buf()))
    }

    fn spawn(path: Option<PathBuf>) -> Namespace {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let named = std::thread::Builder::new().name("orch-netlink".into());
        let spawned = named.spawn(move || {
            if let Err(error) = serve(path.as_deref(), receiver) {
                tracing::error!(namespace = ?path, %error, "no netlink in the namespace");
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a network namespace");
        }
        Namespace { jobs }
    }

    /// Runs one job on the namespace's thread.
    pub async fn run<T, F, R>(&self, job: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: FnOnce(Handle) -> R + Send + 'static,
        R: Future<Output = Result<T, String>> + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let job: Job = Box::new(move |handle| {
            Box::pin(async move {
                let _ = answer.send(job(handle).await);
            })
        });
        self.jobs.send(job).map_err(|_| "the network namespace is gone".to_string())?;
        receiver.await.map_err(|_| "the network namespace cannot be entered".to_string())?
    }
}

fn serve(
    path: Option<&Path>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(path) = path {
        nix::sched::setns(std::fs::File::open(path)?, nix::sched::CloneFlags::CLONE_NEWNET)?;
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        while let Some(job) = jobs.recv().await {
            job(handle.clone()).await;
        }
        Ok(())
    })
}

/// Index and link address of an interface; `None` when there is none of that name.
pub async fn link(handle: &Handle, name: &str) -> Result<Option<(u32, Vec<u8>)>, String> {
    use rtnetlink::packet_route::link::LinkAttribute;
    let mut links = handle.link().get().match_name(name.to_string()).execute();
    match links.try_next().await {
        Ok(Some(found)) => {
            let address = found.attributes.iter().find_map(|a| match a {
                LinkAttribute::Address(address) => Some(address.clone()),
                _ => None,
            });
            Ok(Some((found.header.index, address.unwrap_or_default())))
        }
        Ok(None) => Ok(None),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -nix::libc::ENODEV => Ok(None),
        Err(error) => Err(format!("interface {name}: {error}")),
    }
}

/// As [`link`], an error when it is missing.
pub async fn link_index(handle: &Handle, name: &str) -> Result<u32, String> {
    link(handle, name).await?.map(|(index, _)| index).ok_or_else(|| format!("no interface {name}"))
}

/// An existing address, route or neighbour is what was asked for.
pub fn or_exists(result: Result<(), rtnetlink::Error>, what: impl Fn() -> String) -> Result<(), String> {
    match result {
        Ok(()) => Ok(()),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -nix::libc::EEXIST => Ok(()),
        Err(error) => Err(format!("{}: {error}", what())),
    }
}

/// `10.0.0.1/32` as address and prefix length.
pub fn parse_cidr(cidr: &str) -> Result<(std::net::Ipv4Addr, u8), String> {
    let wrong = || format!("{cidr} is not an IPv4 CIDR such as 10.244.0.0/24");
    let (address, length) = cidr.split_once('/').ok_or_else(wrong)?;
    let length: u8 = length.parse().ok().filter(|l| *l <= 32).ok_or_else(wrong)?;
    Ok((address.parse().map_err(|_| wrong())?, length))
}
