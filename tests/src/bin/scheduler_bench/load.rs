//! The descriptions under `tests/bench/scheduler`.

use std::path::PathBuf;

use orch_tests::workspace;
use serde::Deserialize;
use serde_json::Value;

/// One load; `tests/bench/scheduler/README.md` says what the fields mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Load {
    pub name: String,
    #[allow(dead_code, reason = "for the reader of the description")]
    about: String,
    pub goal: Option<u32>,
    #[allow(dead_code, reason = "for the reader of the description")]
    upstream_threshold: Option<u32>,
    pub nodes: usize,
    #[serde(default)]
    pub zones: Vec<String>,
    #[serde(default)]
    pub namespaces: Vec<String>,
    pub before: Vec<Pods>,
    pub meanwhile: Option<Meanwhile>,
    pub measured: Pods,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    pub pods: usize,
    /// A template in `pods/`.
    pub from: String,
    #[serde(default = "default_namespace")]
    pub namespace: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Meanwhile {
    pub from: String,
    pub every_milliseconds: u64,
}

fn default_namespace() -> String {
    "default".into()
}

fn folder() -> PathBuf {
    workspace().join("tests/bench/scheduler")
}

/// Every description, in the order of their names' files.
pub fn all() -> Vec<Load> {
    let entries = std::fs::read_dir(folder()).expect("the descriptions are in the checkout");
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

pub fn template(name: &str) -> Value {
    read(&folder().join("pods").join(format!("{name}.yaml")))
}

fn read<T: serde::de::DeserializeOwned>(file: &std::path::Path) -> T {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

impl Load {
    /// Another number of nodes, with the pods that are there before in proportion.
    pub fn with_nodes(mut self, nodes: usize) -> Load {
        for pods in &mut self.before {
            pods.pods = (pods.pods * nodes).div_ceil(self.nodes);
        }
        self.nodes = nodes;
        self
    }

    pub fn with_measured(mut self, pods: usize) -> Load {
        self.measured.pods = pods;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_and_template_can_be_read() {
        let loads = all();
        assert!(loads.len() >= 10, "{loads:?}");
        for load in loads {
            let mut names: Vec<&String> = load.before.iter().map(|p| &p.from).collect();
            names.push(&load.measured.from);
            names.extend(load.meanwhile.iter().map(|m| &m.from));
            for name in names {
                assert_eq!(template(name)["kind"], "Pod", "{name} of {}", load.name);
            }
            let within = |p: &Pods| p.namespace == "default" || load.namespaces.contains(&p.namespace);
            assert!(load.before.iter().all(within) && within(&load.measured), "{}", load.name);
        }
    }

    #[test]
    fn fewer_nodes_have_fewer_pods() {
        let basic = all().into_iter().find(|l| l.name == "SchedulingBasic").unwrap();
        let small = basic.with_nodes(500).with_measured(7);
        assert_eq!((small.nodes, small.before[0].pods, small.measured.pods), (500, 100, 7));
    }
}
