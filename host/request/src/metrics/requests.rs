//! Requests to the API, under upstream's names (`k8s.io/apiserver/pkg/endpoints/metrics`).

use std::time::Instant;

use orch_client::{Resource, Target};
use orch_object::Kinds;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// In seconds; upstream's.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];
/// Sub-resources that connect to something.
const CONNECTS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

/// What a request is about, in words of which there are only so many: a client cannot add to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct About {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    component: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    #[prometheus(flatten)]
    about: About,
    dry_run: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    #[prometheus(flatten)]
    asked: Asked,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestKind {
    request_kind: &'static str,
}

type Histograms = Family<Asked, Histogram, fn() -> Histogram>;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests {
    total: Family<Answered, Counter>,
    durations: Histograms,
    inflight: Family<RequestKind, Gauge>,
    lasting: Family<About, Gauge>,
}

impl Default for Requests {
    fn default() -> Self {
        Requests {
            total: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            inflight: Family::default(),
            lasting: Family::default(),
        }
    }
}

impl Requests {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "apiserver_request",
            "Requests by verb, dry run, resource, scope and code of the answer",
            self.total.clone(),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "How long requests took to answer, by verb, dry run, resource and scope",
            self.durations.clone(),
        );
        registry.register(
            "apiserver_current_inflight_requests",
            "Requests being answered, without those that are meant to last",
            self.inflight.clone(),
        );
        registry.register(
            "apiserver_longrunning_requests",
            "Watches, logs and connections under way",
            self.lasting.clone(),
        );
    }

    /// The request begins.
    pub fn begin(&self, about: About, dry_run: &'static str) -> Timing {
        let current = match about.lasts() {
            true => self.lasting.get_or_create(&about).clone(),
            false => self.inflight.get_or_create(&RequestKind { request_kind: about.kind() }).clone(),
        };
        current.inc();
        let asked = Asked { about, dry_run };
        Timing { requests: self.clone(), asked, started: Instant::now(), code: None, current }
    }
}

/// A request under way; counted when it is dropped, if it was answered by then.
pub(crate) struct Timing {
    requests: Requests,
    asked: Asked,
    started: Instant,
    code: Option<u16>,
    current: Gauge,
}

impl Timing {
    pub fn answered(&mut self, code: u16) {
        self.code = Some(code);
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        self.current.dec();
        let Some(code) = self.code else { return };
        self.requests.durations.get_or_create(&self.asked).observe(self.started.elapsed().as_secs_f64());
        let answered = Answered { asked: self.asked.clone(), code };
        self.requests.total.get_or_create(&answered).inc();
    }
}

impl About {
    /// Of a resource. One that nobody serves has no name here.
    pub fn resource(kinds: &Kinds, verb: &str, target: &Target) -> About {
        let Target { resource: Resource { group, version, plural }, namespace, name, subresource } = target;
        let Some(kind) = kinds.by_plural(group, version, plural) else {
            return About { verb: method(verb, ""), ..About::path("") };
        };
        let known = CONNECTS.contains(&subresource.as_ref()) || kind.has_subresource(subresource);
        let scope = match (name.is_empty() && verb != "create", namespace) {
            (false, _) => "resource",
            (true, Some(_)) => "namespace",
            (true, None) => "cluster",
        };
        About {
            verb: method(verb, subresource),
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: kind.plural.clone(),
            subresource: if known || subresource.is_empty() { subresource.clone() } else { "unknown".into() },
            scope,
            component: "apiserver",
        }
    }

    /// Of anything else; told apart are those that machines ask again and again.
    pub fn path(path: &str) -> About {
        let path = path.trim_end_matches('/');
        let known = ["/healthz", "/livez", "/readyz", "/metrics"].contains(&path);
        let subresource = if known { path.to_string() } else { String::new() };
        About { verb: "GET", subresource, component: "apiserver", ..About::default() }
    }

    /// An apply is told apart from other patches.
    pub fn applies(mut self) -> About {
        if self.verb == "PATCH" {
            self.verb = "APPLY";
        }
        self
    }

    fn lasts(&self) -> bool {
        matches!(self.verb, "WATCH" | "CONNECT")
    }

    fn kind(&self) -> &'static str {
        if matches!(self.verb, "GET" | "LIST" | "WATCH") { "readOnly" } else { "mutating" }
    }
}

fn method(verb: &str, subresource: &str) -> &'static str {
    if CONNECTS.contains(&subresource) {
        return "CONNECT";
    }
    match verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(verb: &str, target: Target) -> [String; 4] {
        let About { verb, resource, subresource, scope, .. } =
            About::resource(&Kinds::builtin(), verb, &target);
        [verb.into(), resource, subresource, scope.into()]
    }

    #[test]
    fn requests_are_named_as_upstream_does() {
        let pods = Resource::core("pods");
        let pod = || Target::named(&pods, "default", "web");
        assert_eq!(about("list", Target::all(&pods)), ["LIST", "pods", "", "cluster"]);
        assert_eq!(about("watch", Target::within(&pods, "default")), ["WATCH", "pods", "", "namespace"]);
        assert_eq!(about("create", Target::within(&pods, "default")), ["POST", "pods", "", "resource"]);
        assert_eq!(about("get", pod()), ["GET", "pods", "", "resource"]);
        assert_eq!(about("create", pod().subresource("exec")), ["CONNECT", "pods", "exec", "resource"]);
        assert_eq!(about("update", pod().subresource("status")), ["PUT", "pods", "status", "resource"]);
    }

    #[test]
    fn clients_cannot_invent_names() {
        let pods = Resource::core("pods");
        let odd = Target::named(&pods, "default", "web").subresource("mine");
        assert_eq!(about("get", odd), ["GET", "pods", "unknown", "resource"]);
        assert_eq!(about("list", Target::all(&Resource::core("mine"))), ["LIST", "", "", ""]);
        assert_eq!(about("mine", Target::all(&pods))[0], "other");
        assert_eq!(About::path("/mine").subresource, "");
        assert_eq!(About::path("/metrics").subresource, "/metrics");
    }

    #[test]
    fn a_request_is_counted_when_it_is_over() {
        let requests = Requests::default();
        let mut timing = requests.begin(About::path("/healthz"), "");
        let current = requests.inflight.get_or_create(&RequestKind { request_kind: "readOnly" }).clone();
        assert_eq!(current.get(), 1);
        timing.answered(200);
        let answered = Answered { asked: timing.asked.clone(), code: 200 };
        drop(timing);
        assert_eq!((current.get(), requests.total.get_or_create(&answered).get()), (0, 1));
        // Nobody heard the answer.
        drop(requests.begin(About::path("/healthz"), ""));
        assert_eq!((current.get(), requests.total.get_or_create(&answered).get()), (0, 1));
    }
}
