//! Runs `nft` with native syntax on standard input: its JSON form segfaults on concatenated map data
//! in Debian 12's 1.0.6. One invocation is one kernel transaction.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::NetworkError;

/// orch's only table, in the network namespace the daemon runs in.
pub const TABLE: &str = "inet orch";

pub async fn apply(script: &str) -> Result<(), NetworkError> {
    let error = |message: String| NetworkError { what: "nft".into(), message };
    let mut child = tokio::process::Command::new("nft")
        .args(["-f", "-"])
        // Debian keeps it in /usr/sbin, which a plain user's PATH lacks.
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| error(format!("cannot run nft (package nftables): {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A refused script closes the pipe early; what nft says is the better message.
        let _ = stdin.write_all(script.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|e| error(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(error(message.lines().take(4).collect::<Vec<_>>().join(" / ")))
}
