//! Image references as users write them, in their full form.

pub use oci_client::Reference;

use crate::runtime::RuntimeError;

/// `busybox` → `docker.io/library/busybox:latest`.
pub fn parse(reference: &str) -> Result<Reference, RuntimeError> {
    let invalid = |message: String| RuntimeError::InvalidImage { reference: reference.to_owned(), message };
    if reference.is_empty() || reference.trim() != reference {
        return Err(invalid("invalid reference format".to_owned()));
    }
    reference.parse().map_err(|e: oci_client::ParseError| {
        let message = e.to_string().to_lowercase();
        invalid(format!("invalid reference format: {message}"))
    })
}

/// `docker.io/library/busybox`
pub fn repository(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

/// The full name with its tag; `None` for a reference by digest alone.
pub fn tagged(reference: &Reference) -> Option<String> {
    let tag = match (reference.tag(), reference.digest()) {
        (Some(tag), _) => tag,
        (None, Some(_)) => return None,
        (None, None) => "latest",
    };
    Some(format!("{}:{tag}", repository(reference)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed() {
        let full = |text: &str| tagged(&parse(text).unwrap());
        assert_eq!(full("busybox").as_deref(), Some("docker.io/library/busybox:latest"));
        assert_eq!(full("me/app:1").as_deref(), Some("docker.io/me/app:1"));
        assert_eq!(full("127.0.0.1:5000/app").as_deref(), Some("127.0.0.1:5000/app:latest"));
        assert_eq!(full(&format!("app@sha256:{}", "a".repeat(64))), None);
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "UPPER", "a b", "busybox:", " busybox", "app@sha256:short"] {
            assert!(matches!(parse(bad), Err(RuntimeError::InvalidImage { .. })), "{bad}");
        }
    }
}
