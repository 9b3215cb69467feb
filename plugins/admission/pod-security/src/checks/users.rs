//! As whom containers run.

use orch_sdk::object::Object;

use super::Verdict;
use super::words::{containers, setters, violation, which};
use crate::pod::Pod;

pub fn non_root(pod: &Pod) -> Verdict {
    let of_pod = pod.security("runAsNonRoot");
    let root = which(pod, |container| container.security("runAsNonRoot") == false);
    if let Some(who) = setters(of_pod == false, &root) {
        return violation(
            "runAsNonRoot != true",
            format!("{who} must not set securityContext.runAsNonRoot=false"),
        );
    }
    let unset = which(pod, |container| of_pod != true && container.security("runAsNonRoot").is_null());
    if unset.is_empty() {
        return None;
    }
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&unset));
    violation("runAsNonRoot != true", detail)
}

pub fn non_root_unless_own_users(pod: &Pod) -> Verdict {
    if pod.has_own_users() { None } else { non_root(pod) }
}

pub fn not_user_0(pod: &Pod) -> Verdict {
    let root = which(pod, |container| container.security("runAsUser") == 0);
    let who = setters(pod.security("runAsUser") == 0, &root)?;
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub fn not_user_0_unless_own_users(pod: &Pod) -> Verdict {
    if pod.has_own_users() { None } else { not_user_0(pod) }
}

pub fn windows_host_process(pod: &Pod) -> Verdict {
    let set = |options: &orch_sdk::Value| options.at(&["hostProcess"]) == true;
    let bad = which(pod, |container| set(container.security("windowsOptions")));
    let who = setters(set(pod.security("windowsOptions")), &bad)?;
    violation("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
