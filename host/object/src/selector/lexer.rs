//! Words and signs of kubectl's label selector syntax.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Error,
    End,
    ClosedParen,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    GreaterThan,
    Identifier,
    In,
    LessThan,
    NotEquals,
    NotIn,
    OpenParen,
}

pub(super) struct Scanned {
    pub token: Token,
    pub literal: String,
}

fn sign(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::ClosedParen,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::GreaterThan,
        "<" => Token::LessThan,
        "!=" => Token::NotEquals,
        "(" => Token::OpenParen,
        _ => return None,
    })
}

fn is_sign(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The last item is always `End`.
pub(super) fn scan(selector: &str) -> Vec<Scanned> {
    let mut items = Vec::new();
    let mut rest = selector.trim_start_matches(is_space);
    while let Some(c) = rest.chars().next().filter(|c| *c != '\0') {
        let (item, length) = if is_sign(c) { longest_sign(rest) } else { word(rest) };
        items.push(item);
        rest = rest[length..].trim_start_matches(is_space);
    }
    items.push(Scanned { token: Token::End, literal: String::new() });
    items
}

fn word(rest: &str) -> (Scanned, usize) {
    let end = rest.find(|c| is_sign(c) || is_space(c) || c == '\0').unwrap_or(rest.len());
    let literal = &rest[..end];
    let token = match literal {
        "in" => Token::In,
        "notin" => Token::NotIn,
        _ => Token::Identifier,
    };
    (Scanned { token, literal: literal.to_owned() }, end)
}

/// Takes signs while they still form a known one: `!=` in `!=(`.
fn longest_sign(rest: &str) -> (Scanned, usize) {
    let run = rest.find(|c| !is_sign(c)).unwrap_or(rest.len());
    let mut longest = None;
    for end in 1..=run {
        match sign(&rest[..end]) {
            Some(token) => longest = Some((token, end)),
            None if longest.is_some() => break,
            None => {}
        }
    }
    match longest {
        Some((token, end)) => (Scanned { token, literal: rest[..end].to_owned() }, end),
        None => {
            let literal = format!("error expected: keyword found '{}'", &rest[..run]);
            (Scanned { token: Token::Error, literal }, run)
        }
    }
}
