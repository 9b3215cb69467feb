//! Lists of resources (`{"cpu": "100m", "memory": "1Gi"}`) read straight into numbers.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{CORE, CPU, EPHEMERAL_STORAGE, MEMORY};
use crate::quantity;

/// Thousandths of CPU, whole units of all else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Nothing where the list does not name the resource.
    pub core: [Option<i64>; CORE],
    /// `pods` of a node.
    pub pods: Option<i64>,
    pub others: Vec<(String, i64)>,
}

/// The place of a well known resource.
enum Place {
    Core(usize),
    Pods,
    Other(String),
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Amounts;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a list of resources")
    }

    fn visit_unit<E>(self) -> Result<Amounts, E> {
        Ok(Amounts::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts, A::Error> {
        let mut amounts = Amounts::default();
        while let Some(place) = map.next_key::<Place>()? {
            match place {
                Place::Core(CPU) => amounts.core[CPU] = Some(map.next_value_seed(Scale::Milli)?),
                Place::Core(number) => amounts.core[number] = Some(map.next_value_seed(Scale::Whole)?),
                Place::Pods => amounts.pods = Some(map.next_value_seed(Scale::Whole)?),
                Place::Other(name) => amounts.others.push((name, map.next_value_seed(Scale::Whole)?)),
            }
        }
        Ok(amounts)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Place;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("the name of a resource")
            }
            fn visit_str<E>(self, name: &str) -> Result<Place, E> {
                Ok(match name {
                    "cpu" => Place::Core(CPU),
                    "memory" => Place::Core(MEMORY),
                    "ephemeral-storage" => Place::Core(EPHEMERAL_STORAGE),
                    "pods" => Place::Pods,
                    other => Place::Other(other.into()),
                })
            }
        }
        source.deserialize_str(NameVisitor)
    }
}

#[derive(Clone, Copy)]
enum Scale {
    Milli,
    Whole,
}

impl Scale {
    /// What cannot be read counts as nothing.
    fn read(self, text: &str) -> i64 {
        match self {
            Scale::Milli => quantity::milli(text),
            Scale::Whole => quantity::whole(text),
        }
        .unwrap_or(0)
    }
}

impl<'de> DeserializeSeed<'de> for Scale {
    type Value = i64;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<i64, D::Error> {
        source.deserialize_any(self)
    }
}

/// A string or a bare number, as clients write them.
impl<'de> Visitor<'de> for Scale {
    type Value = i64;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a quantity")
    }
    fn visit_unit<E>(self) -> Result<i64, E> {
        Ok(0)
    }
    fn visit_str<E>(self, text: &str) -> Result<i64, E> {
        Ok(self.read(text))
    }
    fn visit_i64<E>(self, number: i64) -> Result<i64, E> {
        Ok(self.read(&number.to_string()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<i64, E> {
        Ok(self.read(&number.to_string()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<i64, E> {
        Ok(self.read(&number.to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<i64, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_numbers() {
        let text = r#"{"cpu": "1500m", "memory": 1024, "ephemeral-storage": "1Ki", "pods": "110", "example.com/gpu": 2.0}"#;
        let amounts: Amounts = serde_json::from_str(text).unwrap();
        assert_eq!(amounts.core, [Some(1500), Some(1024), Some(1024)]);
        assert_eq!((amounts.pods, amounts.others), (Some(110), vec![("example.com/gpu".to_string(), 2)]));
        assert_eq!(serde_json::from_str::<Amounts>("null").unwrap(), Amounts::default());
        let odd: Amounts =
            serde_json::from_str(r#"{"cpu": null, "memory": "lots", "a/b": {"c": [1]}}"#).unwrap();
        assert_eq!(odd.core, [Some(0), Some(0), None]);
    }
}
