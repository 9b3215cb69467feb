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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    pub form: Form,
    pub format: Format,
    /// Indented, for people.
    pub pretty: bool,
}

/// Upstream's list of what it offers, for the 406.
const OFFERED: &str = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";

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

    /// `None`: cannot be served.
    fn accepted(&self) -> Option<Accepted> {
        let format = match self.media.as_str() {
            "application/json" | "*/*" | "application/*" | "text/html" | "text/plain" => Format::Json,
            "application/yaml" => Format::Yaml,
            _ => return None,
        };
        let form = match (self.parameter("as"), self.parameter("g"), self.parameter("v")) {
            ("", ..) => Form::Object,
            ("Table", "meta.k8s.io", "v1" | "v1beta1") => Form::Table,
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1" | "v1beta1") => {
                Form::Metadata
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Form::Discovery,
            _ => return None,
        };
        Some(Accepted { form, format, pretty: self.parameter("pretty") == "1" })
    }
}

/// The best of what the client reads; 406 when it reads nothing of ours.
pub fn accept(headers: &HeaderMap) -> Result<Accepted, Status> {
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
    // Stable: of equal quality the first named counts.
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
    let acceptable = || {
        let media = "application/json, application/yaml";
        Status::new(406, "NotAcceptable", format!("only the following media types are accepted: {media}"))
    };
    ranges.iter().filter(|r| r.quality > 0).find_map(MediaRange::accepted).ok_or_else(acceptable)
}

/// The media type of a body, without parameters; JSON when none is named.
pub fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim() {
        "" => "application/json".into(),
        media => media.to_ascii_lowercase(),
    }
}

/// 415, as upstream words it for protobuf where it has none (custom resources).
pub fn unsupported(media: &str) -> Status {
    tracing::debug!(media, "unsupported media type");
    Status::new(415, "UnsupportedMediaType", OFFERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Accepted, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, text.parse().unwrap());
        accept(&headers)
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
        assert_eq!(of(go).unwrap(), Accepted::default());
        assert_eq!(of("application/vnd.kubernetes.protobuf").unwrap_err().code, 406);
        assert_eq!(of("application/yaml").unwrap().format, Format::Yaml);
        assert_eq!(of("application/json;q=0.1, application/yaml").unwrap().format, Format::Yaml);
        assert_eq!(of("*/*").unwrap(), Accepted::default());
    }
}
