//! From a token's claims to a user: by claims that the configuration names, and by CEL expressions on
//! `claims` and `user` (`apiserver/pkg/authentication/cel`).

use orch_client::Identity;
use orch_object::cel::{self, Environment, Meter, PER_CALL, Program, Type};
use orch_object::names;
use serde_json::Value;

use super::OidcError;
use super::config::{ClaimRule, ExtraMapping, Jwt, Mapping, UserRule};

const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const BOTH: &str = "claim and expression can't both be set";
const EMAIL_UNVERIFIED: &str = "claims.email_verified must be used in claimMappings.username.expression or \
    claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in \
    claimMappings.username.expression";

/// What one issuer's tokens say.
pub(super) struct Mapper {
    username: Source,
    groups: Option<Source>,
    uid: Option<Source>,
    extra: Vec<(String, Expression)>,
    required: Vec<(String, String)>,
    claim_rules: Vec<Rule>,
    user_rules: Vec<Rule>,
}

/// Where a part of the user is from.
enum Source {
    Claim { name: String, prefix: String },
    Expression(Expression),
}

struct Expression {
    text: String,
    program: Program,
}

/// What must be true.
struct Rule {
    condition: Expression,
    message: String,
}

impl Mapper {
    /// # Errors
    /// The field that is wrong, and why: `claimMappings.username: …`.
    pub fn new(jwt: &Jwt) -> Result<Self, String> {
        let mappings = &jwt.claim_mappings;
        let username = source(&mappings.username, "claimMappings.username", true)?
            .ok_or("claimMappings.username: claim or expression is required")?;
        let mut required = Vec::new();
        let mut claim_rules = Vec::new();
        for (index, rule) in jwt.claim_validation_rules.iter().enumerate() {
            let at = format!("claimValidationRules[{index}]");
            match claim_rule(rule, &at)? {
                Some(rule) => claim_rules.push(rule),
                None => required.push((rule.claim.clone(), rule.required_value.clone())),
            }
        }
        let user_rule = |(index, rule): (usize, &UserRule)| {
            let at = format!("userValidationRules[{index}].expression");
            let condition = Expression::condition(&rule.expression, &user(), &at)?;
            Ok::<_, String>(Rule { condition, message: rule.message.clone() })
        };
        let mapper = Mapper {
            username,
            groups: source(&mappings.groups, "claimMappings.groups", true)?,
            uid: source(&mappings.uid, "claimMappings.uid", false)?,
            extra: extra(&mappings.extra)?,
            required,
            claim_rules,
            user_rules: jwt
                .user_validation_rules
                .iter()
                .enumerate()
                .map(user_rule)
                .collect::<Result<_, _>>()?,
        };
        if mapper.takes_unverified_addresses() {
            return Err(format!("claimMappings.username.expression: {EMAIL_UNVERIFIED}"));
        }
        Ok(mapper)
    }

    /// Addresses that nobody has verified could be another's.
    fn takes_unverified_addresses(&self) -> bool {
        let Source::Expression(username) = &self.username else { return false };
        let mut looked_at = std::iter::once(username)
            .chain(self.extra.iter().map(|(_, value)| value))
            .chain(self.claim_rules.iter().map(|rule| &rule.condition));
        username.program.selects("claims", "email")
            && !looked_at.any(|expression| expression.program.selects("claims", "email_verified"))
    }

    pub fn identity(&self, claims: &Value) -> Result<Identity, OidcError> {
        let given = Claims { json: claims, variables: vec![("claims", cel::Value::from_json(claims))] };
        let mut identity = Identity {
            name: self.username(&given)?,
            uid: self.uid.as_ref().map_or(Ok(String::new()), |source| source.text(&given))?,
            groups: self.groups.as_ref().map_or(Ok(Vec::new()), |source| source.texts(&given))?,
            extra: self.extra(&given)?,
        };
        for (claim, value) in &self.required {
            if claims[claim] != value.as_str() {
                return Err(OidcError::Claim { claim: claim.clone(), why: format!("must be {value:?}") });
            }
        }
        check(&self.claim_rules, &given.variables)?;
        if !self.user_rules.is_empty() {
            check(&self.user_rules, &vec![("user", user_value(&identity))])?;
        }
        identity.groups.push("system:authenticated".into());
        Ok(identity)
    }

    fn username(&self, claims: &Claims<'_>) -> Result<String, OidcError> {
        let name = self.username.text(claims)?;
        if name.is_empty() {
            return Err(self.username.failed("a user needs a name"));
        }
        if let Source::Claim { name: claim, .. } = &self.username
            && claim == "email"
            && claims.json.get("email_verified").is_some_and(|verified| *verified != true)
        {
            let why = "the address is not verified".into();
            return Err(OidcError::Claim { claim: "email_verified".into(), why });
        }
        Ok(format!("{}{name}", self.username.prefix()))
    }

    fn extra(&self, claims: &Claims<'_>) -> Result<Vec<(String, Vec<String>)>, OidcError> {
        let mut extra = Vec::new();
        if let Some(id) = claims.json["jti"].as_str() {
            extra.push((CREDENTIAL.to_owned(), vec![format!("JTI={id}")]));
        }
        for (key, expression) in &self.extra {
            let values = expression.texts(&claims.variables)?;
            if !values.is_empty() {
                extra.push((key.clone(), values));
            }
        }
        Ok(extra)
    }
}

/// What expressions see, by name.
type Variables = Vec<(&'static str, cel::Value)>;

/// As they came, and as expressions see them.
struct Claims<'a> {
    json: &'a Value,
    variables: Variables,
}

impl Source {
    /// The one text that it must be, without the prefix.
    fn text(&self, claims: &Claims<'_>) -> Result<String, OidcError> {
        match self {
            Source::Claim { name, .. } => match claims.json[name].as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.failed("is not there, or not a string")),
            },
            Source::Expression(expression) => match expression.run(&claims.variables)?.as_text() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.failed("claim expression must return a string")),
            },
        }
    }

    /// A text, or a list of them; a claim may be missing.
    fn texts(&self, claims: &Claims<'_>) -> Result<Vec<String>, OidcError> {
        let (name, prefix) = match self {
            Source::Claim { name, prefix } => (name, prefix),
            Source::Expression(expression) => return expression.texts(&claims.variables),
        };
        let claim = &claims.json[name];
        let listed = match claim {
            Value::Null => &[],
            Value::Array(items) => &items[..],
            one => std::slice::from_ref(one),
        };
        let text = |item: &Value| item.as_str().map(|text| format!("{prefix}{text}"));
        let texts: Option<Vec<String>> = listed.iter().map(text).collect();
        texts.ok_or_else(|| self.failed("is neither a string nor a list of strings"))
    }

    fn prefix(&self) -> &str {
        match self {
            Source::Claim { prefix, .. } => prefix,
            Source::Expression(_) => "",
        }
    }

    fn failed(&self, why: &str) -> OidcError {
        match self {
            Source::Claim { name, .. } => OidcError::Claim { claim: name.clone(), why: why.to_owned() },
            Source::Expression(expression) => expression.failed(why),
        }
    }
}

impl Expression {
    fn new(text: &str, environment: &Environment, field: &str) -> Result<Expression, String> {
        let program =
            cel::compile(text, environment).map_err(|why| format!("{field}: compilation failed: {why}"))?;
        Ok(Expression { text: text.to_owned(), program })
    }

    fn condition(text: &str, environment: &Environment, field: &str) -> Result<Expression, String> {
        let condition = Expression::new(text, environment, field)?;
        match condition.program.of() {
            Type::Bool => Ok(condition),
            _ => Err(format!("{field}: must evaluate to bool")),
        }
    }

    fn run(&self, variables: &Variables) -> Result<cel::Value, OidcError> {
        let meter = Meter::new(PER_CALL);
        self.program.run(variables, &meter).map_err(|fault| self.failed(&fault.to_string()))
    }

    /// A text, or a list of them; empty ones are as if they were not there.
    fn texts(&self, variables: &Variables) -> Result<Vec<String>, OidcError> {
        let wrong = || self.failed("expression must return a string or a list of strings");
        let value = self.run(variables)?;
        let items = match &value {
            cel::Value::List(list) => &list.items[..],
            one => std::slice::from_ref(one),
        };
        let mut texts: Vec<String> = Vec::new();
        for item in items {
            texts.push(item.as_text().ok_or_else(wrong)?.to_owned());
        }
        texts.retain(|text| !text.is_empty());
        Ok(texts)
    }

    fn failed(&self, why: &str) -> OidcError {
        OidcError::Expression { expression: self.text.clone(), why: why.to_owned() }
    }
}

fn check(rules: &[Rule], variables: &Variables) -> Result<(), OidcError> {
    for rule in rules {
        if !matches!(rule.condition.run(variables)?, cel::Value::Bool(true)) {
            let said = format!("validation expression '{}' failed", rule.condition.text);
            return Err(OidcError::Rule(if rule.message.is_empty() { said } else { rule.message.clone() }));
        }
    }
    Ok(())
}

fn claims() -> Environment {
    Environment::default().with("claims", Type::map(Type::String, Type::Dyn))
}

fn user() -> Environment {
    Environment::default().with("user", cel::user_type())
}

fn user_value(identity: &Identity) -> cel::Value {
    let extra = identity.extra.iter().map(|(key, values)| (key, cel::Value::texts(values)));
    cel::Value::fields([
        ("username", cel::Value::text(&identity.name)),
        ("uid", cel::Value::text(&identity.uid)),
        ("groups", cel::Value::texts(&identity.groups)),
        ("extra", cel::Value::fields(extra)),
    ])
}

fn source(mapping: &Mapping, field: &str, prefixed: bool) -> Result<Option<Source>, String> {
    match (mapping.claim.is_empty(), mapping.expression.is_empty(), &mapping.prefix) {
        (false, false, _) => Err(format!("{field}: {BOTH}")),
        (true, true, _) => Ok(None),
        (true, false, Some(_)) => Err(format!("{field}.prefix: may not be specified when expression is set")),
        (true, false, None) => {
            let expression = Expression::new(&mapping.expression, &claims(), &format!("{field}.expression"))?;
            Ok(Some(Source::Expression(expression)))
        }
        (false, true, None) if prefixed => Err(format!(
            "{field}.prefix: prefix is required when claim is set. It can be set to an empty string to \
             disable prefixing"
        )),
        (false, true, prefix) => {
            let prefix = prefix.clone().unwrap_or_default();
            Ok(Some(Source::Claim { name: mapping.claim.clone(), prefix }))
        }
    }
}

/// `None`: the claim must have a value.
fn claim_rule(rule: &ClaimRule, field: &str) -> Result<Option<Rule>, String> {
    match (rule.claim.is_empty(), rule.expression.is_empty()) {
        (false, false) => Err(format!("{field}: {BOTH}")),
        (true, true) => Err(format!("{field}: claim or expression is required")),
        (false, true) if !rule.message.is_empty() => {
            Err(format!("{field}.message: may not be specified when claim is set"))
        }
        (false, true) => Ok(None),
        (true, false) if !rule.required_value.is_empty() => {
            Err(format!("{field}.requiredValue: may not be specified when expression is set"))
        }
        (true, false) => {
            let at = format!("{field}.expression");
            let condition = Expression::condition(&rule.expression, &claims(), &at)?;
            Ok(Some(Rule { condition, message: rule.message.clone() }))
        }
    }
}

fn extra(mappings: &[ExtraMapping]) -> Result<Vec<(String, Expression)>, String> {
    let mut extra: Vec<(String, Expression)> = Vec::new();
    for (index, ExtraMapping { key, value_expression }) in mappings.iter().enumerate() {
        let at = format!("claimMappings.extra[{index}]");
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        let is_kubernetes =
            ["kubernetes.io", "k8s.io"].iter().any(|own| format!(".{domain}").ends_with(&format!(".{own}")));
        let wrong = if !names::is_dns1123_subdomain(domain) || key.ends_with('/') {
            "must be a domain-prefixed path (such as \"acme.io/foo\")"
        } else if *key != key.to_lowercase() {
            "must be lowercase"
        } else if is_kubernetes {
            "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
        } else if extra.iter().any(|(known, _)| known == key) {
            "stands there twice"
        } else {
            let at = format!("{at}.valueExpression");
            extra.push((key.clone(), Expression::new(value_expression, &claims(), &at)?));
            continue;
        };
        return Err(format!("{at}.key: {key:?} {wrong}"));
    }
    Ok(extra)
}
