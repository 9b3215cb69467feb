//! Recursive descent over the scanned words; each error names what was found and what was expected.

use std::collections::BTreeSet;

use super::SelectorError;
use super::label::{Operator, Requirement, check_key};
use super::lexer::{Scanned, Token, scan};

pub(super) fn parse(selector: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { items: scan(selector), position: 0 };
    parser.requirements()
}

struct Parser {
    items: Vec<Scanned>,
    position: usize,
}

fn error<T>(message: String) -> Result<T, SelectorError> {
    Err(SelectorError(message))
}

impl Parser {
    fn at(&self, position: usize) -> (Token, &str) {
        match self.items.get(position) {
            Some(item) => (item.token, &item.literal),
            None => (Token::End, ""),
        }
    }
    /// `in` and `notin` are operators in one place only; elsewhere they are keys or values.
    fn peek(&self) -> (Token, &str) {
        match self.at(self.position) {
            (Token::In | Token::NotIn, literal) => (Token::Identifier, literal),
            other => other,
        }
    }
    fn next(&mut self) -> (Token, String) {
        let (token, literal) = self.peek();
        let literal = literal.to_owned();
        self.position += 1;
        (token, literal)
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                (Token::Identifier | Token::Not, _) => {}
                (Token::End, _) => return Ok(requirements),
                (_, literal) => {
                    return error(format!("found '{literal}', expected: !, identifier, or 'end of string'"));
                }
            }
            let requirement =
                self.requirement().map_err(|e| SelectorError(format!("unable to parse requirement: {e}")))?;
            requirements.push(requirement);
            match self.next() {
                (Token::End, _) => return Ok(requirements),
                (Token::Comma, _) => {
                    let (token, literal) = self.peek();
                    if !matches!(token, Token::Identifier | Token::Not) {
                        return error(format!("found '{literal}', expected: identifier after ','"));
                    }
                }
                (_, literal) => {
                    return error(format!("found '{literal}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut key) = self.next();
        let absent = token == Token::Not;
        if absent {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return error(format!("found '{key}', expected: identifier"));
        }
        if let Some(message) = check_key(&key, "") {
            return error(message);
        }
        if absent {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            Operator::Equals
            | Operator::DoubleEquals
            | Operator::NotEquals
            | Operator::GreaterThan
            | Operator::LessThan
            | Operator::Exists
            | Operator::DoesNotExist => self.exact_value()?,
        };
        Requirement::new(key, operator, values.into_iter().collect())
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        let (token, literal) = self.at(self.position);
        let operator = match token {
            Token::In => Operator::In,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::GreaterThan => Operator::GreaterThan,
            Token::LessThan => Operator::LessThan,
            Token::NotIn => Operator::NotIn,
            Token::NotEquals => Operator::NotEquals,
            Token::Error
            | Token::End
            | Token::ClosedParen
            | Token::Comma
            | Token::Not
            | Token::Identifier
            | Token::OpenParen => {
                return error(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        self.position += 1;
        Ok(operator)
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let (token, literal) = self.next();
        if token != Token::OpenParen {
            return error(format!("found '{literal}' expected: '('"));
        }
        match self.peek() {
            (Token::Identifier | Token::Comma, literal) => {
                let first = literal.to_owned();
                let values = self.identifiers()?;
                match self.next() {
                    (Token::ClosedParen, _) => Ok(values),
                    _ => error(format!("found '{first}', expected: ')'")),
                }
            }
            (Token::ClosedParen, _) => {
                self.position += 1;
                Ok(BTreeSet::from([String::new()]))
            }
            (_, literal) => error(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
    }

    /// `a,b`; an empty place (`a,,b`, `,a`, `a,`) stands for the empty value.
    fn identifiers(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                (Token::Identifier, literal) => {
                    values.insert(literal);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::ClosedParen, _) => return Ok(values),
                        (_, literal) => return error(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let following = self.peek().0;
                    if values.is_empty() || matches!(following, Token::ClosedParen | Token::Comma) {
                        values.insert(String::new());
                    }
                    if following == Token::ClosedParen {
                        return Ok(values);
                    }
                }
                (_, literal) => return error(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.next() {
            (Token::Identifier, literal) => Ok(BTreeSet::from([literal])),
            (_, literal) => error(format!("found '{literal}', expected: identifier")),
        }
    }
}
