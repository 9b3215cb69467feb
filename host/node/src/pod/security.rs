//! The security context of a container: its own wish over the pod's.

use orch_container::runtime::{Image, Seccomp, Security};

use super::env::ConfigError;
use super::spec::{Container, Pod, SeccompProfile};
use crate::paths::Paths;

/// What the kernel is told, or why the container must not run.
pub fn merge(
    pod: &Pod,
    container: &Container,
    image: &Image,
    paths: &Paths,
) -> Result<Security, ConfigError> {
    let own = &container.security_context;
    let shared = &pod.spec.security_context;
    let privileged = own.privileged.unwrap_or(false);
    let user = own.run_as_user.or(shared.run_as_user);
    let must_be_non_root = own.run_as_non_root.or(shared.run_as_non_root).unwrap_or(false);
    if must_be_non_root {
        check_non_root(pod, container, user, image)?;
    }
    let mut groups = shared.supplemental_groups.clone();
    groups.extend(shared.fs_group);
    let profile = own.seccomp_profile.as_ref().or(shared.seccomp_profile.as_ref());
    Ok(Security {
        privileged,
        read_only_root: own.read_only_root_filesystem.unwrap_or(false),
        no_new_privileges: own.allow_privilege_escalation == Some(false),
        user,
        group: own.run_as_group.or(shared.run_as_group),
        supplementary_groups: groups,
        add_capabilities: names(&own.capabilities.add),
        drop_capabilities: names(&own.capabilities.drop),
        seccomp: seccomp(profile, privileged, paths)?,
        must_be_non_root,
        unmasked_proc: own.proc_mount.as_deref() == Some("Unmasked"),
    })
}

fn names(capabilities: &[String]) -> Vec<String> {
    let bare = |name: &String| {
        let name = name.to_uppercase();
        name.strip_prefix("CAP_").map(str::to_string).unwrap_or(name)
    };
    capabilities.iter().map(bare).collect()
}

fn seccomp(
    profile: Option<&SeccompProfile>,
    privileged: bool,
    paths: &Paths,
) -> Result<Seccomp, ConfigError> {
    if privileged {
        return Ok(Seccomp::Unconfined);
    }
    match profile.map(|p| p.profile_type.as_str()) {
        // On by default here, unlike upstream: DESIGN.md 11.
        None | Some("" | "RuntimeDefault") => Ok(Seccomp::RuntimeDefault),
        Some("Unconfined") => Ok(Seccomp::Unconfined),
        Some("Localhost") => {
            let name = profile.and_then(|p| p.localhost_profile.clone()).unwrap_or_default();
            let escapes = name.split('/').any(|part| part == "..") || name.starts_with('/');
            if name.is_empty() || escapes {
                return Err(ConfigError::Other(format!("invalid localhost seccomp profile \"{name}\"")));
            }
            Ok(Seccomp::Localhost(paths.seccomp().join(name)))
        }
        Some(other) => Err(ConfigError::Other(format!("unknown seccomp profile type \"{other}\""))),
    }
}

fn check_non_root(
    pod: &Pod,
    container: &Container,
    user: Option<u32>,
    image: &Image,
) -> Result<(), ConfigError> {
    let place = format!("(pod: \"{}\", container: {})", pod.full_name(), container.name);
    let image_user = image.user.split(':').next().unwrap_or_default();
    let complaint = match user {
        Some(0) => Some("container's runAsUser breaks non-root policy".to_string()),
        Some(_) => None,
        None if image_user.is_empty() || image_user == "0" => {
            Some("container has runAsNonRoot and image will run as root".into())
        }
        None if image_user.parse::<u32>().is_err() => Some(format!(
            "container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root"
        )),
        None => None,
    };
    complaint.map_or(Ok(()), |what| Err(ConfigError::Other(format!("{what} {place}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn merged(pod: serde_json::Value, user: &str) -> Result<Security, ConfigError> {
        let raw = json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": pod});
        let pod = Pod::read(Arc::new(raw)).unwrap();
        let image = Image {
            id: String::new(),
            tags: vec![],
            digests: vec![],
            size_bytes: 0,
            user: user.into(),
            stop_signal: None,
        };
        merge(&pod, &pod.spec.containers[0], &image, &Paths::new("/d".into()))
    }

    #[test]
    fn the_container_wins_over_the_pod() {
        let security = merged(
            json!({"securityContext": {"runAsUser": 1, "runAsGroup": 2, "fsGroup": 9, "supplementalGroups": [7]},
                "containers": [{"name": "c", "securityContext": {"runAsUser": 5,
                    "capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["all"]},
                    "allowPrivilegeEscalation": false}}]}),
            "",
        )
        .unwrap();
        assert_eq!((security.user, security.group), (Some(5), Some(2)));
        assert_eq!(security.supplementary_groups, [7, 9]);
        assert_eq!(security.add_capabilities, ["NET_ADMIN"]);
        assert_eq!(security.drop_capabilities, ["ALL"]);
        assert!(security.no_new_privileges);
        assert_eq!(security.seccomp, Seccomp::RuntimeDefault);
    }

    #[test]
    fn non_root_is_enforced_before_anything_runs() {
        let spec = json!({"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "c"}]});
        let message = merged(spec.clone(), "").unwrap_err().to_string();
        assert_eq!(
            message,
            "container has runAsNonRoot and image will run as root (pod: \"p_n(u)\", container: c)"
        );
        assert!(
            merged(spec.clone(), "nobody").unwrap_err().to_string().contains("non-numeric user (nobody)")
        );
        assert!(merged(spec, "1000:1000").is_ok());
    }
}
