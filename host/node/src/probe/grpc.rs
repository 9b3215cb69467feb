//! gRPC health checks (`grpc.health.v1.Health/Check`). One message of one field each way: small
//! enough to be written by hand over plain HTTP/2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::pod::spec::Grpc;

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u8 = 1;

pub async fn check(call: &Grpc, ip: Option<IpAddr>, limit: Duration) -> Result<(), String> {
    let Some(ip) = ip else { return Err("the pod has no address".into()) };
    let address = SocketAddr::new(ip, call.port);
    let connect_failed = |e: &dyn std::fmt::Display| {
        format!("timeout: failed to connect service \"{address}\" within {limit:?}: {e}")
    };
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .timeout(limit)
        .build()
        .map_err(|e| connect_failed(&e))?;
    let response = client
        .post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.37")
        .body(request(&call.service))
        .send()
        .await
        .map_err(|e| connect_failed(&e))?;
    // An error without a message arrives as headers only.
    if let Some(code) =
        response.headers().get("grpc-status").and_then(|c| c.to_str().ok()).filter(|c| *c != "0")
    {
        return Err(format!("error: health rpc failed: rpc error: code = {code}"));
    }
    let body = response.bytes().await.map_err(|e| format!("error: health rpc failed: {e}"))?;
    match status(&body) {
        Some(SERVING) => Ok(()),
        Some(2) => Err("service unhealthy (responded with \"NOT_SERVING\")".into()),
        Some(3) => Err("service unhealthy (responded with \"SERVICE_UNKNOWN\")".into()),
        Some(_) => Err("service unhealthy (responded with \"UNKNOWN\")".into()),
        None => Err("error: health rpc failed: no answer".into()),
    }
}

/// Length-prefixed message with field 1, a string.
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

/// Field 1, an enum, of a length-prefixed message; absent means 0.
fn status(frame: &[u8]) -> Option<u8> {
    let (head, message) = frame.split_at_checked(5)?;
    match (head[0], message) {
        (0, []) => Some(0),
        (0, [0x08, status, ..]) => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_protobuf_says() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(status(&[]), None);
    }
}
