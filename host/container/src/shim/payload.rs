//! The last step of every container process: become the command. Runs in a fresh, single-threaded
//! child that already has its namespaces, user and confinement.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::stat::stat;
use nix::unistd::execve;

/// Replaces this process by the command, confined. Returns only with the reason why it cannot, in the
/// words that users know from `runc`.
pub fn run(args: &[String], env: &[String], confine: impl FnOnce() -> Result<(), String>) -> String {
    let Some(name) = args.first().filter(|name| !name.is_empty()) else {
        return "no command specified".to_owned();
    };
    let path = match find(name, env) {
        Ok(path) => path,
        Err(message) => return message,
    };
    let (Ok(file), Some(args), Some(env)) =
        (CString::new(path.as_os_str().as_bytes()), c_strings(args), c_strings(env))
    else {
        return format!("exec: {name:?}: invalid argument");
    };
    default_signals();
    // As late as can be: a filter may forbid any other call.
    if let Err(message) = confine() {
        return message;
    }
    let errno = match execve(&file, &args, &env) {
        Ok(never) => match never {},
        Err(errno) => errno,
    };
    format!("exec {}: {}", path.display(), reason(errno))
}

/// Rust ignores SIGPIPE and the shim blocks SIGCHLD; both would be inherited.
fn default_signals() {
    for each in Signal::iterator() {
        if !matches!(each, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: setting a default disposition installs no handler.
            let _ = unsafe { signal(each, SigHandler::SigDfl) };
        }
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

fn c_strings(strings: &[String]) -> Option<Vec<CString>> {
    strings.iter().map(|s| CString::new(s.as_bytes()).ok()).collect()
}

/// Where the command is: as it says when it has a slash, else the first executable file in `PATH`.
fn find(name: &str, env: &[String]) -> Result<PathBuf, String> {
    if name.contains('/') {
        return executable(Path::new(name)).map(|()| PathBuf::from(name)).map_err(|errno| match errno {
            Errno::EACCES | Errno::EISDIR => format!("exec: {name:?}: {}", reason(errno)),
            _ => format!("exec: {name:?}: stat {name}: {}", reason(errno)),
        });
    }
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or_default();
    path.split(':')
        .map(|dir| Path::new(if dir.is_empty() { "." } else { dir }).join(name))
        .find(|candidate| executable(candidate).is_ok())
        .ok_or_else(|| format!("exec: {name:?}: executable file not found in $PATH"))
}

fn executable(path: &Path) -> Result<(), Errno> {
    let mode = stat(path)?.st_mode;
    if mode & libc::S_IFMT == libc::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    if mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// As Go prints errnos: `no such file or directory`.
pub fn reason(errno: Errno) -> String {
    errno.desc().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Vec<String> {
        vec!["PATH=/nowhere:/bin".to_owned()]
    }

    #[test]
    fn reasons_are_worded_as_users_know_them() {
        let run = |command: &str| run(&[command.to_owned()], &env(), || unreachable!());
        assert_eq!(run("/nope"), "exec: \"/nope\": stat /nope: no such file or directory");
        assert_eq!(run("nope"), "exec: \"nope\": executable file not found in $PATH");
        assert_eq!(run("/etc/passwd"), "exec: \"/etc/passwd\": permission denied");
        assert_eq!(run("/etc"), "exec: \"/etc\": is a directory");
        assert_eq!(run(""), "no command specified");
    }

    #[test]
    fn the_path_of_the_container_decides() {
        assert_eq!(find("sh", &env()), Ok(PathBuf::from("/bin/sh")));
    }
}
