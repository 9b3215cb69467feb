//! What the client can read (`Accept`) and what it sent (`Content-Type`).

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use orch_object::Status;

/// The shape of the answer's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    Object,
    /// `as=Table`
    Table,
    /// `as=PartialObjectMetadata`, `as=PartialObjectMetadataList`
    Metadata,
    /// `as=APIGroupDiscoveryList`
    Discovery,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Json,
    Yaml,
    Protobuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    pub form: Form,
    pub format: Format,
    /// Indented, for people.
    pub pretty: bool,
}

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// False where objects have JSON alone; their metadata has protobuf always.
    pub protobuf: bool,
    /// `as=Table`, `as=PartialObjectMetadata`
    pub transforms: bool,
    /// `as=APIGroupDiscoveryList`
    pub discovery: bool,
}

impl Offer {
    /// Documents of one form, and failures.
    pub const PLAIN: Offer = Offer { protobuf: true, transforms: false, discovery: false };
    pub const DISCOVERY: Offer = Offer { discovery: true, ..Offer::PLAIN };

    /// A kind's objects.
    pub fn objects(protobuf: bool) -> Offer {
        Offer { protobuf, transforms: true, discovery: false }
    }

    fn has(self, form: Form, format: Format) -> bool {
        match form {
            Form::Object => self.protobuf || format != Format::Protobuf,
            // Upstream's Table has no protobuf form.
            Form::Table => self.transforms && format != Format::Protobuf,
            Form::Metadata => self.transforms,
            Form::Discovery => self.discovery && format == Format::Json,
        }
    }
}

pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub const PROTOBUF_WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// What upstream says is acceptable, in its order.
const OFFERED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAMS: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

struct MediaRange {
    media: String,
    parameters: Vec<(String, String)>,
    /// Thousandths.
    quality: u32,
}

impl MediaRange {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<(String, String)> = parts
            .filter_map(|p| p.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').into()))
            .collect();
        let quality =
            parameters.iter().find(|(name, _)| name == "q").and_then(|(_, q)| q.parse::<f32>().ok());
        MediaRange { media, parameters, quality: (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32 }
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The formats it allows, the preferred one first.
    fn formats(&self) -> &'static [Format] {
        match self.media.as_str() {
            "application/json" => &[Format::Json],
            "application/yaml" => &[Format::Yaml],
            PROTOBUF => &[Format::Protobuf],
            "application/*" | "*/*" | "*" => &[Format::Json, Format::Yaml, Format::Protobuf],
            _ => &[],
        }
    }

    /// `None`: nothing of the kind exists.
    fn form(&self) -> Option<Form> {
        if !matches!(self.parameter("stream"), "" | "watch") {
            return None;
        }
        match (self.parameter("as"), self.parameter("g"), self.parameter("v")) {
            ("", "", "") => Some(Form::Object),
            ("Table", "meta.k8s.io", "v1" | "v1beta1") => Some(Form::Table),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1" | "v1beta1") => {
                Some(Form::Metadata)
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Form::Discovery),
            _ => None,
        }
    }

    /// `None`: cannot be served.
    fn accepted(&self, offer: Offer) -> Option<Accepted> {
        let form = self.form()?;
        let format = *self.formats().iter().find(|format| offer.has(form, **format))?;
        Some(Accepted { form, format, pretty: self.parameter("pretty") == "1" })
    }

    /// Of equal quality what is named exactly counts before what a wildcard covers.
    fn rank(&self) -> (std::cmp::Reverse<u32>, bool, bool) {
        let (main, sub) = self.media.split_once('/').unwrap_or((&self.media, "*"));
        (std::cmp::Reverse(self.quality), main == "*", sub == "*")
    }
}

/// The best of what the client reads; 406 when it reads nothing of ours.
pub fn accept(headers: &HeaderMap, offer: Offer) -> Result<Accepted, Status> {
    let texts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let mut ranges: Vec<MediaRange> = texts
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|t| !t.trim().is_empty())
        .map(MediaRange::parse)
        .collect();
    if ranges.is_empty() {
        return Ok(Accepted::default());
    }
    // Stable: of equal rank the first named counts.
    ranges.sort_by_key(MediaRange::rank);
    let mut served = ranges.iter().filter(|r| r.quality > 0).filter_map(|range| range.accepted(offer));
    served.next().ok_or_else(|| not_acceptable(OFFERED))
}

/// 406 for a watch in YAML, which has no frames.
pub fn no_stream() -> Status {
    not_acceptable(STREAMS)
}

fn not_acceptable(offered: &str) -> Status {
    Status::new(406, "NotAcceptable", format!("only the following media types are accepted: {offered}"))
}

/// The media type of a body, without parameters; JSON when none is named.
pub fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim() {
        "" => "application/json".into(),
        media => media.to_ascii_lowercase(),
    }
}

/// 415 for a body.
pub fn unsupported() -> Status {
    unsupported_of(OFFERED)
}

/// What patches of built-in kinds are written in.
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// What upstream's routes of built-in kinds refuse, in their words, before anybody looks at the request: a
/// patch in a form that is none, a client that reads nothing of what is written.
pub fn refused_by_route(headers: &HeaderMap, verb: &str) -> Option<Status> {
    let refusal = |code, reason: &str, message: String| {
        Some(Status { details: Some(serde_json::json!({})), ..Status::new(code, reason, message) })
    };
    if verb == "patch" && !PATCHES.contains(&content_type(headers).as_str()) {
        return refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type".into());
    }
    let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = texts.flat_map(|text| text.split(',')).map(MediaRange::parse).peekable();
    if ranges.peek().is_none() || ranges.any(|range| !range.formats().is_empty()) {
        return None;
    }
    let streams = if matches!(verb, "list" | "watch") { format!(", {STREAMS}") } else { String::new() };
    let message = format!("406: Not Acceptable\n\nAvailable representations: {OFFERED}{streams}");
    refusal(406, "NotAcceptable", message)
}

/// 415 for a patch of a custom resource.
pub fn unsupported_patch() -> Status {
    unsupported_of("application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
}

fn unsupported_of(offered: &str) -> Status {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {offered}");
    Status::new(415, "UnsupportedMediaType", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Accepted, Status> {
        offered(text, Offer { discovery: true, ..Offer::objects(true) })
    }

    fn offered(text: &str, offer: Offer) -> Result<Accepted, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, text.parse().unwrap());
        accept(&headers, offer)
    }

    #[test]
    fn what_clients_send() {
        let kubectl_get = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(of(kubectl_get).unwrap().form, Form::Table);
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(of(discovery).unwrap().form, Form::Discovery);
        // A client too old for v2 reads the plain form.
        let beta =
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(of(beta).unwrap().form, Form::Object);
        let go = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(of(go).unwrap().format, Format::Protobuf);
        assert_eq!(of("application/vnd.kubernetes.protobuf;stream=watch").unwrap().format, Format::Protobuf);
        assert_eq!(of("application/yaml").unwrap().format, Format::Yaml);
        assert_eq!(of("application/json;q=0.1, application/yaml").unwrap().format, Format::Yaml);
        assert_eq!(of("*/*, application/yaml").unwrap().format, Format::Yaml);
        assert_eq!(of("*/*").unwrap(), Accepted::default());
        for nothing in ["text/plain", "application/json;as=Nonsense", "application/json;stream=other"] {
            assert_eq!(of(nothing).unwrap_err().code, 406, "{nothing}");
        }
    }

    #[test]
    fn routes_refuse_what_nobody_reads_or_writes() {
        let refused = |name: http::HeaderName, text: &str, verb: &str| {
            let headers: HeaderMap = [(name, text.parse().unwrap())].into_iter().collect();
            refused_by_route(&headers, verb).map(|status| (status.code, status.message))
        };
        assert_eq!(refused(ACCEPT, "application/xml, application/yaml;q=0.1", "get"), None);
        assert_eq!(
            refused(ACCEPT, "application/json;as=Nonsense", "get"),
            None,
            "its form is looked at later"
        );
        let (code, message) = refused(ACCEPT, "text/html", "list").unwrap();
        assert_eq!(code, 406);
        assert!(message.starts_with("406: Not Acceptable\n\nAvailable representations: application/json, "));
        assert!(message.ends_with(";stream=watch"));
        assert_eq!(refused(CONTENT_TYPE, "text/plain", "patch").unwrap().0, 415);
        assert_eq!(refused(CONTENT_TYPE, "application/merge-patch+json", "patch"), None);
        assert_eq!(refused_by_route(&HeaderMap::new(), "get"), None);
    }

    #[test]
    fn protobuf_is_for_what_has_it() {
        let go = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(offered(go, Offer::objects(false)).unwrap().format, Format::Json);
        let refused = offered("application/vnd.kubernetes.protobuf", Offer::objects(false)).unwrap_err();
        assert_eq!(refused.code, 406);
        let metadata = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(offered(metadata, Offer::objects(false)).unwrap().format, Format::Protobuf);
        let table = "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1";
        assert_eq!(of(table).unwrap_err().code, 406);
    }
}
