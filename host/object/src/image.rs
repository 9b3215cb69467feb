//! References to images: `registry.example:5000/team/web:1.2@sha256:…`.

/// The tag; `latest` when the reference has neither tag nor digest, `None` when it has a digest only.
pub fn tag(reference: &str) -> Option<&str> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let last = name.rsplit('/').next().unwrap_or(name);
    match (last.rsplit_once(':'), digest) {
        (Some((_, tag)), _) => Some(tag),
        (None, Some(_)) => None,
        (None, None) => Some("latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn finds_tags() {
        assert_eq!(tag("busybox"), Some("latest"));
        assert_eq!(tag("busybox:1.36"), Some("1.36"));
        assert_eq!(tag("registry.example:5000/busybox"), Some("latest"));
        assert_eq!(tag("registry.example:5000/team/busybox:v2"), Some("v2"));
        assert_eq!(tag("busybox@sha256:00"), None);
        assert_eq!(tag("busybox:1@sha256:00"), Some("1"));
    }
}
