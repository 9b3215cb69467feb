//! Commands run for their exit code and a little of their output.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use orch_container::runtime::{ExecRequest, Runtime, RuntimeError};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

/// As much as upstream keeps of a probe's output.
const OUTPUT_BYTES: usize = 10 * 1024;

/// Exit code and combined output.
pub async fn exec(
    runtime: &dyn Runtime,
    id: &str,
    command: Vec<String>,
) -> Result<(i32, String), RuntimeError> {
    let output = Arc::new(Mutex::new(Vec::new()));
    let (_no_resize, resize) = mpsc::channel(1);
    let request = ExecRequest {
        command,
        tty: false,
        stdin: None,
        stdout: Some(Box::new(Head(output.clone()))),
        stderr: Some(Box::new(Head(output.clone()))),
        resize,
    };
    let code = runtime.exec(id, request).await?;
    let text = String::from_utf8_lossy(&output.lock()).into_owned();
    Ok((code, text))
}

/// Keeps the first bytes, swallows the rest.
struct Head(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Head {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut kept = self.0.lock();
        let room = OUTPUT_BYTES.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
