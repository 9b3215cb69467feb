//! Reading a container's log file, to its end or for as long as the container writes.

use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use orch_client::Status;
use orch_client::node::LogOptions;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};

use super::line;

/// Sent at once at most.
const CHUNK: usize = 32 * 1024;
/// How often a followed file is looked at; nothing is looked at when nobody follows.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the container may still write.
type Runs = Box<dyn Fn() -> bool + Send + Sync>;

pub async fn read(
    path: PathBuf,
    options: LogOptions,
    runs: Runs,
) -> Result<BoxStream<'static, io::Result<Bytes>>, Status> {
    let reader = LogReader::open(path.clone(), options, runs).await.map_err(|error| {
        tracing::warn!(path = %path.display(), %error, "a log cannot be read");
        Status::internal(format!("failed to read the container's log: {error}"))
    })?;
    let Some(reader) = reader else { return Ok(stream::empty().boxed()) };
    let chunks = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(chunks.boxed())
}

struct LogReader {
    path: PathBuf,
    options: LogOptions,
    runs: Runs,
    file: BufReader<File>,
    inode: u64,
    /// A line not yet ended by a newline.
    line: Vec<u8>,
    /// Bytes that may still be sent.
    left: usize,
    /// The line before was partial: a timestamp stands only at a line's beginning.
    within_line: bool,
    /// The container had ended before the last look.
    last_look: bool,
}

impl LogReader {
    /// `None`: no such file, and none to come.
    async fn open(path: PathBuf, options: LogOptions, runs: Runs) -> io::Result<Option<Self>> {
        let mut file = loop {
            match File::open(&path).await {
                Ok(file) => break file,
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) if !options.follow || !runs() => return Ok(None),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        let inode = file.metadata().await?.ino();
        if let Some(lines) = options.tail_lines {
            let start = tail_start(&mut file, lines).await?;
            file.seek(SeekFrom::Start(start)).await?;
        }
        let left = options.limit_bytes.unwrap_or(usize::MAX);
        let file = BufReader::with_capacity(CHUNK, file);
        Ok(Some(LogReader {
            path,
            options,
            runs,
            file,
            inode,
            line: Vec::new(),
            left,
            within_line: false,
            last_look: false,
        }))
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let chunk = self.read_lines().await?;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
            if self.left == 0 || !self.options.follow || self.last_look {
                return Ok(None);
            }
            if self.follow_rotation().await? {
                continue;
            }
            if !(self.runs)() {
                // It may have written between the last read and its end.
                self.last_look = true;
                continue;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What can be read now.
    async fn read_lines(&mut self) -> io::Result<Bytes> {
        let mut out = BytesMut::new();
        while out.len() < CHUNK && self.left > 0 {
            self.file.read_until(b'\n', &mut self.line).await?;
            if !self.line.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.line);
            self.add(&mut out, &line);
        }
        Ok(out.freeze())
    }

    fn add(&mut self, out: &mut BytesMut, raw: &[u8]) {
        let Some(line) = line::parse(raw) else { return };
        if let (Some(since), Some(at)) = (self.options.since_ms, line.time_ms())
            && at < since
        {
            return;
        }
        let mut text = Vec::with_capacity(raw.len());
        if self.options.timestamps && !self.within_line {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.content);
        if !line.partial {
            text.push(b'\n');
        }
        self.within_line = line.partial;
        text.truncate(self.left);
        self.left -= text.len();
        out.extend_from_slice(&text);
    }

    /// True when another file has taken the path, or the file was cut: reading goes on there.
    async fn follow_rotation(&mut self) -> io::Result<bool> {
        let Ok(now) = tokio::fs::metadata(&self.path).await else { return Ok(false) };
        if now.ino() != self.inode {
            self.file = BufReader::with_capacity(CHUNK, File::open(&self.path).await?);
            self.inode = now.ino();
            self.line.clear();
            return Ok(true);
        }
        if now.len() < self.file.stream_position().await? {
            self.file.seek(SeekFrom::Start(0)).await?;
            self.line.clear();
            return Ok(true);
        }
        Ok(false)
    }
}

/// Where the last `lines` lines begin.
async fn tail_start(file: &mut File, lines: usize) -> io::Result<u64> {
    let length = file.metadata().await?.len();
    if lines == 0 {
        return Ok(length);
    }
    let mut found = 0;
    let mut end = length;
    let mut block = vec![0; CHUNK];
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start)).await?;
        file.read_exact(part).await?;
        for (index, _) in part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let at = start + index as u64;
            // The newline that ends the file begins no line.
            if at + 1 == length {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok(at + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn write(path: &Path, lines: &[&str]) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        for (index, line) in lines.iter().enumerate() {
            writeln!(file, "2026-11-21T12:00:{index:02}.000000000Z stdout F {line}").unwrap();
        }
    }

    async fn text(path: &Path, options: LogOptions) -> String {
        let mut chunks = read(path.into(), options, Box::new(|| false)).await.unwrap();
        let mut out = Vec::new();
        while let Some(chunk) = chunks.next().await {
            out.extend_from_slice(&chunk.unwrap());
        }
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn tail_since_limit_and_timestamps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        write(&path, &["a", "b", "c"]);
        let base = LogOptions::default;
        assert_eq!(text(&path, base()).await, "a\nb\nc\n");
        assert_eq!(text(&path, LogOptions { tail_lines: Some(2), ..base() }).await, "b\nc\n");
        assert_eq!(text(&path, LogOptions { tail_lines: Some(0), ..base() }).await, "");
        assert_eq!(text(&path, LogOptions { tail_lines: Some(9), ..base() }).await, "a\nb\nc\n");
        assert_eq!(text(&path, LogOptions { limit_bytes: Some(3), ..base() }).await, "a\nb");
        let since: jiff::Timestamp = "2026-11-21T12:00:02Z".parse().unwrap();
        let since_ms = Some(since.as_millisecond());
        assert_eq!(text(&path, LogOptions { since_ms, ..base() }).await, "c\n");
        let stamped = text(&path, LogOptions { timestamps: true, tail_lines: Some(1), ..base() }).await;
        assert_eq!(stamped, "2026-11-21T12:00:02.000000000Z c\n");
        assert_eq!(text(&dir.path().join("none"), base()).await, "");
    }

    #[tokio::test]
    async fn following_survives_rotation_and_ends_with_the_container() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        write(&path, &["a"]);
        let runs = Arc::new(AtomicBool::new(true));
        let seen = runs.clone();
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut chunks =
            read(path.clone(), options, Box::new(move || seen.load(Ordering::SeqCst))).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), "a\n");
        write(&path, &["b"]);
        assert_eq!(chunks.next().await.unwrap().unwrap(), "b\n");
        std::fs::rename(&path, dir.path().join("0.log.old")).unwrap();
        write(&path, &["c"]);
        assert_eq!(chunks.next().await.unwrap().unwrap(), "c\n");
        write(&path, &["d"]);
        runs.store(false, Ordering::SeqCst);
        assert_eq!(chunks.next().await.unwrap().unwrap(), "d\n");
        assert!(chunks.next().await.is_none());
    }
}
