//! `docs/BENCHMARKS.md`: each benchmark writes its own section and leaves the others.

use std::process::Command;

use crate::{run, workspace};

const HEAD: &str = "# Benchmarks\n\nWritten by `make bench` and `make bench-scheduler`, each its own section. Read times as ratios: the machine is shared.\n";

/// Replaces the section, or adds it at the end.
pub fn record(name: &str, title: &str, text: &str) {
    let file = workspace().join("docs/BENCHMARKS.md");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let after = replaced(&before, name, &format!("## {title}\n\n{}\n", text.trim_end()));
    std::fs::write(&file, after).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

fn replaced(document: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- {name} begins -->"), format!("<!-- {name} ends -->"));
    let section = format!("{begin}\n{section}{end}\n");
    match (document.find(&begin), document.find(&end)) {
        (Some(from), Some(to)) => {
            let rest = document[to + end.len()..].trim_start_matches('\n');
            let rest = if rest.is_empty() { String::new() } else { format!("\n{rest}") };
            format!("{}{section}{rest}", &document[..from])
        }
        _ => {
            let head = if document.is_empty() { HEAD } else { document };
            format!("{}\n\n{section}", head.trim_end())
        }
    }
}

/// Processors and kernel.
pub fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|l| l.strip_prefix("model name\t: ")).unwrap_or("unknown").to_string();
    let kernel = run(Command::new("uname").arg("-r"));
    format!(
        "{} × {model}, kernel {}",
        std::thread::available_parallelism().map_or(0, |n| n.get()),
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let one = replaced("", "a", "## A\n\nfirst\n");
        assert!(one.starts_with("# Benchmarks"), "{one}");
        let two = replaced(&one, "b", "## B\n");
        let again = replaced(&two, "a", "## A\n\nsecond\n");
        assert!(again.contains("second") && !again.contains("first") && again.contains("## B"), "{again}");
        assert_eq!(replaced(&again, "a", "## A\n\nsecond\n"), again);
        assert_eq!(replaced(&again, "b", "## B\n"), again);
    }
}
