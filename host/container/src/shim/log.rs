//! Container output on disk, in the CRI log format: `RFC3339Nano stdout|stderr F|P line`.
//! <https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A longer line is written as parts, as other runtimes do.
const LINE_LIMIT: usize = 16 * 1024;
/// A log file's size before it is rotated, in bytes.
pub const FILE_LIMIT: u64 = 10 * 1024 * 1024;
/// How many files of one container are kept, the current one included.
pub const FILES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The files of one log, oldest first: `0.log.4` … `0.log.1`, `0.log`. Those that exist.
pub fn files(current: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = (1..FILES).rev().map(|n| rotated(current, n)).collect();
    files.push(current.to_owned());
    files.retain(|file| file.exists());
    files
}

fn rotated(current: &Path, number: usize) -> PathBuf {
    let mut name = current.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl LogFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, FILE_LIMIT)
    }

    fn with_limit(path: &Path, limit: u64) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, limit })
    }

    /// Appends whole log lines. A full disk loses them; the container goes on.
    pub fn append(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if self.size > 0 && self.size + lines.len() as u64 > self.limit {
            self.rotate();
        }
        if self.file.write_all(lines).is_ok() {
            self.size += lines.len() as u64;
        }
    }

    fn rotate(&mut self) {
        for number in (1..FILES - 1).rev() {
            // Most of them do not exist yet.
            let _ = std::fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1));
        }
        let renamed = std::fs::rename(&self.path, rotated(&self.path, 1));
        if renamed.is_ok()
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        self.size = 0;
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Turns one stream's bytes into log lines.
pub struct LineFormat {
    stream: Stream,
    rest: Vec<u8>,
}

impl LineFormat {
    pub fn new(stream: Stream) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// The log lines that `bytes` complete; an unfinished line is kept for later.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let now = timestamp();
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            let complete = self.rest.last() == Some(&b'\n');
            if complete {
                self.rest.pop();
            }
            while self.rest.len() > LINE_LIMIT {
                let tail = self.rest.split_off(LINE_LIMIT);
                let part = std::mem::replace(&mut self.rest, tail);
                self.line(&mut out, &now, 'P', &part);
            }
            if complete {
                let line = std::mem::take(&mut self.rest);
                self.line(&mut out, &now, 'F', &line);
            }
        }
        out
    }

    /// The stream has ended: what is left is its last line, which no newline ended (as containerd
    /// tells it, so that readers add none).
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            self.line(&mut out, &timestamp(), 'P', &line);
        }
        out
    }

    fn line(&self, out: &mut Vec<u8>, now: &str, tag: char, text: &[u8]) {
        out.extend_from_slice(format!("{now} {} {tag} ", self.stream.name()).as_bytes());
        out.extend_from_slice(text);
        out.push(b'\n');
    }
}

fn timestamp() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags_and_text(lines: &[u8]) -> Vec<(String, String)> {
        String::from_utf8(lines.to_vec())
            .unwrap()
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.splitn(4, ' ').collect();
                assert_eq!(fields[0].len(), "2026-11-21T12:00:00.123456789Z".len());
                (format!("{} {}", fields[1], fields[2]), fields[3].to_owned())
            })
            .collect()
    }

    #[test]
    fn lines_are_tagged_and_partial_ones_wait() {
        let mut format = LineFormat::new(Stream::Stderr);
        assert!(format.push(b"one").is_empty());
        let lines = tags_and_text(&format.push(b" line\n\ntwo"));
        assert_eq!(lines, [("stderr F".into(), "one line".into()), ("stderr F".into(), String::new())]);
        assert_eq!(tags_and_text(&format.finish()), [("stderr P".into(), "two".into())]);
    }

    #[test]
    fn long_lines_are_cut_into_parts() {
        let mut format = LineFormat::new(Stream::Stdout);
        let mut out = format.push(&vec![b'x'; LINE_LIMIT + 10]);
        out.extend(format.push(b"y\n"));
        let lines = tags_and_text(&out);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].0.as_str(), lines[0].1.len()), ("stdout P", LINE_LIMIT));
        assert_eq!((lines[1].0.as_str(), lines[1].1.as_str()), ("stdout F", "xxxxxxxxxxy"));
    }

    #[test]
    fn rotation_keeps_the_newest_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut log = LogFile::with_limit(&path, 10).unwrap();
        for n in 0..8 {
            log.append(format!("line {n}\n").as_bytes());
        }
        let text: Vec<String> = files(&path).iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
        assert_eq!(text, ["line 3\n", "line 4\n", "line 5\n", "line 6\n", "line 7\n"]);
    }
}
