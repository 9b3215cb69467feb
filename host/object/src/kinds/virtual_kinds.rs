//! Kinds that are asked, not stored: their only verb is `create`, and its answer is the object.

use super::row::Row;

const CREATE: &[&str] = &["create"];

pub(super) fn rows() -> Vec<Row> {
    let authorization = "authorization.k8s.io/v1";
    let authentication = "authentication.k8s.io/v1";
    let rows = [
        Row::namespaced("v1", "Binding", "bindings"),
        Row::cluster(authentication, "SelfSubjectReview", "selfsubjectreviews"),
        Row::cluster(authentication, "TokenReview", "tokenreviews"),
        Row::namespaced(authorization, "LocalSubjectAccessReview", "localsubjectaccessreviews"),
        Row::cluster(authorization, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        Row::cluster(authorization, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        Row::cluster(authorization, "SubjectAccessReview", "subjectaccessreviews"),
    ];
    rows.into_iter().map(|row| Row { verbs: CREATE, ..row }).collect()
}
