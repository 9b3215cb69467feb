//! In whose name a request comes (`k8s.io/client-go/transport`, authenticating proxy).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use orch_client::Identity;

const USER: HeaderName = HeaderName::from_static("x-remote-user");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const EXTRA: &str = "x-remote-extra-";

/// Says who asks, and takes out what the client said about that.
pub fn speak_for(identity: &Identity, headers: &mut HeaderMap) {
    let said: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name == "authorization" || name.starts_with("x-remote-") || name.starts_with("impersonate-")
        })
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
    debug_assert!(!headers.contains_key(header::AUTHORIZATION));
    let mut say = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    };
    say(USER, &identity.name);
    if !identity.uid.is_empty() {
        say(UID, &identity.uid);
    }
    for group in &identity.groups {
        say(GROUP, group);
    }
    for (key, values) in &identity.extra {
        let Ok(name) = HeaderName::from_bytes(format!("{EXTRA}{}", escaped(key)).as_bytes()) else {
            continue;
        };
        for value in values {
            say(name.clone(), value);
        }
    }
}

/// What no header's name may contain is percent-encoded.
fn escaped(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let encoded = key.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_says_who_asks() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-remote-group", "x-remote-extra-a", "impersonate-user", "accept"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("forged"));
        }
        let identity = Identity {
            name: "jane".into(),
            groups: vec!["a".into(), "b".into()],
            extra: vec![("example.com/scope".into(), vec!["x".into()])],
            ..Identity::default()
        };
        speak_for(&identity, &mut headers);
        let groups: Vec<&HeaderValue> = headers.get_all(GROUP).iter().collect();
        assert_eq!(groups, ["a", "b"]);
        assert_eq!(
            (&headers["x-remote-user"], &headers["x-remote-extra-example.com%2fscope"]),
            (&HeaderValue::from_static("jane"), &HeaderValue::from_static("x"))
        );
        assert_eq!(headers.keys().filter(|name| headers[*name] == "forged").count(), 1, "{headers:?}");
    }
}
