use futures::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

use super::{Session, plain};

pub async fn logs(session: Session, pod: &str, parameters: &LogParams) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(session.client, &session.namespace);
    let mut stream = pods.log_stream(pod, parameters).await.map_err(plain)?;
    let mut out = std::io::stdout();
    let mut buffer = vec![0; 16 << 10];
    loop {
        use std::io::Write;
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n])?;
        out.flush()?;
    }
}
