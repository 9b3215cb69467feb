//! The part of an image's configuration that running it needs. Docker and OCI images agree on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: Execution,
    #[serde(default)]
    pub rootfs: RootFs,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub working_dir: String,
    pub stop_signal: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Digests of the uncompressed layers, bottom first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<String>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Execution {
    /// What the container runs: its command replaces the entrypoint and with it the image's arguments.
    /// <https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/>
    pub fn command_line(&self, command: &[String], args: &[String]) -> Vec<String> {
        let (first, second): (&[String], &[String]) = match (command.is_empty(), args.is_empty()) {
            (false, _) => (command, args),
            (true, false) => (&self.entrypoint, args),
            (true, true) => (&self.entrypoint, &self.cmd),
        };
        first.iter().chain(second).cloned().collect()
    }

    /// The image's environment with the container's over it; a name keeps its first place.
    pub fn environment(&self, own: &[(String, String)]) -> Vec<String> {
        let mut env: Vec<(String, String)> = Vec::new();
        let image = self.env.iter().map(|entry| match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (entry.clone(), String::new()),
        });
        for (name, value) in image.chain(own.iter().cloned()) {
            match env.iter_mut().find(|(known, _)| *known == name) {
                Some(entry) => entry.1 = value,
                None => env.push((name, value)),
            }
        }
        env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_follow_kubernetes() {
        let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let image = Execution { entrypoint: list(&["e"]), cmd: list(&["c"]), ..Execution::default() };
        assert_eq!(image.command_line(&[], &[]), ["e", "c"]);
        assert_eq!(image.command_line(&[], &list(&["a"])), ["e", "a"]);
        assert_eq!(image.command_line(&list(&["x"]), &[]), ["x"]);
        assert_eq!(image.command_line(&list(&["x"]), &list(&["a"])), ["x", "a"]);
    }

    #[test]
    fn nulls_of_docker_are_accepted() {
        let config: ImageConfig = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["sh"],"Labels":null},
                "rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#,
        )
        .unwrap();
        assert_eq!(config.config.cmd, ["sh"]);
        let env = config.config.environment(&[("A".into(), "1".into()), ("A".into(), "2".into())]);
        assert_eq!(env, ["A=2"]);
    }
}
