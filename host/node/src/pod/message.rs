//! A container's last words.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const FILE_BYTES: u64 = 4096;
const LOG_BYTES: u64 = 2048;
const LOG_LINES: usize = 80;

/// What the container wrote to `terminationMessagePath`, or, when it failed without a word and the
/// policy says so, the end of its log.
pub fn read(file: &Path, log: &Path, fall_back_to_log: bool) -> Option<String> {
    let written = head(file, FILE_BYTES).filter(|text| !text.is_empty());
    written.or_else(|| fall_back_to_log.then(|| log_tail(log))?)
}

fn head(path: &Path, most: u64) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn log_tail(log: &Path) -> Option<String> {
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    // Every line carries a prefix of about forty bytes that is not counted.
    let window = LOG_BYTES + LOG_LINES as u64 * 48;
    file.seek(SeekFrom::Start(length.saturating_sub(window))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if length > window && !lines.is_empty() {
        lines.remove(0);
    }
    let joined: String = lines.iter().rev().take(LOG_LINES).rev().filter_map(|line| content(line)).collect();
    let mut start = joined.len().saturating_sub(LOG_BYTES as usize);
    while !joined.is_char_boundary(start) {
        start += 1;
    }
    Some(joined[start..].to_string()).filter(|text| !text.is_empty())
}

/// A log line's words, with a newline unless the line goes on (or the container ended within it).
fn content(line: &str) -> Option<String> {
    let mut parts = line.splitn(4, ' ').skip(2);
    let end = if parts.next()? == "P" { "" } else { "\n" };
    Some(format!("{}{end}", parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_wins_over_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let (file, log) = (dir.path().join("m"), dir.path().join("l"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&log, "t stdout F one\nt stderr F two words\n").unwrap();
        assert_eq!(read(&file, &log, true), Some("one\ntwo words\n".into()));
        assert_eq!(read(&file, &log, false), None);
        std::fs::write(&log, "t stdout F one\nt stdout P no\nt stdout P newline\n").unwrap();
        assert_eq!(read(&file, &log, true), Some("one\nnonewline".into()));
        std::fs::write(&file, "last words").unwrap();
        assert_eq!(read(&file, &log, true), Some("last words".into()));
    }
}
