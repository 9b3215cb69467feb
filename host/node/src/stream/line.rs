//! One line of a log file in the CRI format: `TIME stdout|stderr F|P CONTENT`. Pure.

use jiff::Timestamp;

#[derive(Debug, PartialEq)]
pub struct Line<'a> {
    pub time: &'a str,
    /// The line goes on in the next one.
    pub partial: bool,
    pub content: &'a [u8],
}

/// `None`: not a line of that format.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let _stream = parts.next()?;
    let tags = parts.next()?;
    let content = parts.next().unwrap_or_default();
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    Some(Line { time, partial: tags.split(|byte| *byte == b':').any(|tag| tag == b"P"), content })
}

impl Line<'_> {
    pub fn time_ms(&self) -> Option<i64> {
        self.time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_full_and_partial_lines() {
        let line = parse(b"2026-11-21T12:00:00.5Z stdout F hello  world\n").unwrap();
        assert_eq!((line.content, line.partial), (&b"hello  world"[..], false));
        assert_eq!(
            line.time_ms(),
            Some("2026-11-21T12:00:00.5Z".parse::<Timestamp>().unwrap().as_millisecond())
        );
        assert!(parse(b"t stderr P x\n").unwrap().partial);
        assert_eq!(parse(b"t stdout F \n").unwrap().content, b"");
        assert_eq!(parse(b"garbage\n"), None);
    }
}
