use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fake::Server;

async fn request(server: &Server, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /api/v1/namespaces/default/pods/web/log?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(server: &Server, query: &str) -> String {
    let mut text = String::new();
    request(server, query).await.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn lines_come_as_plain_text() {
    let server = Server::start().await;
    let text = answer(&server, "tailLines=2").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: text/plain\r\n"), "{text}");
    assert!(text.contains("line 4\n") && text.contains("line 5\n") && !text.contains("line 3\n"), "{text}");
}

#[tokio::test]
async fn refusals_are_a_status() {
    let server = Server::start().await;
    let text = answer(&server, "previous=true").await;
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert!(text.contains(r#""kind":"Status""#), "{text}");
    assert!(answer(&server, "tailLines=-1").await.starts_with("HTTP/1.1 422 "));
}

#[tokio::test]
async fn a_follower_that_leaves_is_noticed() {
    let server = Server::start().await;
    let mut stream = request(&server, "follow=true").await;
    let mut buffer = [0; 64];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    server.is_waiting().await;
    drop(stream);
    server.node.dropped.cancelled().await;
}
