//! Helm with a chart that has what charts have: a definition and its object, roles, a hook, a test.

use std::path::Path;
use std::process::Command;

use orch_tests::host::Host;
use orch_tests::try_run;

use super::{cache, prepared, sources};

struct Helm<'a> {
    host: &'a Host,
    program: &'a Path,
}

impl Helm<'_> {
    /// The output; words are separated by blanks.
    fn ask(&self, words: &str) -> Result<String, String> {
        let mut command = self.host.network.command(self.program);
        command.args(words.split(' ')).args(["--namespace", "greets"]).current_dir(sources("helm"));
        try_run(command.env("KUBECONFIG", self.host.kubeconfig()).env("HOME", self.host.data_dir.path()))
    }

    fn run(&self, words: &str) -> String {
        self.ask(words).unwrap_or_else(|why| panic!("helm {words}: {why}\n{}", self.host.log()))
    }
}

#[test]
fn in_helm() {
    let program = cache("helm").join("helm");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg("helm.sh/helm/v4/cmd/helm");
    if !prepared("Helm", build.current_dir(sources("helm")).env("CGO_ENABLED", "0")) {
        return;
    }
    let host = Host::start(&[]);
    let helm = Helm { host: &host, program: &program };
    installs(&helm);
    upgrades_and_goes_back(&helm);
    is_refused(&helm);
    uninstalls(&helm);
}

fn installs(helm: &Helm<'_>) {
    let said = helm.run("install site chart --create-namespace --wait --timeout 60s");
    assert!(said.contains("STATUS: deployed") && said.contains("site greets with hello"), "{said}");
    let listed = helm.run("list");
    assert!(listed.contains("deployed") && listed.contains("greeter-0.1.0"), "{listed}");
    let tested = helm.run("test site --timeout 60s");
    assert!(tested.contains("site-answers") && tested.contains("Succeeded"), "{tested}");
    let words = helm.host.orch(&["get", "greetings", "-n", "greets"]).unwrap();
    assert!(words.contains("site"), "{words}");
}

fn upgrades_and_goes_back(helm: &Helm<'_>) {
    let replicas = || {
        let table = helm.host.orch(&["get", "deployments", "-n", "greets"]).unwrap();
        table.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    let said =
        helm.run("upgrade --install site chart --set replicas=2 --set greeting=welcome --wait --timeout 60s");
    assert!(said.contains("REVISION: 2") && said.contains("Its address was 10."), "{said}");
    assert_eq!(replicas(), "2/2");
    helm.run("rollback site 1 --wait --timeout 60s");
    assert_eq!(replicas(), "1/1");
    let history = helm.run("history site");
    assert!(history.contains("Rollback to 1") && history.contains("superseded"), "{history}");
}

/// What the definition's schema does not allow is said, and the release before it stays.
fn is_refused(helm: &Helm<'_>) {
    let refused = helm.ask("upgrade site chart --set greeting= --wait --timeout 20s").unwrap_err();
    assert!(refused.contains("spec.words in body should be at least 1 chars long"), "{refused}");
    let site = helm.run("get manifest site");
    assert!(site.contains("words:"), "{site}");
}

fn uninstalls(helm: &Helm<'_>) {
    helm.run("uninstall site --wait --timeout 60s");
    for kind in ["deployments", "services", "greetings", "roles", "secrets"] {
        let left = helm.host.orch(&["get", kind, "-n", "greets"]).unwrap();
        assert!(!left.contains("site"), "{kind}: {left}");
    }
}
