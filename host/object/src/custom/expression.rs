//! CEL: how expressions are compiled, what values look like to them, and when they have run too long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::objects::{Key, Map, OptionalValue};
use cel::{Context, Env, ExecutionError, Program, Value, extensions};
use serde_json::Value as Json;

use super::schema::{Additional, Kind, Schema};

/// Loops within loops; one more multiplies what an expression costs.
const DEEPEST_LOOPS: usize = 4;
/// No rule of a person's is longer.
const LONGEST: usize = 10 * 1024;
/// How often all rules of an object together may look at a variable.
const LOOKUPS: u32 = 1_000_000;
/// How long all rules of an object together may run.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looking at the clock is dearer than looking at a variable.
const LOOKUPS_BETWEEN_CLOCKS: u32 = 1024;

/// Words that CEL keeps to itself; a field of the name is written `__name__`.
const RESERVED: [&str; 22] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "__proto__",
];

/// What all rules of one object share.
pub(super) struct Budget {
    lookups: AtomicU32,
    until: Instant,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { lookups: AtomicU32::new(0), until: Instant::now() + PATIENCE }
    }

    fn spend(&self) {
        let spent = self.lookups.fetch_add(1, Ordering::Relaxed);
        let late = spent.is_multiple_of(LOOKUPS_BETWEEN_CLOCKS) && Instant::now() > self.until;
        if late {
            self.lookups.fetch_max(LOOKUPS, Ordering::Relaxed);
        }
    }

    pub fn is_spent(&self) -> bool {
        self.lookups.load(Ordering::Relaxed) >= LOOKUPS
    }
}

/// `self` and `oldSelf`, until the budget is spent; then they are gone, and the expression fails.
struct Variables<'a> {
    values: Vec<(&'static str, Box<dyn Val>)>,
    budget: &'a Budget,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.budget.spend();
        if self.budget.is_spent() {
            return None;
        }
        let (_, value) = self.values.iter().find(|(name, _)| *name == variable)?;
        Some(CowVal::Borrowed(&**value))
    }
}

fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut env = Env::stdlib();
        for extension in [extensions::strings, extensions::lists, extensions::math, extensions::encoders] {
            if let Err(error) = env.add_extension(extension) {
                tracing::error!(%error, "an extension of CEL cannot be added");
            }
        }
        Arc::new(env)
    })
}

/// The expression, or why it is none.
pub(super) fn compile(source: &str) -> Result<Program, String> {
    if source.len() > LONGEST {
        return Err(format!("compilation failed: the expression is longer than {LONGEST} bytes"));
    }
    let program = environment().compile(source).map_err(|errors| format!("compilation failed: {errors}"))?;
    let deep = loops(program.expression());
    if deep > DEEPEST_LOOPS {
        return Err(format!(
            "estimated rule cost exceeds budget: {deep} loops are nested, at most {DEEPEST_LOOPS} may be"
        ));
    }
    Ok(program)
}

/// The most loops that stand within one another.
fn loops(expression: &IdedExpr) -> usize {
    let deepest = |expressions: Vec<&IdedExpr>| expressions.into_iter().map(loops).max().unwrap_or(0);
    match &expression.expr {
        Expr::Comprehension(c) => (deepest(inside(c)) + 1).max(loops(&c.iter_range)),
        other => deepest(children(other)),
    }
}

/// What runs once for each element.
fn inside(c: &ComprehensionExpr) -> Vec<&IdedExpr> {
    vec![&c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
}

/// The expressions that one is made of.
fn children(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Call(call) => call.args.iter().chain(call.target.as_deref()).collect(),
        Expr::Comprehension(c) => inside(c).into_iter().chain([&c.iter_range]).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(entry).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(entry).collect(),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

/// Runs the expression; `old` is what `oldSelf` is.
pub(super) fn run(
    program: &Program,
    new: &Value,
    old: Option<&Value>,
    budget: &Budget,
) -> Result<Value, ExecutionError> {
    let mut values: Vec<(&'static str, Box<dyn Val>)> = vec![("self", new.clone().try_into()?)];
    if let Some(old) = old {
        values.push(("oldSelf", old.clone().try_into()?));
    }
    let variables = Variables { values, budget };
    let mut context = Context::with_env(environment().clone());
    context.set_variable_resolver(&variables);
    program.execute(&context)
}

/// An optional that may be empty.
pub(super) fn optional(value: Option<Value>) -> Value {
    Value::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

/// A value as rules see it: by its schema, with the fields its schema names.
pub(super) fn value(schema: &Schema, json: &Json, resource: bool) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (schema.kind, number.as_i64()) {
            (Some(Kind::Number), _) | (_, None) => Value::Float(number.as_f64().unwrap_or(0.0)),
            (_, Some(whole)) => Value::Int(whole),
        },
        Json::String(text) => string(schema, text),
        Json::Array(items) => {
            let empty = Schema::default();
            let item = schema.items.as_deref().unwrap_or(&empty);
            Value::List(Arc::new(items.iter().map(|each| value(item, each, item.embedded)).collect()))
        }
        Json::Object(fields) => {
            let mut map = HashMap::new();
            for (name, each) in fields {
                let entry = match (schema.properties.get(name), &schema.additional) {
                    (Some(field), _) => Some((escaped(name), value(field, each, field.embedded))),
                    (None, Additional::Each(field)) => {
                        Some((name.clone(), value(field, each, field.embedded)))
                    }
                    (None, _) if resource => of_every_object(name, each),
                    (None, Additional::Any | Additional::None | Additional::Unspecified) => None,
                };
                if let Some((name, each)) = entry {
                    map.insert(Key::String(Arc::new(name)), each);
                }
            }
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// Of metadata only the names are there.
fn of_every_object(name: &str, json: &Json) -> Option<(String, Value)> {
    match name {
        "apiVersion" | "kind" => Some((name.to_owned(), json.as_str().unwrap_or_default().into())),
        "metadata" => {
            let known = ["name", "generateName"].into_iter();
            let fields = known.filter_map(|name| Some((name.to_owned(), Value::from(json[name].as_str()?))));
            Some((name.to_owned(), fields.collect::<HashMap<String, Value>>().into()))
        }
        _ => None,
    }
}

fn string(schema: &Schema, text: &str) -> Value {
    let format = schema.limits.format.as_deref();
    let typed = match format {
        Some("date-time" | "datetime") => {
            chrono::DateTime::parse_from_rfc3339(text).ok().map(Value::Timestamp)
        }
        Some("date") => {
            let midnight = format!("{text}T00:00:00Z");
            chrono::DateTime::parse_from_rfc3339(&midnight).ok().map(Value::Timestamp)
        }
        Some("duration") => duration(text).map(Value::Duration),
        Some("byte") => {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
            bytes.map(|bytes| Value::Bytes(Arc::new(bytes)))
        }
        Some(_) | None => None,
    };
    typed.unwrap_or_else(|| text.into())
}

/// By CEL's own reading of durations.
fn duration(text: &str) -> Option<chrono::Duration> {
    let program = compile(&format!("duration({text:?})")).ok()?;
    match program.execute(&Context::with_env(environment().clone())).ok()? {
        Value::Duration(duration) => Some(duration),
        _ => None,
    }
}

/// A field's name as an identifier.
fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// Names of types stand for themselves.
pub(super) fn is_type(name: &str) -> bool {
    const TYPES: [&str; 14] = [
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "type",
        "uint",
        "dyn",
        "google",
        "optional",
        "math",
    ];
    TYPES.contains(&name) || name == "base64" || name == "lists" || name == "strings"
}

/// Variables that the expression does not bind itself.
pub(super) fn free_variables(expression: &IdedExpr) -> Vec<String> {
    let mut found = Vec::new();
    collect(expression, &mut Vec::new(), &mut found);
    found
}

fn collect(expression: &IdedExpr, bound: &mut Vec<String>, found: &mut Vec<String>) {
    match &expression.expr {
        Expr::Ident(name) if !bound.contains(name) => found.push(name.clone()),
        Expr::Comprehension(c) => {
            collect(&c.iter_range, bound, found);
            let before = bound.len();
            bound.extend([c.iter_var.clone(), c.accu_var.clone()]);
            bound.extend(c.iter_var2.clone());
            inside(c).into_iter().for_each(|part| collect(part, bound, found));
            bound.truncate(before);
        }
        other => children(other).into_iter().for_each(|part| collect(part, bound, found)),
    }
}
