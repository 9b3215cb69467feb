//! APIServices (`kube-aggregator/pkg/apis/apiregistration/validation`).

use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate_service(service: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, spec) = (Path::new("spec"), &service["spec"]);
    let (group, version) = (text(&spec["group"]), text(&spec["version"]));
    let wanted = format!("{version}.{group}");
    if let Some(old) = old {
        metadata::validate_common_change(service, old, &mut errors);
    }
    let judge = |name: &str, _: metadata::Part| match names::path_segment(name) {
        found if found.is_empty() && name != wanted => {
            vec![format!("must be `spec.version+\".\"+spec.group`: {wanted:?}")]
        }
        found => found,
    };
    metadata::validate_called(service, judge, &mut errors);
    if group.is_empty() && version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&path.child("group"), detail);
    }
    if !group.is_empty() {
        errors.rule(&path.child("group"), group, names::dns1123_subdomain);
    }
    errors.rule(&path.child("version"), version, names::dns1035_label);
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let given = spec[field].as_i64().unwrap_or_default();
        if given <= 0 || given > most {
            let detail = format!("must be positive and less than {most}");
            errors.invalid(&path.child(field), &given.into(), detail);
        }
    }
    match spec["service"].is_object() {
        false => validate_local(spec, &path, &mut errors),
        true => validate_remote(spec, &path, &mut errors),
    }
    validate_conditions(&service["status"], &mut errors);
    errors.into_vec()
}

fn validate_local(spec: &Value, path: &Path, errors: &mut Errors) {
    let bundle = text(&spec["caBundle"]);
    if !bundle.is_empty() {
        let shown = format!("{} bytes", bundle.trim_end_matches('=').len() * 3 / 4);
        errors.invalid(&path.child("caBundle"), &shown.into(), "local APIServices may not have a caBundle");
    }
    if spec["insecureSkipTLSVerify"] == true {
        let detail = "local APIServices may not have insecureSkipTLSVerify";
        errors.invalid(&path.child("insecureSkipTLSVerify"), &true.into(), detail);
    }
}

fn validate_remote(spec: &Value, path: &Path, errors: &mut Errors) {
    let (service, at) = (&spec["service"], path.child("service"));
    for field in ["namespace", "name"] {
        if text(&service[field]).is_empty() {
            errors.required(&at.child(field), "");
        }
    }
    let port = service["port"].as_i64().unwrap_or_default();
    let found = names::port_number(port);
    if !found.is_empty() {
        let detail = format!("port is not valid: {}", found.join(", "));
        errors.invalid(&at.child("port"), &port.into(), detail);
    }
    if spec["insecureSkipTLSVerify"] == true && !text(&spec["caBundle"]).is_empty() {
        let detail = "may not be true if caBundle is present";
        errors.invalid(&path.child("insecureSkipTLSVerify"), &true.into(), detail);
    }
}

fn validate_conditions(status: &Value, errors: &mut Errors) {
    let path = Path::new("status").child("conditions");
    for (index, condition) in items(&status["conditions"]).iter().enumerate() {
        let at = path.index(index).child("status");
        errors.one_of(&at, &condition["status"], &["True", "False", "Unknown"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, spec: Value) -> Vec<String> {
        let service = json!({ "metadata": { "name": name }, "spec": spec });
        validate_service(&service, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_follow_from_group_and_version() {
        let spec = json!({ "group": "a.example", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 1 });
        assert_eq!(found("v1.a.example", spec.clone()), Vec::<String>::new());
        let expected = r#"metadata.name: Invalid value: "v2.a.example": must be `spec.version+"."+spec.group`: "v1.a.example""#;
        assert_eq!(found("v2.a.example", spec), [expected]);
        let core = json!({ "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 1 });
        assert_eq!(found("v1.", core), Vec::<String>::new());
    }

    #[test]
    fn priorities_and_trust_are_checked() {
        let spec = json!({ "group": "a.example", "version": "v1", "groupPriorityMinimum": 0, "versionPriority": 1001,
            "caBundle": "eA==", "insecureSkipTLSVerify": true,
            "service": { "name": "s", "namespace": "n", "port": 0 } });
        let expected = [
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
            "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
            "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
            "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
        ];
        assert_eq!(found("v1.a.example", spec), expected);
    }
}
