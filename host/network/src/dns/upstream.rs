//! The node's own name servers, for names outside the cluster. Questions pass through unchanged.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(2);
/// The TC bit: the answer did not fit, ask again over TCP.
const TRUNCATED: u8 = 0x02;

pub struct Servers(Vec<SocketAddr>);

impl Servers {
    /// From `/etc/resolv.conf`, or systemd-resolved's own list behind its stub; never ourselves.
    pub fn of_this_node(ourselves: IpAddr) -> Servers {
        let read = |path: &str| servers(&std::fs::read_to_string(path).unwrap_or_default());
        let mut found = read("/etc/resolv.conf");
        if found.iter().all(IpAddr::is_loopback) {
            let behind = read("/run/systemd/resolve/resolv.conf");
            if !behind.is_empty() {
                found = behind;
            }
        }
        Servers(found.into_iter().filter(|ip| *ip != ourselves).map(|ip| SocketAddr::new(ip, 53)).collect())
    }

    /// The first answer, server after server.
    pub async fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the node has no name server");
        for server in &self.0 {
            match tokio::time::timeout(PATIENCE, exchange(*server, question)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{server} did not answer")),
            }
        }
        Err(last)
    }
}

async fn exchange(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let local: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let n = socket.recv(&mut answer).await?;
        if n >= 12 && answer[..2] == question[..2] {
            answer.truncate(n);
            break;
        }
    }
    if answer[2] & TRUNCATED != 0 { over_tcp(server, question).await } else { Ok(answer) }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; stream.read_u16().await? as usize];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn servers(resolv_conf: &str) -> Vec<IpAddr> {
    let words = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    words.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
}
