//! What each of Kubernetes' signers signs (`pkg/apis/certificates/helpers.go`).
//!
//! In the host, and not a component: these rules are what the signers' names promise to everybody who
//! trusts the cluster's authority
//! (<https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers>),
//! so none of them may be swapped, and they guard a key that no component is lent. What a cluster
//! decides for itself is which requests are approved, and who signs for other signers; both happen
//! through the API, by controllers among others.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
const LEGACY: &str = "kubernetes.io/legacy-unknown";

pub const SIGNERS: [&str; 4] = [CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY];

/// The names in a request.
#[derive(Default)]
struct Names {
    dns: usize,
    ip: usize,
    email: usize,
    uri: usize,
}

/// Why the signer does not sign this request.
pub fn check(signer: &str, request: &X509CertificationRequest<'_>, usages: &[String]) -> Result<(), String> {
    match signer {
        CLIENT => check_client(request, usages),
        KUBELET_CLIENT => check_kubelet_client(request, usages),
        KUBELET_SERVING => check_kubelet_serving(request, usages),
        // Signed as it is: whoever approved it has looked.
        LEGACY => Ok(()),
        other => Err(format!("signer {other:?} is not one of this cluster's")),
    }
}

fn refuse(allowed: bool, why: &str) -> Result<(), String> {
    if allowed { Ok(()) } else { Err(why.into()) }
}

fn check_client(request: &X509CertificationRequest<'_>, usages: &[String]) -> Result<(), String> {
    let known = ["client auth", "digital signature", "key encipherment"];
    let masters = organizations(request).iter().any(|name| name == "system:masters");
    refuse(
        !masters,
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
    )?;
    let fits = usages.iter().all(|usage| known.contains(&usage.as_str())) && has(usages, "client auth");
    refuse(fits, &format!("invalid usage for client certificate: {usages:?}"))
}

fn check_kubelet_client(request: &X509CertificationRequest<'_>, usages: &[String]) -> Result<(), String> {
    check_node_name(request)?;
    let names = names(request);
    refuse(names.dns == 0, "DNS subjectAltNames are not allowed")?;
    refuse(names.email == 0, "Email subjectAltNames are not allowed")?;
    refuse(names.ip == 0, "IP subjectAltNames are not allowed")?;
    refuse(names.uri == 0, "URI subjectAltNames are not allowed")?;
    refuse(
        is_exactly(usages, "client auth"),
        "usages did not match [key encipherment digital signature client auth] or [digital signature client auth]",
    )
}

fn check_kubelet_serving(request: &X509CertificationRequest<'_>, usages: &[String]) -> Result<(), String> {
    check_node_name(request)?;
    let names = names(request);
    refuse(names.dns + names.ip > 0, "DNS or IP subjectAltName is required")?;
    refuse(names.email == 0, "Email subjectAltNames are not allowed")?;
    refuse(names.uri == 0, "URI subjectAltNames are not allowed")?;
    refuse(
        is_exactly(usages, "server auth"),
        "usages did not match [key encipherment digital signature server auth] or [digital signature server auth]",
    )
}

fn check_node_name(request: &X509CertificationRequest<'_>) -> Result<(), String> {
    refuse(organizations(request) == ["system:nodes"], "subject organization is not system:nodes")?;
    let subject = &request.certification_request_info.subject;
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    refuse(name.starts_with("system:node:"), "subject common name does not begin with system:node:")
}

fn organizations(request: &X509CertificationRequest<'_>) -> Vec<String> {
    let subject = &request.certification_request_info.subject;
    subject.iter_organization().filter_map(|name| name.as_str().ok().map(String::from)).collect()
}

fn has(usages: &[String], usage: &str) -> bool {
    usages.iter().any(|given| given == usage)
}

fn is_exactly(usages: &[String], purpose: &str) -> bool {
    let encipherment = usize::from(has(usages, "key encipherment"));
    has(usages, "digital signature") && has(usages, purpose) && usages.len() == 2 + encipherment
}

fn names(request: &X509CertificationRequest<'_>) -> Names {
    let mut found = Names::default();
    let extensions = request.requested_extensions().into_iter().flatten();
    for extension in extensions {
        let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
        for name in &names.general_names {
            match name {
                GeneralName::DNSName(_) => found.dns += 1,
                GeneralName::IPAddress(_) => found.ip += 1,
                GeneralName::RFC822Name(_) => found.email += 1,
                GeneralName::URI(_) => found.uri += 1,
                _ => {}
            }
        }
    }
    found
}
