//! Which of a definition's names it may have, and the conditions that say so
//! (`apiextensions-apiserver/pkg/controller/status` and `establish`).

use serde_json::{Value, json};

use super::schema::list;
use super::text;
use crate::Kinds;

/// Versions in the order clients prefer them: `v2`, `v1`, `v1beta1`, `v1alpha1`, then the rest by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionRank {
    /// Stability (0: stable), major and minor, the highest first.
    Known(u8, std::cmp::Reverse<(u32, u32)>),
    Other(String),
}

impl VersionRank {
    pub fn of(version: &str) -> Self {
        Self::known(version).unwrap_or_else(|| VersionRank::Other(version.into()))
    }

    fn known(version: &str) -> Option<Self> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let major = rest[..digits].parse().ok()?;
        let (stability, minor) = match &rest[digits..] {
            "" => (0, 0),
            rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
                (Some(minor), _) => (1, minor.parse().ok()?),
                (None, Some(minor)) => (2, minor.parse().ok()?),
                (None, None) => return None,
            },
        };
        Some(VersionRank::Known(stability, std::cmp::Reverse((major, minor))))
    }
}

/// The status of a definition after its names were looked at; the same as before when nothing changed.
/// `others`: every other definition. `now`: RFC 3339.
pub fn status(definition: &Value, others: &[&Value], builtin: &Kinds, now: &str) -> Value {
    let group = text(&definition["spec"]["group"]);
    let used = Used::of(group, others, builtin);
    let (accepted, conflict) = accept(definition, &used);
    let mut status = definition["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    status["acceptedNames"] = accepted;
    let fine = conflict.is_none();
    let (value, reason, message) = match &conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => ("False", *reason, message.clone()),
    };
    set_condition(&mut status, "NamesAccepted", value, reason, &message, now);
    // A definition that was established stays so: its instances exist.
    let established = condition(&status, "Established").is_some_and(|c| c["status"] == "True");
    if !established {
        match fine {
            true => {
                let message = "the initial names have been accepted";
                set_condition(&mut status, "Established", "True", "InitialNamesAccepted", message, now);
            }
            false => {
                let message = "not all names are accepted";
                set_condition(&mut status, "Established", "False", "NotAccepted", message, now);
            }
        }
    }
    status
}

/// True for definitions that are served.
pub fn is_accepted(definition: &Value) -> bool {
    condition(&definition["status"], "Established").is_some_and(|c| c["status"] == "True")
}

pub fn condition<'v>(status: &'v Value, name: &str) -> Option<&'v Value> {
    list(&status["conditions"]).iter().find(|condition| condition["type"] == name)
}

/// Sets a condition; its time moves with its status only.
pub fn set_condition(status: &mut Value, name: &str, value: &str, reason: &str, message: &str, now: &str) {
    let since = condition(status, name)
        .filter(|condition| condition["status"] == value)
        .and_then(|condition| condition["lastTransitionTime"].as_str())
        .unwrap_or(now)
        .to_owned();
    let mut fresh = json!({ "type": name, "status": value, "lastTransitionTime": since, "reason": reason, "message": message });
    let conditions = list(&status["conditions"]);
    if let Some(generation) =
        conditions.iter().find(|c| c["type"] == name).and_then(|c| c.get("observedGeneration"))
    {
        fresh["observedGeneration"] = generation.clone();
    }
    let mut conditions = conditions.to_vec();
    match conditions.iter_mut().find(|condition| condition["type"] == name) {
        Some(known) => *known = fresh,
        None => conditions.push(fresh),
    }
    status["conditions"] = conditions.into();
}

/// What the other kinds of the group are called.
struct Used {
    resources: Vec<String>,
    kinds: Vec<String>,
}

impl Used {
    fn of(group: &str, others: &[&Value], builtin: &Kinds) -> Used {
        let mut used = Used { resources: Vec::new(), kinds: Vec::new() };
        for kind in builtin.rows().iter().filter(|kind| kind.group == group && kind.custom.is_none()) {
            used.resources.extend([kind.plural.clone(), kind.singular.clone()]);
            used.resources.extend(kind.short_names.iter().cloned());
            used.kinds.extend([kind.kind.clone(), kind.list_kind.clone()]);
        }
        for other in others.iter().filter(|other| other["spec"]["group"] == group) {
            let names = &other["status"]["acceptedNames"];
            used.resources.extend([text(&names["plural"]).to_owned(), text(&names["singular"]).to_owned()]);
            used.resources.extend(list(&names["shortNames"]).iter().map(|name| text(name).to_owned()));
            used.kinds.extend([text(&names["kind"]).to_owned(), text(&names["listKind"]).to_owned()]);
        }
        used
    }
}

/// The names it gets, keeping former ones where the new are taken, and the first conflict.
fn accept(definition: &Value, used: &Used) -> (Value, Option<(&'static str, String)>) {
    let wanted = &definition["spec"]["names"];
    let mut accepted = definition["status"]["acceptedNames"].clone();
    if !accepted.is_object() {
        accepted = json!({});
    }
    let before = accepted.clone();
    let mut conflict = None;
    let mut name = |field: &str, reason, taken: &[String], accepted: &mut Value| {
        let name = text(&wanted[field]);
        match name == text(&before[field]) || !taken.iter().any(|known| known == name) {
            true => accepted[field] = name.into(),
            false => conflict = Some((reason, in_use(name))),
        }
    };
    // Of several conflicts the last is told.
    name("plural", "PluralConflict", &used.resources, &mut accepted);
    name("singular", "SingularConflict", &used.resources, &mut accepted);
    let known: Vec<&str> = list(&before["shortNames"]).iter().map(text).collect();
    let short = list(&wanted["shortNames"]).iter().map(text);
    let mut taken = short.filter(|name| !known.contains(name) && used.resources.iter().any(|u| u == name));
    let short_conflict = taken.next().map(|name| ("ShortNamesConflict", in_use(name)));
    if short_conflict.is_none() {
        keep(&mut accepted, "shortNames", &wanted["shortNames"]);
    }
    name("kind", "KindConflict", &used.kinds, &mut accepted);
    name("listKind", "ListKindConflict", &used.kinds, &mut accepted);
    keep(&mut accepted, "categories", &wanted["categories"]);
    let later = matches!(&conflict, Some(("KindConflict" | "ListKindConflict", _)));
    (accepted, if later { conflict } else { short_conflict.or(conflict) })
}

fn in_use(name: &str) -> String {
    format!("{name:?} is already in use")
}

fn keep(names: &mut Value, field: &str, value: &Value) {
    let Some(names) = names.as_object_mut() else { return };
    match list(value) {
        [] => names.remove(field),
        _ => names.insert(field.into(), value.clone()),
    };
}
