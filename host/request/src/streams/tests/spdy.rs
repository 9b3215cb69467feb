use std::collections::HashMap;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::fake::{BIG, ECHO_PORT, Server};
use crate::streams::spdy::{Frame, FrameCodec, HeaderCompressor, HeaderDecompressor};

struct Client {
    read: FramedRead<OwnedReadHalf, FrameCodec>,
    write: FramedWrite<OwnedWriteHalf, FrameCodec>,
    out: HeaderCompressor,
    back: HeaderDecompressor,
    next: u32,
}

async fn upgrade(server: &Server, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request =
        format!("POST /api/v1/namespaces/default/pods/web/{path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

const SWITCH: &str = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n";

impl Client {
    async fn connect(server: &Server, path: &str, protocol: &str) -> Self {
        let headers = format!("{SWITCH}X-Stream-Protocol-Version: {protocol}\r\n");
        let (stream, head) = upgrade(server, path, &headers).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains(&format!("x-stream-protocol-version: {protocol}\r\n")), "{head}");
        let (read, write) = stream.into_split();
        Client {
            read: FramedRead::new(read, FrameCodec),
            write: FramedWrite::new(write, FrameCodec),
            out: HeaderCompressor::new().unwrap(),
            back: HeaderDecompressor::new(),
            next: 1,
        }
    }

    async fn open(&mut self, headers: &[(&str, &str)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let headers = self.out.compress(&headers).unwrap();
        self.write.send(Frame::SynStream { stream, fin: false, headers }).await.unwrap();
        match self.read.next().await.unwrap().unwrap() {
            Frame::SynReply { stream: answered, headers, .. } => {
                assert_eq!(answered, stream);
                self.back.decompress(&headers).unwrap();
            }
            other => panic!("{other:?}"),
        }
        stream
    }

    async fn streams(&mut self, kinds: &[&str]) -> Vec<u32> {
        let mut streams = Vec::new();
        for kind in kinds {
            streams.push(self.open(&[("streamtype", kind)]).await);
        }
        streams
    }

    async fn send(&mut self, stream: u32, fin: bool, data: &[u8]) {
        self.write.send(Frame::Data { stream, fin, data: Bytes::copy_from_slice(data) }).await.unwrap();
    }

    /// All data by stream until GOAWAY; each stream must be finished by then.
    async fn read_all(&mut self, streams: &[u32]) -> HashMap<u32, Vec<u8>> {
        let mut data: HashMap<u32, Vec<u8>> = HashMap::new();
        let mut finished = Vec::new();
        loop {
            match self.read.next().await.unwrap().unwrap() {
                Frame::Data { stream, fin, data: bytes } => {
                    assert!(!finished.contains(&stream), "data behind the end of {stream}");
                    data.entry(stream).or_default().extend_from_slice(&bytes);
                    finished.extend(fin.then_some(stream));
                }
                Frame::GoAway { .. } => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(streams.iter().all(|stream| finished.contains(stream)), "{finished:?}");
        data
    }
}

const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;

#[tokio::test]
async fn a_command_runs_over_its_streams() {
    let server = Server::start().await;
    let path = "exec?command=cat&stdin=true&stdout=true&stderr=true";
    let mut client = Client::connect(&server, path, "v4.channel.k8s.io").await;
    let streams = client.streams(&["error", "stdin", "stdout", "stderr"]).await;
    client.send(streams[1], false, b"hello ").await;
    client.send(streams[1], true, b"world").await;
    let data = client.read_all(&streams).await;
    assert_eq!(data[&streams[2]], b"hello world");
    assert_eq!(data[&streams[0]], SUCCESS);
}

#[tokio::test]
async fn much_output_arrives_before_the_status() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "exec?command=big&stdout=true", "v4.channel.k8s.io").await;
    let streams = client.streams(&["error", "stdout"]).await;
    let data = client.read_all(&streams).await;
    assert_eq!(data[&streams[1]].len(), BIG);
    assert_eq!(data[&streams[0]], SUCCESS);
}

#[tokio::test]
async fn exit_codes_and_sizes() {
    let server = Server::start().await;
    let path = "exec?command=fail&command=7&stdout=true&stderr=true";
    let mut client = Client::connect(&server, path, "v4.channel.k8s.io").await;
    let streams = client.streams(&["error", "stdout", "stderr"]).await;
    let data = client.read_all(&streams).await;
    assert_eq!(data[&streams[2]], b"oops\n");
    let status: serde_json::Value = serde_json::from_slice(&data[&streams[0]]).unwrap();
    assert_eq!(status["details"]["causes"][0]["message"], "7");

    let path = "exec?command=size&stdin=true&stdout=true&tty=true";
    let mut client = Client::connect(&server, path, "v4.channel.k8s.io").await;
    let streams = client.streams(&["error", "stdin", "stdout", "resize"]).await;
    client.send(streams[3], false, b"{\"Width\":80,").await;
    client.send(streams[3], false, b"\"Height\":24}\n").await;
    let data = client.read_all(&streams[..3]).await;
    assert_eq!(data[&streams[2]], b"80x24\n");
}

#[tokio::test]
async fn pings_come_back_and_a_client_that_leaves_ends_the_command() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "exec?command=hang&stdout=true", "v4.channel.k8s.io").await;
    client.streams(&["error", "stdout"]).await;
    server.is_waiting().await;
    client.write.send(Frame::Ping { id: 3 }).await.unwrap();
    loop {
        match client.read.next().await.unwrap().unwrap() {
            Frame::Ping { id } => break assert_eq!(id, 3),
            Frame::Data { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    drop(client);
    server.node.dropped.cancelled().await;
}

#[tokio::test]
async fn unknown_streams_are_refused() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "exec?command=cat&stdout=true", "v4.channel.k8s.io").await;
    let headers = client.out.compress(&[("streamtype".to_owned(), "video".to_owned())]).unwrap();
    client.write.send(Frame::SynStream { stream: 1, fin: false, headers }).await.unwrap();
    assert!(matches!(client.read.next().await.unwrap().unwrap(), Frame::RstStream { stream: 1, code: 3 }));
}

#[tokio::test]
async fn upgrades_are_negotiated() {
    let server = Server::start().await;
    let path = "exec?command=echo&stdout=true";
    let (_, head) = upgrade(&server, path, "Content-Length: 0\r\n").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let wrong = format!("{SWITCH}X-Stream-Protocol-Version: v9.channel.k8s.io\r\n");
    let (_, head) = upgrade(&server, path, &wrong).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(head.contains("x-accepted-stream-protocol-versions: v4.channel.k8s.io\r\n"), "{head}");
    let several =
        format!("{SWITCH}X-Stream-Protocol-Version: v9\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n");
    let (_, head) = upgrade(&server, path, &several).await;
    assert!(head.contains("x-stream-protocol-version: v3.channel.k8s.io\r\n"), "{head}");
}

async fn pair(client: &mut Client, port: u16, request: &str) -> (u32, u32) {
    let port = port.to_string();
    let error = client.open(&[("streamtype", "error"), ("port", &port), ("requestid", request)]).await;
    let data = client.open(&[("streamtype", "data"), ("port", &port), ("requestid", request)]).await;
    (error, data)
}

#[tokio::test]
async fn ports_are_forwarded_side_by_side() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "portforward", "portforward.k8s.io").await;
    let (error_a, a) = pair(&mut client, ECHO_PORT, "0").await;
    let (error_b, b) = pair(&mut client, ECHO_PORT, "1").await;
    for error in [error_a, error_b] {
        client.send(error, true, b"").await;
    }
    client.send(a, false, b"aaa").await;
    client.send(b, true, b"bbb").await;
    client.send(a, true, b"AAA").await;
    let mut data: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut open = vec![error_a, a, error_b, b];
    while !open.is_empty() {
        match client.read.next().await.unwrap().unwrap() {
            Frame::Data { stream, fin, data: bytes } => {
                data.entry(stream).or_default().extend_from_slice(&bytes);
                open.retain(|s| !(fin && *s == stream));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((&data[&a][..], &data[&b][..]), (&b"aaaAAA"[..], &b"bbb"[..]));
    assert_eq!((&data[&error_a][..], &data[&error_b][..]), (&b""[..], &b""[..]));
}

#[tokio::test]
async fn refused_ports_are_told_on_the_error_stream() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "portforward", "portforward.k8s.io").await;
    let (error, _) = pair(&mut client, 9, "0").await;
    let mut message = Vec::new();
    loop {
        match client.read.next().await.unwrap().unwrap() {
            Frame::Data { stream, data, fin } if stream == error => {
                message.extend_from_slice(&data);
                if fin {
                    break;
                }
            }
            Frame::Data { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let expected = "error forwarding port 9 to pod web, uid u: connection refused";
    assert_eq!(String::from_utf8(message).unwrap(), expected);
}
