//! The cluster's name server: answers for Services and pods, asks the node's own servers for the rest.

mod upstream;
mod zone;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use orch_client::informer::{self, Event};
use orch_client::{Client, ListOptions, Resource, Target};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::NetworkError;
use zone::{Answer, Asked, Data, SliceIndex, Zone};

/// Seconds that answers about the cluster may be kept; upstream's CoreDNS says 5 to 30.
const TTL: u32 = 5;
const TCP_PATIENCE: Duration = Duration::from_secs(10);

/// Sockets bound, so that the caller can publish where the server is before it serves.
pub struct Dns {
    udp: UdpSocket,
    tcp: TcpListener,
    pub address: SocketAddr,
}

impl Dns {
    /// Port 53 of the address, or any free port when that is taken.
    pub async fn bind(ip: std::net::IpAddr) -> Result<Dns, NetworkError> {
        let failed = |error| NetworkError { what: format!("DNS on {ip}"), message: format!("{error}") };
        for port in [53, 0] {
            let udp = match UdpSocket::bind((ip, port)).await {
                Err(error) if port == 53 && error.kind() == std::io::ErrorKind::AddrInUse => continue,
                other => other.map_err(failed)?,
            };
            let address = udp.local_addr().map_err(failed)?;
            match TcpListener::bind(address).await {
                Ok(tcp) => return Ok(Dns { udp, tcp, address }),
                Err(error) if port == 53 && error.kind() == std::io::ErrorKind::AddrInUse => continue,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(NetworkError { what: format!("DNS on {ip}"), message: "no free port".into() })
    }

    /// Serves until stopped.
    pub async fn serve(self, client: Arc<dyn Client>, domain: String, stop: CancellationToken) {
        let watch = |resource: Resource| {
            informer::start(client.clone(), Target::all(&resource), ListOptions::default(), stop.clone())
        };
        let (services, mut service_events) = watch(Resource::core("services"));
        let (_, mut slice_events) = watch(Resource::new("discovery.k8s.io", "v1", "endpointslices"));
        let slices = SliceIndex::default();
        let index = slices.clone();
        tokio::spawn(async move { while service_events.recv().await.is_some() {} });
        tokio::spawn(async move {
            while let Some(event) = slice_events.recv().await {
                keep(&index, event);
            }
        });
        let zone = Zone { domain, services, slices };
        let mut server =
            Server::new(Handler { zone, upstream: upstream::Servers::of_this_node(self.address.ip()) });
        server.register_socket(self.udp);
        server.register_listener(self.tcp, TCP_PATIENCE, 16);
        stop.cancelled().await;
        let _ = server.shutdown_gracefully().await;
    }
}

fn keep(index: &SliceIndex, event: Event) {
    let (slice, gone) = match event {
        Event::Added(now) | Event::Modified { now, .. } => (now, false),
        Event::Deleted(last) => (last, true),
        Event::Synced => return,
    };
    let meta = &slice["metadata"];
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let service = (word(&meta["namespace"]), word(&meta["labels"]["kubernetes.io/service-name"]));
    let mut index = index.write();
    let slices = index.entry(service.clone()).or_default();
    if gone {
        slices.remove(&word(&meta["name"]));
        if slices.is_empty() {
            index.remove(&service);
        }
    } else {
        slices.insert(word(&meta["name"]), slice);
    }
}

struct Handler {
    zone: Zone,
    upstream: upstream::Servers,
}

/// A reply without its header.
#[derive(Default)]
struct Reply {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut out: R,
    ) -> ResponseInfo {
        let reply = self.reply(request).await;
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.authoritative;
        metadata.recursion_available = true;
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            &reply.answers,
            &reply.authorities,
            &[],
            &reply.additionals,
        );
        match out.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a DNS answer was not sent");
                ResponseInfo::from(metadata_header(metadata))
            }
        }
    }
}

fn metadata_header(metadata: Metadata) -> hickory_proto::op::Header {
    hickory_proto::op::Header { metadata, counts: Default::default() }
}

impl Handler {
    async fn reply(&self, request: &Request) -> Reply {
        let Ok(info) = request.request_info() else {
            return Reply { code: ResponseCode::FormErr, ..Reply::default() };
        };
        let name = info.query.name().to_string().to_lowercase();
        let asked = match info.query.query_type() {
            RecordType::A => Asked::A,
            RecordType::SRV => Asked::Srv,
            RecordType::PTR => Asked::Ptr,
            RecordType::ANY => Asked::Any,
            _ => Asked::Other,
        };
        match self.zone.answer(name.trim_end_matches('.'), asked) {
            Answer::Records(records) => {
                let answers: Vec<Record> =
                    records.iter().filter_map(|(owner, data)| record(owner, data)).collect();
                let authorities = if answers.is_empty() { self.start_of_authority() } else { Vec::new() };
                Reply { authoritative: true, answers, authorities, ..Reply::default() }
            }
            Answer::NoSuchName => Reply {
                code: ResponseCode::NXDomain,
                authoritative: true,
                authorities: self.start_of_authority(),
                ..Reply::default()
            },
            Answer::Elsewhere => self.ask_upstream(request).await,
        }
    }

    async fn ask_upstream(&self, request: &Request) -> Reply {
        let answer = self.upstream.ask(request.as_slice()).await.and_then(|bytes| {
            Message::from_vec(&bytes).map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
        });
        match answer {
            Ok(message) => Reply {
                code: message.metadata.response_code,
                authoritative: false,
                answers: message.answers,
                authorities: message.authorities,
                additionals: message.additionals,
            },
            Err(error) => {
                tracing::debug!(%error, "no upstream name server answered");
                Reply { code: ResponseCode::ServFail, ..Reply::default() }
            }
        }
    }

    fn start_of_authority(&self) -> Vec<Record> {
        let domain = &self.zone.domain;
        let (Ok(zone), Ok(server), Ok(contact)) = (
            Name::from_ascii(format!("{domain}.")),
            Name::from_ascii(format!("ns.dns.{domain}.")),
            Name::from_ascii(format!("hostmaster.{domain}.")),
        ) else {
            return Vec::new();
        };
        let soa = SOA::new(server, contact, 1, 7200, 1800, 86400, TTL);
        vec![Record::from_rdata(zone, TTL, RData::SOA(soa))]
    }
}

fn record(owner: &str, data: &Data) -> Option<Record> {
    let name = |text: &str| Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).ok();
    let data = match data {
        Data::A(ip) => RData::A(A(*ip)),
        Data::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        Data::Ptr(target) => RData::PTR(PTR(name(target)?)),
        Data::Srv(port, target) => RData::SRV(SRV::new(0, 100, *port, name(target)?)),
    };
    Some(Record::from_rdata(name(owner)?, TTL, data))
}
