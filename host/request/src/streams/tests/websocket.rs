use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::fake::{BIG, ECHO_PORT, Server};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Server, path: &str, protocol: &str) -> Socket {
    let url = format!("ws://{}/api/v1/namespaces/default/pods/web/{path}", server.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    let (socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
    socket
}

/// All that came on each channel until the close, and the close's code.
async fn read_all(socket: &mut Socket) -> ([Vec<u8>; 5], Option<u16>) {
    let mut channels: [Vec<u8>; 5] = Default::default();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Binary(bytes) => channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]),
            Message::Close(frame) => return (channels, frame.map(|f| f.code.into())),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    (channels, None)
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(bytes.to_vec().into())
}

#[tokio::test]
async fn output_and_status_come_in_order() {
    let server = Server::start().await;
    for protocol in ["v5.channel.k8s.io", "v4.channel.k8s.io"] {
        let mut socket = connect(&server, "exec?command=echo&command=hi&stdout=true", protocol).await;
        let (channels, code) = read_all(&mut socket).await;
        assert_eq!(channels[1], b"hi\n");
        assert_eq!(channels[3], br#"{"metadata":{},"status":"Success"}"#);
        assert_eq!(code, Some(1000));
    }
}

#[tokio::test]
async fn logs_come_in_messages_without_channels() {
    let server = Server::start().await;
    for (protocol, expected) in [("binary.k8s.io", "line 5\n"), ("base64.binary.k8s.io", "bGluZSA1Cg==")] {
        let mut socket = connect(&server, "log?tailLines=1", protocol).await;
        let mut text = String::new();
        while let Some(message) = socket.next().await {
            match message.unwrap() {
                Message::Binary(bytes) if protocol == "binary.k8s.io" => {
                    text += std::str::from_utf8(&bytes).unwrap();
                }
                Message::Text(part) if protocol != "binary.k8s.io" => text += &part,
                Message::Close(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn exit_codes_are_told() {
    let server = Server::start().await;
    let mut socket =
        connect(&server, "exec?command=fail&command=3&stdout=true&stderr=true", "v5.channel.k8s.io").await;
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[2], b"oops\n");
    let status: serde_json::Value = serde_json::from_slice(&channels[3]).unwrap();
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"][0], serde_json::json!({"reason": "ExitCode", "message": "3"}));
    let mut socket = connect(&server, "exec?command=fail&command=3&stdout=true", "channel.k8s.io").await;
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[3], b"command terminated with non-zero exit code: exit status 3");
}

#[tokio::test]
async fn stdin_ends_with_the_close_of_its_channel() {
    let server = Server::start().await;
    let mut socket = connect(&server, "exec?command=cat&stdin=true&stdout=true", "v5.channel.k8s.io").await;
    socket.send(binary(b"\x00hello ")).await.unwrap();
    socket.send(binary(b"\x00world")).await.unwrap();
    socket.send(binary(&[255, 0])).await.unwrap();
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[1], b"hello world");
    assert_eq!(channels[3], br#"{"metadata":{},"status":"Success"}"#);
}

#[tokio::test]
async fn much_output_arrives_before_the_status() {
    let server = Server::start().await;
    let mut socket = connect(&server, "exec?command=big&stdout=true", "v5.channel.k8s.io").await;
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[1].len(), BIG);
    assert_eq!(channels[3], br#"{"metadata":{},"status":"Success"}"#);
}

#[tokio::test]
async fn terminals_are_resized() {
    let server = Server::start().await;
    let query = "exec?command=size&stdin=true&stdout=true&stderr=true&tty=true";
    let mut socket = connect(&server, query, "v5.channel.k8s.io").await;
    socket.send(binary(b"\x04{\"Width\":123,\"Height\":45}")).await.unwrap();
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[1], b"123x45\n");
}

#[tokio::test]
async fn errors_of_the_node_are_told() {
    let server = Server::start().await;
    let mut socket = connect(&server, "exec?command=nothing&stdout=true", "v5.channel.k8s.io").await;
    let (channels, _) = read_all(&mut socket).await;
    let status: serde_json::Value = serde_json::from_slice(&channels[3]).unwrap();
    assert_eq!((&status["status"], &status["message"]), (&"Failure".into(), &"no such command".into()));
}

#[tokio::test]
async fn base64_clients_are_served() {
    let server = Server::start().await;
    let query = "exec?command=cat&stdin=true&stdout=true";
    let mut socket = connect(&server, query, "v4.base64.channel.k8s.io").await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Text("1".into()));
    socket.send(Message::Text("0aGVsbG8=".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Text("1aGVsbG8=".into()));
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_command() {
    let server = Server::start().await;
    let mut socket = connect(&server, "exec?command=hang&stdout=true", "v5.channel.k8s.io").await;
    server.is_waiting().await;
    assert!(socket.next().await.is_some());
    drop(socket);
    server.node.dropped.cancelled().await;
}

#[tokio::test]
async fn attach_is_served() {
    let server = Server::start().await;
    let mut socket = connect(&server, "attach?stdin=true&stdout=true", "v5.channel.k8s.io").await;
    socket.send(binary(b"\x00x")).await.unwrap();
    socket.send(binary(&[255, 0])).await.unwrap();
    let (channels, _) = read_all(&mut socket).await;
    assert_eq!(channels[1], b"attached\nx");
}

#[tokio::test]
async fn bad_requests_get_a_status() {
    let server = Server::start().await;
    let base = format!("ws://{}/api/v1/namespaces/default/pods/web", server.address);
    for (path, code) in [("exec?command=x", 400), ("exec?stdout=true", 400), ("portforward", 400)] {
        let error = connect_async(format!("{base}/{path}")).await.unwrap_err().to_string();
        assert!(error.contains(&code.to_string()), "{path}: {error}");
    }
    let mut request = format!("{base}/exec?command=x&stdout=true").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "v9.channel.k8s.io".parse().unwrap());
    assert!(connect_async(request).await.unwrap_err().to_string().contains("400"));
}

#[tokio::test]
async fn ports_are_forwarded_over_plain_channels() {
    let server = Server::start().await;
    let path = format!("portforward?ports={ECHO_PORT},9");
    let mut socket = connect(&server, &path, "v4.channel.k8s.io").await;
    socket.send(binary(b"\x00hello")).await.unwrap();
    let mut channels: [Vec<u8>; 4] = Default::default();
    let refused = b"\x09\x00error forwarding port 9 to pod web, uid u: connection refused";
    while channels[0].len() < 7 || channels[3].len() < refused.len() {
        let bytes = socket.next().await.unwrap().unwrap().into_data();
        channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
    }
    assert_eq!(channels[0], b"\x07\x00hello");
    assert_eq!(channels[1], b"\x07\x00");
    assert_eq!(channels[3], refused);
}
