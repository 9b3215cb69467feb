//! Files of one volume that lie where another already does.

use serde_json::Value;

use crate::validation::{items, text};

/// A file within a volume, and what it comes from, where there are several sources.
#[derive(Clone, PartialEq)]
struct File {
    path: String,
    source: String,
}

impl std::fmt::Display for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source.as_str() {
            "" => write!(f, "{:?}", self.path),
            source => write!(f, "{:?} ({source})", self.path),
        }
    }
}

pub(super) fn overlaps(volumes: &Value) -> Vec<String> {
    items(volumes).iter().flat_map(of_volume).collect()
}

fn of_volume(volume: &Value) -> Vec<String> {
    let name = text(&volume["name"]);
    let mut found = Vec::new();
    for (source, called) in [("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")]
    {
        let described = match text(&volume[source][if source == "secret" { "secretName" } else { "name" }]) {
            "" if source == "downwardAPI" => called.to_owned(),
            object => format!("{called} {object:?}"),
        };
        let mut files = Vec::new();
        for file in files_of(&volume[source], "") {
            let collisions = place(&mut files, file);
            found.extend(collisions.iter().map(|words| warning(name, &described, words)));
        }
    }
    found.extend(of_projected(name, &volume["projected"]));
    found
}

fn warning(volume: &str, source: &str, words: &str) -> String {
    format!("volume {volume:?} ({source}): overlapping paths: {words}")
}

fn of_projected(name: &str, projected: &Value) -> Vec<String> {
    let (mut found, mut files) = (Vec::new(), Vec::new());
    for source in items(&projected["sources"]) {
        if source.as_object().is_none_or(serde_json::Map::is_empty) {
            found.push(format!("volume {name:?} (Projected) has no sources provided"));
        }
        for file in files_of_source(source) {
            let collisions = place(&mut files, file);
            found.extend(collisions.iter().map(|words| warning(name, "Projected", words)));
        }
    }
    found
}

fn files_of_source(source: &Value) -> Vec<File> {
    for (kind, called) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        if source[kind]["items"].is_array() {
            return files_of(&source[kind], &format!("{called} {:?}", text(&source[kind]["name"])));
        }
    }
    let file = |path: &Value, source: String| File { path: text(path).into(), source };
    if source["downwardAPI"]["items"].is_array() {
        return files_of(&source["downwardAPI"], "DownwardAPI");
    }
    if source["serviceAccountToken"].is_object() {
        return vec![file(&source["serviceAccountToken"]["path"], "ServiceAccountToken".into())];
    }
    let bundle = &source["clusterTrustBundle"];
    if bundle.is_object() {
        let name = bundle["name"].as_str().or(bundle["signerName"].as_str()).unwrap_or_default();
        return vec![file(&bundle["path"], format!("ClusterTrustBundle {name:?}"))];
    }
    let certificate = &source["podCertificate"];
    [
        ("certificateChainPath", "PodCertificate chain"),
        ("keyPath", "PodCertificate key"),
        ("credentialBundlePath", "PodCertificate credential bundle"),
    ]
    .into_iter()
    .filter(|(field, _)| !text(&certificate[field]).is_empty())
    .map(|(field, source)| file(&certificate[field], source.into()))
    .collect()
}

fn files_of(source: &Value, called: &str) -> Vec<File> {
    let file = |item: &Value| File { path: text(&item["path"]).into(), source: called.into() };
    items(&source["items"]).iter().map(file).collect()
}

/// Puts a file beside the others; what is in its way is named.
fn place(files: &mut Vec<File>, mut file: File) -> Vec<String> {
    file.path = file.path.trim_end_matches('/').to_owned();
    let below = |a: &str, b: &str| format!("{a}/").starts_with(&format!("{b}/"));
    let collides = |other: &&File| {
        !other.path.is_empty() && (below(&other.path, &file.path) || below(&file.path, &other.path))
    };
    let found = match file.path.as_str() {
        "" => Vec::new(),
        _ => files.iter().filter(collides).map(|other| format!("{file} with {other}")).collect(),
    };
    files.push(file);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_in_anothers_place_is_told() {
        let map = json!([{ "name": "v", "configMap": { "name": "m",
            "items": [{ "key": "a", "path": "x" }, { "key": "b", "path": "x/y" }] } }]);
        assert_eq!(overlaps(&map), [r#"volume "v" (ConfigMap "m"): overlapping paths: "x/y" with "x""#]);
        let projected = json!([{ "name": "v", "projected": { "sources": [
            { "secret": { "name": "s", "items": [{ "key": "a", "path": "x" }] } },
            { "serviceAccountToken": { "path": "x" } },
            {},
        ] } }]);
        let expected = [
            r#"volume "v" (Projected): overlapping paths: "x" (ServiceAccountToken) with "x" (Secret "s")"#,
            r#"volume "v" (Projected) has no sources provided"#,
        ];
        assert_eq!(overlaps(&projected), expected);
    }
}
