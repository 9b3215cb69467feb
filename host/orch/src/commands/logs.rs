use std::io::Write;

use futures::{AsyncRead, AsyncReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

use super::{Session, plain};

pub async fn logs(session: Session, pod: &str, parameters: &LogParams) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(session.client, &session.namespace);
    print(pods.log_stream(pod, parameters).await.map_err(plain)?).await
}

/// Prints what comes until nothing more does; what is there is shown at once.
pub async fn print(stream: impl AsyncRead) -> anyhow::Result<()> {
    let mut stream = std::pin::pin!(stream);
    let mut out = std::io::stdout();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n])?;
        out.flush()?;
    }
}
