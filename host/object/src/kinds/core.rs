//! The core group.

use super::row::{ALL, Row};
use crate::{print, strategy};

const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
const CONNECT: &[&str] = &["create", "get"];
const CREATE: &[&str] = &["create"];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![namespace(), node(), pod(), service()];
    rows.extend(config());
    rows.extend(endpoints());
    rows.push(event());
    rows.push(component_status());
    rows
}

fn component_status() -> Row {
    Row {
        short_names: &["cs"],
        verbs: &["get", "list"],
        columns: print::component::columns(),
        strategy: strategy::config::COMPONENT,
        ..Row::cluster("v1", "ComponentStatus", "componentstatuses")
    }
}

fn namespace() -> Row {
    Row {
        short_names: &["ns"],
        // A namespace's end is the namespace controller's work: no collection delete.
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: vec![("finalize", "Namespace", &["update"])],
        selectable: &["status.phase"],
        columns: print::namespace::columns(),
        strategy: strategy::namespace::STRATEGY,
        ..Row::cluster("v1", "Namespace", "namespaces")
    }
    .with_status()
}

fn node() -> Row {
    Row {
        short_names: &["no"],
        subresources: vec![("proxy", "NodeProxyOptions", PROXY)],
        selectable: &["spec.unschedulable"],
        columns: print::node::columns(),
        strategy: strategy::node::STRATEGY,
        ..Row::cluster("v1", "Node", "nodes")
    }
    .with_status()
}

fn pod() -> Row {
    const POD_PARTS: &[&str] = &["get", "patch", "update"];
    Row {
        short_names: &["po"],
        categories: &["all"],
        subresources: vec![
            ("attach", "PodAttachOptions", CONNECT),
            ("binding", "Binding", CREATE),
            ("ephemeralcontainers", "Pod", POD_PARTS),
            ("eviction", "policy/v1/Eviction", CREATE),
            ("exec", "PodExecOptions", CONNECT),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", CONNECT),
            ("proxy", "PodProxyOptions", PROXY),
            ("resize", "Pod", POD_PARTS),
        ],
        selectable: &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        ],
        columns: print::pod::columns(),
        generation: true,
        strategy: strategy::pod::STRATEGY,
        ..Row::namespaced("v1", "Pod", "pods")
    }
    .with_status()
}

fn service() -> Row {
    Row {
        short_names: &["svc"],
        categories: &["all"],
        subresources: vec![("proxy", "ServiceProxyOptions", PROXY)],
        selectable: &["spec.clusterIP", "spec.type"],
        columns: print::service::columns(),
        strategy: strategy::service::STRATEGY,
        ..Row::namespaced("v1", "Service", "services")
    }
    .with_status()
}

fn config() -> [Row; 4] {
    [
        Row {
            short_names: &["cm"],
            columns: print::config::config_map_columns(),
            strategy: strategy::config::CONFIG_MAP,
            ..Row::namespaced("v1", "ConfigMap", "configmaps")
        },
        Row {
            selectable: &["type"],
            columns: print::config::secret_columns(),
            strategy: strategy::config::SECRET,
            ..Row::namespaced("v1", "Secret", "secrets")
        },
        Row {
            short_names: &["sa"],
            subresources: vec![("token", "authentication.k8s.io/v1/TokenRequest", CREATE)],
            columns: print::config::service_account_columns(),
            strategy: strategy::config::SERVICE_ACCOUNT,
            ..Row::namespaced("v1", "ServiceAccount", "serviceaccounts")
        },
        Row {
            short_names: &["ev"],
            selectable: &[
                "involvedObject.apiVersion",
                "involvedObject.fieldPath",
                "involvedObject.kind",
                "involvedObject.name",
                "involvedObject.namespace",
                "involvedObject.resourceVersion",
                "involvedObject.uid",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            verbs: ALL,
            columns: print::event::columns(),
            strategy: strategy::event::STRATEGY,
            ..Row::namespaced("v1", "Event", "events")
        },
    ]
}

/// The same Events under their new name and with new names of their fields.
fn event() -> Row {
    Row {
        short_names: &["ev"],
        selectable: &[
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingController",
            "type",
        ],
        columns: print::event::columns(),
        strategy: strategy::event::NEW,
        conversion: Some(crate::conversion::EVENT),
        ..Row::namespaced("events.k8s.io/v1", "Event", "events")
    }
}

fn endpoints() -> [Row; 2] {
    [
        Row {
            short_names: &["ep"],
            columns: print::endpoints::columns(),
            strategy: strategy::endpoints::ENDPOINTS,
            ..Row::namespaced("v1", "Endpoints", "endpoints")
        },
        Row {
            columns: print::endpoints::slice_columns(),
            generation: true,
            strategy: strategy::endpoints::SLICE,
            ..Row::namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
        },
    ]
}
