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

/// Whether the name could be an image's: small letters, digits and separators, of a bearable length.
pub fn is_well_formed(reference: &str) -> bool {
    const LONGEST: usize = 255;
    let name = reference.split('@').next().unwrap_or(reference);
    let (path, last) = name.rsplit_once('/').map_or(("", name), |(path, last)| (path, last));
    let last = last.rsplit_once(':').map_or(last, |(last, _)| last);
    let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    // The first part may be a registry with capitals and a port.
    let rest = path.split_once('/').map_or("", |(_, rest)| rest);
    !last.is_empty()
        && path.len() + last.len() < LONGEST
        && last.chars().all(small)
        && rest.chars().all(|c| small(c) || c == '/')
}

#[cfg(test)]
mod tests {
    use super::{is_well_formed, tag};

    #[test]
    fn knows_what_can_be_pulled() {
        for good in ["busybox", "busybox:1", "Registry:5000/team/web@sha256:00", "a/b_c/d-e.f"] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["", "Not Valid!", "Busybox", "registry/Team/web:1", &"x".repeat(300)] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

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
