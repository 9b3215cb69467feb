//! What extension API servers are told of whom to believe (`pkg/controlplane/controller/clusterauthenticationtrust`).

use orch_client::{Resource, Target};
use orch_object::Status;
use serde_json::json;

use super::{Bootstrap, ensure, ensure_fields};
use crate::pki::FRONT_PROXY_CLIENT;
use crate::verbs::{Api, Call};

const NAMESPACE: &str = "kube-system";
const CONFIGURATION: &str = "extension-apiserver-authentication";
const READER: &str = "extension-apiserver-authentication-reader";

pub async fn create(api: &Api, call: &Call, bootstrap: &Bootstrap) -> Result<(), Status> {
    let data = json!({
        "client-ca-file": bootstrap.client_ca,
        "requestheader-client-ca-file": bootstrap.front_proxy_ca,
        "requestheader-allowed-names": json!([FRONT_PROXY_CLIENT]).to_string(),
        "requestheader-username-headers": r#"["X-Remote-User"]"#,
        "requestheader-uid-headers": r#"["X-Remote-Uid"]"#,
        "requestheader-group-headers": r#"["X-Remote-Group"]"#,
        "requestheader-extra-headers-prefix": r#"["X-Remote-Extra-"]"#,
    });
    let fields = json!({ "data": data });
    let object = json!({ "metadata": { "name": CONFIGURATION, "namespace": NAMESPACE }, "data": data });
    ensure_fields(api, call, within("", "configmaps"), object, fields).await?;
    let labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    let annotations = json!({ "rbac.authorization.kubernetes.io/autoupdate": "true" });
    let role = json!({
        "metadata": { "name": READER, "namespace": NAMESPACE, "labels": labels, "annotations": annotations },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CONFIGURATION],
            "verbs": ["get", "list", "watch"] }],
    });
    ensure(api, call, within(RBAC, "roles"), role).await?;
    let user = |name: &str| json!({ "apiGroup": RBAC, "kind": "User", "name": name });
    let binding = json!({
        "metadata": { "name": format!("system::{READER}"), "namespace": NAMESPACE, "labels": labels,
            "annotations": annotations },
        "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": READER },
        "subjects": [user("system:kube-controller-manager"), user("system:kube-scheduler")],
    });
    ensure(api, call, within(RBAC, "rolebindings"), binding).await
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn within(group: &'static str, plural: &'static str) -> Target {
    Target::within(&Resource::new(group, "v1", plural), NAMESPACE)
}
