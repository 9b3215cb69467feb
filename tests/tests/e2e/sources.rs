//! Where plugins come from: registries, uploads, files; signatures and policies; the way back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orch_tests::host::{Host, Network};
use orch_tests::registry::Registry;
use orch_tests::{eventually, kubectl, workspace};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const WORLD: &str = "orch:scheduler";

fn component(name: &str) -> PathBuf {
    let path = workspace().join("target/components").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `make components`", path.display());
    path
}

fn component_text(name: &str) -> String {
    component(name).to_string_lossy().into_owned()
}

/// The code of a built-in as a component of its own, by another digest: no host has it compiled.
fn foreign(name: &str, directory: &Path) -> String {
    const CUSTOM_SECTION: [u8; 4] = [0, 2, 1, b'x'];
    let path = directory.join(format!("{name}.wasm"));
    let bytes = [std::fs::read(component(name)).unwrap(), CUSTOM_SECTION.to_vec()].concat();
    std::fs::write(&path, bytes).unwrap();
    path.to_string_lossy().into_owned()
}

/// `orch …`, which must work.
fn orch(host: &Host, words: &[&str]) -> String {
    host.orch(words).unwrap_or_else(|why| panic!("{why}"))
}

fn plugin(host: &Host, name: &str) -> Value {
    serde_json::from_str(&orch(host, &["get", "plugins", name, "-o", "json"])).unwrap()
}

fn loaded(plugin: &Value) -> (String, String, String) {
    let conditions = plugin["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let loaded = conditions.iter().find(|c| c["type"] == "Loaded").cloned().unwrap_or_default();
    let word = |field: &str| loaded[field].as_str().unwrap_or_default().to_owned();
    (word("status"), word("reason"), word("message"))
}

fn digest(plugin: &Value) -> String {
    plugin["status"]["digest"].as_str().unwrap_or_default().to_owned()
}

/// What `push` says it stored: `…@sha256:…`.
fn pushed(said: &str) -> String {
    let line = said.lines().find(|line| line.starts_with("pushed ")).unwrap_or_else(|| panic!("{said}"));
    line.trim_start_matches("pushed ").to_owned()
}

fn apply(host: &Host, object: &Value) {
    let file = host.data_dir.path().join("applied.json");
    std::fs::write(&file, object.to_string()).unwrap();
    orch(host, &["apply", "-f", &file.to_string_lossy()]);
}

#[test]
fn from_a_registry_open_closed_and_back_again() {
    let network = Network::new();
    let login = Some(("somebody", "secret"));
    let _open = Registry::start(&network, 5001, None);
    let _closed = Registry::start(&network, 5002, login);
    let host = Host::start_in(network, &["--registry-mirror", "registry.example=http://127.0.0.1:5001"]);
    let (fit, taint) = (component_text("node-resources-fit"), component_text("taint-toleration"));

    let first = pushed(&orch(&host, &["plugin", "push", &fit, "127.0.0.1:5001/team/policy:1"]));
    let tag = "127.0.0.1:5001/team/policy:1";
    let said = orch(&host, &["plugin", "install", "policy", "--world", WORLD, "--oci", tag]);
    assert!(said.contains("plugin policy installed: sha256:"), "{said}");
    let one = plugin(&host, "policy");
    assert_eq!(one["status"]["source"]["oci"], *first, "a tag is pinned in status");
    let again = host.orch(&["plugin", "install", "policy", "--world", WORLD, "--oci", tag]).unwrap_err();
    assert!(again.contains("orch plugin swap policy"), "{again}");

    // By a mirror, by digest, and from a registry that wants a password.
    let by_mirror = first.replace("127.0.0.1:5001", "registry.example");
    orch(&host, &["plugin", "install", "mirrored", "--world", WORLD, "--oci", &by_mirror]);
    assert_eq!(digest(&plugin(&host, "mirrored")), digest(&one));
    let docker = host.data_dir.path().join("docker.json");
    let auths = json!({"auths": {"127.0.0.1:5002": {"username": "somebody", "password": "secret"}}});
    std::fs::write(&docker, auths.to_string()).unwrap();
    let closed = "127.0.0.1:5002/team/policy:2";
    let refused = host.orch(&["plugin", "push", &taint, closed, "--auth", "/nowhere"]).unwrap_err();
    assert!(refused.contains("/nowhere"), "{refused}");
    orch(&host, &["plugin", "push", &taint, closed, "--auth", &docker.to_string_lossy()]);
    let refused = host.orch(&["plugin", "swap", "policy", "--oci", closed]).unwrap_err();
    assert!(refused.contains("the old one serves on") && refused.contains("pullSecret"), "{refused}");
    assert_eq!(loaded(&plugin(&host, "policy")).1, "Unauthorized");
    assert_eq!(digest(&plugin(&host, "policy")), digest(&one));
    let swap = ["plugin", "swap", "policy", "--oci", closed, "--pull-secret", "login"];
    let refused = host.orch(&swap).unwrap_err();
    assert!(
        refused.contains("\"login\" not found") && refused.contains("docker-registry login"),
        "{refused}"
    );
    apply(
        &host,
        &json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": { "name": "login", "namespace": "kube-system" },
            "stringData": { ".dockerconfigjson": auths.to_string() },
        }),
    );
    // Nobody touches the plugin: it is tried again.
    let two = eventually("the plugin to load once the Secret is there", SOON, || {
        let plugin = plugin(&host, "policy");
        if loaded(&plugin).0 == "True" { Ok(plugin) } else { Err(format!("{:?}", loaded(&plugin))) }
    });
    assert_ne!(digest(&two), digest(&one));
    assert_eq!(two["status"]["previousDigests"], json!([digest(&one)]));

    let wrong =
        host.orch(&["plugin", "swap", "policy", "--oci", "127.0.0.1:5001/team/absent:1"]).unwrap_err();
    assert!(wrong.contains("is not in its registry"), "{wrong}");
    assert_eq!(loaded(&plugin(&host, "policy")).1, "NotFound");
    // What is declared does not serve: back to what does, then further back.
    let said = orch(&host, &["plugin", "rollback", "policy"]);
    assert!(said.contains(&digest(&two)), "{said}");
    let list = orch(&host, &["plugin", "rollback", "policy", "--list"]);
    assert!(list.contains(&first), "{list}");
    let said = orch(&host, &["plugin", "rollback", "policy", "--to", &digest(&one)[..14]]);
    assert!(said.contains(&digest(&one)), "{said}");
    assert_eq!(plugin(&host, "policy")["spec"]["source"], json!({ "oci": first }));
}

#[test]
fn a_registry_that_is_down_holds_nothing_up_and_heals() {
    let network = Network::new();
    let registry = Registry::start(&network, 5001, None);
    let mut host = Host::start_in(network, &["--log", "info,orch_plugin=debug"]);
    let files = tempfile::tempdir().unwrap();
    let fit = foreign("node-resources-fit", files.path());
    let pinned = pushed(&orch(&host, &["plugin", "push", &fit, "127.0.0.1:5001/team/policy:1"]));
    orch(&host, &["plugin", "install", "pinned", "--world", WORLD, "--oci", &pinned]);
    let tag = "127.0.0.1:5001/team/policy:1";
    orch(&host, &["plugin", "install", "tagged", "--world", WORLD, "--oci", tag]);
    let served = digest(&plugin(&host, "pinned"));
    let log = host.data_dir.path().with_extension("log");
    let compiled = || std::fs::read_to_string(&log).unwrap().matches("compiled a component").count();
    let before = compiled();
    assert!(before > 0, "what comes from a registry is compiled once");
    drop(registry);

    // Declared while it is down: the reason, the remedy, and the rest goes on.
    let late = "127.0.0.1:5001/team/late:1";
    let why = host.orch(&["plugin", "install", "late", "--world", WORLD, "--oci", late]).unwrap_err();
    assert!(why.contains("does not answer") && why.contains("orch delete plugin late"), "{why}");
    assert_eq!(loaded(&plugin(&host, "late")).1, "RegistryUnavailable");
    orch(
        &host,
        &["plugin", "swap", "node-resources-fit", "--config", "{}", "--builtin", "node-resources-fit"],
    );

    // A restart needs neither the registry nor the compiler for what ran before.
    host.stop();
    host.up();
    for name in ["pinned", "tagged"] {
        let plugin = plugin(&host, name);
        assert_eq!((loaded(&plugin).0.as_str(), digest(&plugin)), ("True", served.clone()), "{name}");
    }
    assert_eq!(compiled(), before);

    let _registry = Registry::start(&host.network, 5001, None);
    orch(&host, &["plugin", "push", &fit, late]);
    eventually("the plugin to load once the registry is back", SOON, || {
        let plugin = plugin(&host, "late");
        if loaded(&plugin).0 == "True" { Ok(()) } else { Err(format!("{:?}", loaded(&plugin))) }
    });
    assert_eq!(host.purge(), Vec::<String>::new());
}

#[test]
fn uploads_signatures_and_policies() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let network = Network::new();
    let _registry = Registry::start(&network, 5001, None);
    let host = Host::start_in(network, &[]);
    let kubectl = host.kubectl(&client);
    let (fit, taint) = (component_text("node-resources-fit"), component_text("taint-toleration"));

    // Uploaded, swapped for a file, and back: the source of each version is remembered.
    let said = orch(&host, &["plugin", "install", "sent", "--world", WORLD, "--upload", &fit]);
    assert!(said.contains("installed"), "{said}");
    let sent = plugin(&host, "sent");
    assert_eq!(sent["spec"]["source"], json!({ "digest": digest(&sent) }));
    let uploads = kubectl.run("get pluginartifacts,pluginartifactchunks");
    assert!(uploads.contains(&digest(&sent).replace(':', "-")), "{uploads}");
    let copy = host.data_dir.path().join("copy.wasm");
    std::fs::copy(component("taint-toleration"), &copy).unwrap();
    orch(&host, &["plugin", "swap", "sent", "--file", &copy.to_string_lossy()]);
    let from_file = digest(&plugin(&host, "sent"));
    orch(&host, &["plugin", "rollback", "sent"]);
    assert_eq!(digest(&plugin(&host, "sent")), digest(&sent));
    // The file itself is gone by now; its bytes are not.
    std::fs::remove_file(&copy).unwrap();
    let said = orch(&host, &["plugin", "rollback", "sent"]);
    assert!(said.contains(&from_file), "{said}");
    orch(&host, &["plugin", "rollback", "sent"]);

    // Uploads that nobody needs go, with their chunks.
    orch(&host, &["plugin", "install", "brief", "--world", WORLD, "--upload", &taint]);
    orch(&host, &["plugin", "prune"]);
    assert_eq!(kubectl.run("get pluginartifacts --no-headers").lines().count(), 2);
    kubectl.run("delete plugin brief");
    assert!(orch(&host, &["plugin", "prune"]).is_empty(), "sent could go back to it");
    let unknown = format!("sha256:{}", "0".repeat(64));
    let why = host.orch(&["plugin", "install", "lost", "--world", WORLD, "--digest", &unknown]).unwrap_err();
    assert!(why.contains("not found") && why.contains("--upload FILE"), "{why}");
    kubectl.run("delete plugin lost sent");
    assert_eq!(orch(&host, &["plugin", "prune"]).lines().count(), 2);
    eventually("the chunks to go with their artifacts", SOON, || {
        let left = kubectl.ask("get pluginartifactchunks --no-headers --ignore-not-found")?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    });

    // From now on what is no built-in must be signed.
    let directory = host.data_dir.path().to_owned();
    let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
    for prefix in ["team", "stranger"] {
        orch(&host, &["plugin", "keygen", "--prefix", &at(prefix)]);
    }
    let policy = |keys: Value| {
        json!({
            "apiVersion": "plugins.orch.dev/v1alpha1", "kind": "PluginPolicy", "metadata": { "name": "signed" },
            "spec": { "rules": [
                { "match": { "sources": ["oci:127.0.0.1:5001/banned/*"] }, "action": "Deny" },
                { "action": "RequireSignature", "keys": keys },
            ] },
        })
    };
    let team = std::fs::read_to_string(directory.join("team.pub")).unwrap();
    apply(&host, &policy(json!([team])));
    let refused =
        |words: &[&str]| host.orch(&[&["plugin", "install", "p", "--world", WORLD], words].concat());
    let check = |words: &[&str], reason: &str| {
        let why = refused(words).unwrap_err();
        assert!(why.contains("the policy signed (spec.rules["), "{why}");
        assert_eq!(loaded(&plugin(&host, "p")).1, reason, "{why}");
        kubectl.run("delete plugin p");
    };
    let (good, bad) = (at("team.key"), at("stranger.key"));
    check(&["--upload", &fit], "SignatureMissing");
    check(&["--upload", &fit, "--sign", &bad], "SignatureInvalid");
    check(&["--file", &fit, "--sign", &bad], "SignatureInvalid");
    let name = "127.0.0.1:5001/team/policy:1";
    orch(&host, &["plugin", "push", &fit, name]);
    check(&["--oci", name], "SignatureMissing");
    orch(&host, &["plugin", "sign", name, "--key", &bad]);
    check(&["--oci", name], "SignatureInvalid");
    orch(&host, &["plugin", "push", &fit, "127.0.0.1:5001/banned/policy:1", "--sign", &good]);
    check(&["--oci", "127.0.0.1:5001/banned/policy:1"], "DeniedByPolicy");

    let signature = orch(&host, &["plugin", "sign", &fit, "--key", &good]);
    for words in [
        vec!["--upload", fit.as_str(), "--signature", signature.trim()],
        vec!["--file", fit.as_str(), "--sign", good.as_str()],
    ] {
        let said = refused(&words).unwrap_or_else(|why| panic!("{why}"));
        assert!(said.contains("installed"), "{said}");
        kubectl.run("delete plugin p");
    }
    refused(&["--oci", name]).unwrap_err();
    orch(&host, &["plugin", "sign", name, "--key", &good]);
    eventually("the plugin to load once it is signed", SOON, || {
        let plugin = plugin(&host, "p");
        if loaded(&plugin).0 == "True" { Ok(()) } else { Err(format!("{:?}", loaded(&plugin))) }
    });
    // Built-ins go on, and a policy that allows heals at once what another refused.
    let builtin = ["plugin", "swap", "taint-toleration", "--builtin", "taint-toleration", "--config", "{}"];
    orch(&host, &builtin);
    kubectl.run("delete plugin p");
    refused(&["--upload", &taint]).unwrap_err();
    kubectl.run("delete pluginpolicy signed");
    eventually("the plugin to load without the policy", SOON, || {
        let plugin = plugin(&host, "p");
        if loaded(&plugin).0 == "True" { Ok(()) } else { Err(format!("{:?}", loaded(&plugin))) }
    });
    logs(&host);
    orch(&host, &["plugin", "top"]);
}

/// What the host said about a plugin is in its log, for those who may read it.
fn logs(host: &Host) {
    let lines = orch(host, &["plugin", "logs", "p"]);
    assert!(lines.contains("SignatureMissing") && lines.contains("serves"), "{lines}");
    let last = orch(host, &["plugin", "logs", "p", "--tail", "1", "--timestamps"]);
    assert!(last.lines().count() == 1 && last.starts_with("20"), "{last}");
    let unknown = host.orch(&["plugin", "logs", "nobody"]).unwrap_err();
    assert!(unknown.contains("NotFound"), "{unknown}");
}
