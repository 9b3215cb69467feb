//! Times as the API writes them.

use jiff::Timestamp;

/// `metav1.Time`: RFC 3339, whole seconds.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`.
pub fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The same from milliseconds since the epoch.
pub fn seconds_of_ms(ms: i64) -> String {
    seconds(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
}

pub fn now() -> String {
    seconds(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_two_precisions() {
        let at: Timestamp = "2026-11-21T12:00:00.123456789Z".parse().unwrap();
        assert_eq!(seconds(at), "2026-11-21T12:00:00Z");
        assert_eq!(micros(at), "2026-11-21T12:00:00.123456Z");
        assert_eq!(seconds_of_ms(0), "1970-01-01T00:00:00Z");
    }
}
