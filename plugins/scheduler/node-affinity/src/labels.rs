//! The labels of all nodes, a column for each key: a requirement costs a look at one number per node.

use std::collections::{BTreeMap, HashMap};

use orch_sdk::selector::{Operator, Requirement};

/// The number of a value within its column; 0: the node has none.
type ValueNumber = u32;

#[derive(Debug, Default)]
pub struct Labels {
    columns: HashMap<String, Column>,
}

#[derive(Debug, Default)]
struct Column {
    /// By node index.
    of_node: Vec<ValueNumber>,
    numbers: HashMap<String, ValueNumber>,
    /// By number, the first at 1. Those that no node has any more are used again.
    values: Vec<Value>,
    free: Vec<ValueNumber>,
}

#[derive(Debug, Default)]
struct Value {
    text: String,
    /// For `Gt` and `Lt`.
    integer: Option<i64>,
    nodes: usize,
}

impl Labels {
    /// Replaces the labels of the node.
    pub fn place(&mut self, node: usize, labels: &BTreeMap<String, String>) {
        self.columns.iter_mut().for_each(|(key, column)| {
            if !labels.contains_key(key) {
                column.clear(node);
            }
        });
        for (key, value) in labels {
            match self.columns.get_mut(key) {
                Some(column) => column.set(node, value),
                None => self.columns.entry(key.clone()).or_default().set(node, value),
            }
        }
        self.columns.retain(|_, column| !column.numbers.is_empty());
    }

    /// A requirement prepared for many nodes.
    pub fn prepare(&self, requirement: &Requirement) -> Prepared<'_> {
        let column = self.columns.get(&requirement.key);
        let number = |value: &String| column?.numbers.get(value).copied();
        let bound = requirement.values.first().and_then(|bound| bound.parse().ok());
        let test = match (requirement.operator, bound) {
            (Operator::In, _) => Test::Among(requirement.values.iter().filter_map(number).collect()),
            (Operator::NotIn, _) => Test::Outside(requirement.values.iter().filter_map(number).collect()),
            (Operator::Exists, _) => Test::Present,
            (Operator::DoesNotExist, _) => Test::Absent,
            (Operator::Gt, Some(bound)) => Test::Above(bound),
            (Operator::Lt, Some(bound)) => Test::Below(bound),
            (Operator::Gt | Operator::Lt, None) => Test::Never,
        };
        Prepared { column, test }
    }
}

impl Column {
    fn set(&mut self, node: usize, text: &str) {
        if self.value(node).is_some_and(|value| value.text == text) {
            return;
        }
        self.clear(node);
        if node >= self.of_node.len() {
            self.of_node.resize(node + 1, 0);
        }
        let number = self.number_of(text);
        self.values[number as usize - 1].nodes += 1;
        self.of_node[node] = number;
    }

    fn clear(&mut self, node: usize) {
        let Some(number) = self.of_node.get_mut(node).map(std::mem::take).filter(|number| *number > 0) else {
            return;
        };
        let value = &mut self.values[number as usize - 1];
        value.nodes -= 1;
        if value.nodes == 0 {
            self.numbers.remove(&value.text);
            self.free.push(number);
        }
    }

    fn number_of(&mut self, text: &str) -> ValueNumber {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let value = Value { text: text.into(), integer: text.parse().ok(), nodes: 0 };
        let number = self.free.pop().unwrap_or_else(|| {
            self.values.push(Value::default());
            self.values.len() as ValueNumber
        });
        self.values[number as usize - 1] = value;
        self.numbers.insert(text.into(), number);
        number
    }

    fn value(&self, node: usize) -> Option<&Value> {
        let number = *self.of_node.get(node)?;
        self.values.get((number as usize).checked_sub(1)?)
    }
}

pub struct Prepared<'a> {
    column: Option<&'a Column>,
    test: Test,
}

enum Test {
    Among(Vec<ValueNumber>),
    Outside(Vec<ValueNumber>),
    Present,
    Absent,
    Above(i64),
    Below(i64),
    Never,
}

impl Prepared<'_> {
    pub fn holds(&self, node: usize) -> bool {
        let number = self.column.and_then(|column| column.of_node.get(node)).copied().unwrap_or(0);
        match &self.test {
            Test::Among(numbers) => number != 0 && numbers.contains(&number),
            Test::Outside(numbers) => !numbers.contains(&number),
            Test::Present => number != 0,
            Test::Absent => number == 0,
            Test::Above(bound) => self.integer(node).is_some_and(|integer| integer > *bound),
            Test::Below(bound) => self.integer(node).is_some_and(|integer| integer < *bound),
            Test::Never => false,
        }
    }

    fn integer(&self, node: usize) -> Option<i64> {
        self.column?.value(node)?.integer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
        Requirement {
            key: key.into(),
            operator,
            values: values.iter().map(|value| value.to_string()).collect(),
        }
    }

    #[test]
    fn requirements_hold_as_on_a_single_object() {
        let nodes = [labels(&[("disk", "ssd"), ("cores", "4")]), labels(&[("cores", "x")]), labels(&[])];
        let mut all = Labels::default();
        nodes.iter().enumerate().for_each(|(index, labels)| all.place(index, labels));
        for operator in [
            Operator::In,
            Operator::NotIn,
            Operator::Exists,
            Operator::DoesNotExist,
            Operator::Gt,
            Operator::Lt,
        ] {
            for values in [&["ssd"][..], &["3"], &["5"], &["hdd", "4"], &[]] {
                for key in ["disk", "cores", "none"] {
                    let wanted = requirement(key, operator, values);
                    let prepared = all.prepare(&wanted);
                    for (index, labels) in nodes.iter().enumerate() {
                        let expected = wanted.matches(labels.get(key).map(String::as_str));
                        assert_eq!(prepared.holds(index), expected, "{wanted:?} on {labels:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_and_columns_go_with_their_last_node() {
        let mut all = Labels::default();
        for round in 0..100 {
            all.place(round % 2, &labels(&[("host", &format!("n{round}"))]));
        }
        assert_eq!(all.columns["host"].values.len(), 2);
        all.place(0, &labels(&[]));
        all.place(1, &labels(&[]));
        assert!(all.columns.is_empty());
    }
}
