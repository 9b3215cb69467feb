//! What is wrong with an expression, shown where it stands.

/// A mistake that keeps an expression from being compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issue {
    /// From 1.
    line: usize,
    /// From 1, in letters.
    column: usize,
    message: String,
}

impl Issue {
    pub fn new(line: usize, column: usize, message: impl Into<String>) -> Issue {
        Issue { line, column, message: message.into() }
    }

    /// At a byte of the source.
    pub fn at(source: &str, byte: usize, message: impl Into<String>) -> Issue {
        let mut end = byte.min(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let before = &source[..end];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Issue::new(before.matches('\n').count() + 1, before[start..].chars().count() + 1, message)
    }

    /// As cel-go shows it: the message, the line, a mark below.
    fn show(&self, source: &str) -> String {
        // What is not there has no place.
        if source.is_empty() {
            return format!("ERROR: <input>:1:0: {}", self.message);
        }
        let head = format!("ERROR: <input>:{}:{}: {}", self.line, self.column, self.message);
        match source.split('\n').nth(self.line.saturating_sub(1)) {
            None => head,
            Some(line) => format!("{head}\n | {line}\n | {}^", ".".repeat(self.column.saturating_sub(1))),
        }
    }
}

/// All issues, in the order they stand in.
pub(super) fn show(mut issues: Vec<Issue>, source: &str) -> String {
    issues.sort_by_key(|issue| (issue.line, issue.column));
    issues.dedup();
    issues.iter().map(|issue| issue.show(source)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_points_at_its_place() {
        let source = "a &&\né.b";
        let issue = Issue::at(source, 7, "undefined field 'b'");
        assert_eq!(show(vec![issue], source), "ERROR: <input>:2:2: undefined field 'b'\n | é.b\n | .^");
        assert_eq!(show(vec![Issue::at("", 0, "nothing")], ""), "ERROR: <input>:1:0: nothing");
    }
}
