//! The API server alone, for trying clients against it: `cargo run --example serve -- DIR [ADDRESS]`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use orch_object::Kinds;
use orch_request::{Config, Server, kubeconfig};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().ok_or("usage: serve DIR [ADDRESS]")?.into();
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into()).parse()?;
    std::fs::create_dir_all(&dir)?;
    let store = orch_store::open("sqlite", &dir.join("state.db"), orch_store::Options::default()).await?;
    let config = Config::new(listen, IpAddr::V4(Ipv4Addr::LOCALHOST), dir.join("pki"));
    let server = Server::new(config, store, Arc::new(Kinds::builtin())).await?;
    let path = dir.join("kubeconfig");
    kubeconfig::write_admin(&path, &server.local_url(), server.pki())?;
    println!("export KUBECONFIG={}", path.display());
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        signalled.cancel();
    });
    server.run(stop).await;
    Ok(())
}
