use std::path::Path;

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use orch_container::runtime::Image;

use super::get::aligned;
use crate::arguments::{Connection, ImageCommand};

/// Works on the image store of this machine, whether the host runs or not.
pub async fn run(connection: &Connection, command: ImageCommand) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("orch image needs root: run it with sudo");
    }
    let images = orch_container::images::open(&connection.data_dir)?;
    match command {
        ImageCommand::Import { files } => {
            for file in files {
                let imported = images.import(archive(&file)?).await.with_context(|| {
                    format!("{} was not imported; nothing has been kept of it", file.display())
                })?;
                for image in imported {
                    println!("imported {} ({} bytes)", name(&image), image.size_bytes);
                }
            }
        }
        ImageCommand::Ls => ls(&images.images().await?),
    }
    Ok(())
}

fn archive(path: &Path) -> anyhow::Result<stream::BoxStream<'static, std::io::Result<bytes::Bytes>>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(tokio_util::io::ReaderStream::with_capacity(tokio::fs::File::from_std(file), 256 << 10).boxed())
}

fn name(image: &Image) -> String {
    image.tags.first().or(image.digests.first()).unwrap_or(&image.id).clone()
}

fn ls(images: &[Image]) {
    let mut rows = vec![["IMAGE", "ID", "SIZE"].map(String::from).to_vec()];
    for image in images {
        rows.push(vec![
            name(image),
            image.id.trim_start_matches("sha256:").chars().take(12).collect(),
            format!("{:.1} MB", image.size_bytes as f64 / 1e6),
        ]);
    }
    print!("{}", aligned(&rows));
}
