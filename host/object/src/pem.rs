//! PEM (RFC 7468) as Go's `encoding/pem` reads it: what stands between blocks is passed over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes in a line of base64.
const LINE: usize = 64;

/// One `-----BEGIN LABEL-----` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub label: String,
    /// Whether `Key: value` lines stand before the data.
    pub has_headers: bool,
    pub bytes: Vec<u8>,
}

/// Every well-formed block, in order; malformed ones are passed over.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "BEGIN") else { continue };
        let mut rest = lines.clone();
        if let Some(block) = read(label, &mut rest) {
            found.push(block);
            lines = rest;
        }
    }
    found
}

/// A block as text, with a line break at its end.
pub fn encode(label: &str, bytes: &[u8]) -> String {
    let data = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        (0..data.len()).step_by(LINE).map(|at| &data[at..data.len().min(at + LINE)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn boundary<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    line.trim_end().strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

/// What follows a `BEGIN` line, up to its `END`.
fn read<'t>(label: &str, lines: &mut impl Iterator<Item = &'t str>) -> Option<Block> {
    let mut data = String::new();
    let mut has_headers = false;
    for line in lines {
        if let Some(end) = boundary(line, "END") {
            let bytes = (end == label).then(|| STANDARD.decode(&data).ok())??;
            return Some(Block { label: label.into(), has_headers, bytes });
        }
        match line.contains(':') && data.is_empty() {
            true => has_headers = true,
            false => data.extend(line.chars().filter(|c| !c.is_whitespace())),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = vec![7; 100];
        let text = format!("# a comment\n{}between\n{}", encode("CERTIFICATE", &long), encode("X Y", b"b"));
        let found = blocks(&text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].label.as_str(), &found[0].bytes), ("CERTIFICATE", &long));
        assert_eq!((found[1].label.as_str(), found[1].bytes.as_slice()), ("X Y", b"b".as_slice()));
        assert!(text.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn headers_are_told_and_malformed_blocks_passed_over() {
        let headers = "-----BEGIN A-----\nKey: value\n\nYQ==\n-----END A-----\n";
        assert_eq!(blocks(headers), [Block { label: "A".into(), has_headers: true, bytes: b"a".into() }]);
        for broken in [
            "-----BEGIN A-----\nYQ==\n-----END B-----\n",
            "-----BEGIN A-----\n*\n-----END A-----\n",
            "-----BEGIN A-----\nYQ==",
        ] {
            assert_eq!(blocks(broken), []);
            assert_eq!(blocks(&format!("{broken}\n{}", encode("C", b"c"))).len(), 1, "{broken}");
        }
    }
}
