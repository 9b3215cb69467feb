//! The log file: lines are written by a thread of their own, and old files go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Lines that wait for the disk; a disk that is slower loses the rest, and the log says how many.
const WAITING: usize = 10_000;
/// A loss is told again after this many lines.
const TELL_EVERY: u64 = 1000;
const IDLE: Duration = Duration::from_millis(200);

/// When a file is put away, and which old files stay. 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub megabytes: u64,
    pub days: u64,
    pub files: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation { megabytes: 100, days: 0, files: 0 }
    }
}

enum Line {
    Text(String),
    /// The log closes.
    End,
}

/// Takes lines and never waits.
#[derive(Clone)]
pub struct Sender {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

impl Sender {
    pub fn write(&self, line: String) {
        let Err(TrySendError::Full(_)) = self.lines.try_send(Line::Text(line)) else { return };
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost % TELL_EVERY == 1 {
            tracing::error!(lost, "audit events are lost: the log's disk is too slow");
        }
    }
}

pub struct Log {
    sender: Sender,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Log> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = Rotated::open(path, rotation)?;
        let (lines, received) = sync_channel(WAITING);
        let writer =
            std::thread::Builder::new().name("audit".into()).spawn(move || write_all(file, &received))?;
        Ok(Log { sender: Sender { lines, lost: Arc::default() }, writer: Some(writer) })
    }

    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Drop for Log {
    /// What was told is written before the process ends.
    fn drop(&mut self) {
        let ended = self.sender.lines.send(Line::End);
        if let Some(writer) = self.writer.take().filter(|_| ended.is_ok()) {
            let _ = writer.join();
        }
    }
}

fn write_all(mut file: Rotated, lines: &Receiver<Line>) {
    loop {
        let written = match lines.recv_timeout(IDLE) {
            Ok(Line::Text(line)) => file.write(&line),
            Err(RecvTimeoutError::Timeout) => file.flush(),
            Ok(Line::End) | Err(RecvTimeoutError::Disconnected) => {
                let _ = file.flush();
                return;
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, path = %file.path.display(), "cannot write the audit log");
        }
    }
}

/// A file that is renamed when it is full.
struct Rotated {
    path: PathBuf,
    rotation: Rotation,
    file: io::BufWriter<File>,
    bytes: u64,
}

impl Rotated {
    fn open(path: &Path, rotation: Rotation) -> io::Result<Rotated> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Rotated { path: path.into(), rotation, file: io::BufWriter::new(file), bytes })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64 + 1;
        let most = self.rotation.megabytes << 20;
        if most > 0 && self.bytes > 0 && self.bytes + length > most {
            self.rotate()?;
        }
        self.bytes += length;
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H-%M-%S.%f");
        std::fs::rename(&self.path, self.named(&now.to_string()))?;
        *self = Rotated::open(&self.path, self.rotation)?;
        self.purge()
    }

    /// `audit.log` becomes `audit-TIME.log`.
    fn named(&self, time: &str) -> PathBuf {
        let (stem, extension) = self.stem();
        self.path.with_file_name(format!("{stem}-{time}{extension}"))
    }

    fn stem(&self) -> (String, String) {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let extension = self.path.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
        (part(self.path.file_stem()), extension)
    }

    fn purge(&self) -> io::Result<()> {
        let mut old = self.put_away()?;
        old.sort_unstable();
        let keep = if self.rotation.files == 0 { old.len() } else { self.rotation.files };
        let surplus = old.len().saturating_sub(keep);
        for (index, path) in old.iter().enumerate() {
            if index < surplus || self.is_too_old(path) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn put_away(&self) -> io::Result<Vec<PathBuf>> {
        let (stem, extension) = self.stem();
        let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let time = name.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&extension));
            if time.is_some_and(|time| time.starts_with(|c: char| c.is_ascii_digit())) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn is_too_old(&self, path: &Path) -> bool {
        let limit = Duration::from_secs(self.rotation.days * 86_400);
        let modified = std::fs::metadata(path).and_then(|data| data.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        self.rotation.days > 0 && age.is_some_and(|age| age > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_put_away_and_only_so_many_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        std::fs::write(dir.path().join("audit-other.log"), "somebody else's").unwrap();
        let mut file = Rotated::open(&path, Rotation { megabytes: 1, days: 1, files: 2 }).unwrap();
        let line = "x".repeat(400 << 10);
        for _ in 0..10 {
            file.write(&line).unwrap();
        }
        file.flush().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.contains(&"audit.log".into()) && names.contains(&"audit-other.log".into()));
        assert!(std::fs::metadata(&path).unwrap().len() <= 1 << 20);
    }

    #[test]
    fn lines_are_there_when_the_log_has_gone_and_stay_when_it_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/audit.log");
        for line in ["a", "b"] {
            let log = Log::open(&path, Rotation::default()).unwrap();
            log.sender().write(line.into());
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
    }

    #[test]
    fn a_stuck_disk_holds_nobody_up() {
        let (lines, received) = sync_channel(1);
        let sender = Sender { lines, lost: Arc::default() };
        (0..5).for_each(|n| sender.write(n.to_string()));
        assert_eq!(sender.lost.load(Ordering::Relaxed), 4);
        assert!(matches!(received.recv().unwrap(), Line::Text(line) if line == "0"));
    }
}
