//! Kinds that come at run time, with real kubectl.

use std::time::Duration;

use orch_tests::host::{Host, KubectlIn};
use orch_tests::{eventually, kubectl};

const SOON: Duration = Duration::from_secs(20);

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names: { plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct] }
  versions:
  - name: v1
    served: true
    storage: true
    subresources: { status: {} }
    additionalPrinterColumns:
    - { name: Spec, type: string, jsonPath: .spec.cronSpec }
    - { name: Replicas, type: integer, jsonPath: .spec.replicas }
    - { name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status' }
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What is wanted.
            properties:
              cronSpec: { type: string, pattern: '^(\S+ ){4}\S+$', description: When it runs. }
              replicas: { type: integer, minimum: 1, maximum: 10, default: 1 }
            x-kubernetes-validations:
            - rule: "!has(self.cronSpec) || self.replicas < 5 || self.cronSpec.startsWith('0')"
              message: many replicas start at the full hour
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
"#;

const INSTANCE: &str = r#"
apiVersion: stable.example.com/v1
kind: CronTab
metadata: { name: mine }
spec: { cronSpec: "* * * * 5" }
"#;

#[test]
fn a_definition_serves_its_kind_to_every_kubectl() {
    let clients = kubectl::installed(&["1.28", "1.33"]);
    if clients.is_empty() {
        return;
    }
    let mut host = Host::start(&[]);
    for client in &clients {
        eprintln!("kubectl {}", client.version);
        life(&host.kubectl(client));
    }
    let kubectl = host.kubectl(&clients[0]);
    establish(&kubectl);
    kubectl.feed("create -f -", INSTANCE).unwrap();
    migrated(&kubectl);
    ranges(&kubectl);
    // Definitions outlive the daemon, and are there before the first request is answered.
    host.stop();
    host.up();
    let kubectl = host.kubectl(&clients[0]);
    assert!(kubectl.run("get ct mine").contains("* * * * 5"));
    assert_eq!(host.purge(), [""; 0]);
}

const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: few-replicas }
spec:
  paramKind: { apiVersion: v1, kind: ConfigMap }
  matchConstraints:
    resourceRules:
    - { apiGroups: [stable.example.com], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [crontabs] }
  validations:
  - expression: object.spec.replicas <= int(params.data.most)
    messageExpression: "'at most ' + params.data.most + ' replicas'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: few-replicas }
spec:
  policyName: few-replicas
  validationActions: [Deny]
  paramRef: { name: limits, namespace: default, parameterNotFoundAction: Deny }
"#;

const MIGRATION: &str = r#"
apiVersion: storagemigration.k8s.io/v1
kind: StorageVersionMigration
metadata: { name: crontabs }
spec: { resource: { group: stable.example.com, resource: crontabs } }
"#;

/// A policy with a parameter, from its apply to its end.
fn governed(kubectl: &KubectlIn<'_>) {
    kubectl.run("create configmap limits --from-literal=most=2");
    kubectl.feed("apply -f -", POLICY).unwrap();
    let listed = kubectl.run("get validatingadmissionpolicies,validatingadmissionpolicybindings");
    assert!(listed.contains("few-replicas") && listed.contains("v1/ConfigMap"), "{listed}");
    let patch = r#"patch ct mine --type=merge -p {"spec":{"replicas":4}}"#;
    let why = eventually("the policy to hold", SOON, || match kubectl.ask(patch) {
        Err(why) => Ok(why),
        Ok(done) => Err(done),
    });
    let denied = "ValidatingAdmissionPolicy 'few-replicas' with binding 'few-replicas' denied request: at most 2 replicas";
    assert!(why.contains(denied), "{why}");
    kubectl.feed("delete -f -", POLICY).unwrap();
    kubectl.run("delete configmap limits");
    eventually("the policy to be forgotten", SOON, || kubectl.ask(patch));
    kubectl.run(r#"patch ct mine --type=merge -p {"spec":{"replicas":3}}"#);
}

/// The host's own controllers at work, and what the parts of it say of themselves.
fn migrated(kubectl: &KubectlIn<'_>) {
    kubectl.feed("create -f -", MIGRATION).unwrap();
    kubectl.run("wait --for=condition=Succeeded storageversionmigration/crontabs --timeout=20s");
    let message = "get storageversionmigration crontabs -o jsonpath={.status.conditions[?(@.type==\"Running\")].status}";
    eventually("the migration's end", SOON, || match kubectl.run(message).as_str() {
        "False" => Ok(()),
        other => Err(other.to_owned()),
    });
    let told = kubectl.run("get crd crontabs.stable.example.com -o jsonpath={.status.conditions[?(@.type==\"StorageMigrating\")].reason}");
    assert_eq!(told, "MigrationSucceeded");
    let components = kubectl.run("get componentstatuses");
    for name in ["controller-manager", "etcd-0", "scheduler"] {
        let line = components.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.contains("Healthy") && line.contains("ok"), "{components}");
    }
}

const RANGE: &str = r#"
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: { name: more }
spec: { cidrs: [10.213.0.0/28] }
"#;

/// A further range stays as long as a Service has an address of it.
fn ranges(kubectl: &KubectlIn<'_>) {
    kubectl.feed("create -f -", RANGE).unwrap();
    kubectl.run("wait --for=condition=Ready servicecidr/more --timeout=20s");
    kubectl.run("create service clusterip far --clusterip=10.213.0.5 --tcp=80");
    let parent = kubectl.run("get ipaddress 10.213.0.5 -o jsonpath={.spec.parentRef.name}");
    assert_eq!(parent, "far");
    kubectl.run("delete servicecidr more --wait=false");
    let blocked = "get servicecidr more -o jsonpath={.status.conditions[0].reason}";
    eventually("the range to be held", SOON, || match kubectl.run(blocked).as_str() {
        "Terminating" => Ok(()),
        other => Err(other.to_owned()),
    });
    kubectl.run("delete service far");
    kubectl.run("wait --for=delete servicecidr/more --timeout=30s");
}

fn establish(kubectl: &KubectlIn<'_>) {
    kubectl.feed("create -f -", DEFINITION).unwrap();
    kubectl.run("wait --for=condition=Established crd/crontabs.stable.example.com --timeout=10s");
}

fn life(kubectl: &KubectlIn<'_>) {
    establish(kubectl);
    let crd = kubectl.run("get crd");
    assert!(crd.contains("NAME") && crd.contains("crontabs.stable.example.com"), "{crd}");
    kubectl.feed("create -f -", INSTANCE).unwrap();
    let table = kubectl.run("get ct");
    let mut lines = table.lines();
    let words =
        |line: Option<&str>| line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(lines.next()), "NAME SPEC REPLICAS READY");
    assert_eq!(words(lines.next()), "mine * * * * 5 1");
    let status = r#"patch ct mine --subresource=status --type=merge -p {"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    kubectl.run(status);
    assert!(kubectl.run("get ct mine").contains("True"));
    let explained = kubectl.run("explain crontab.spec.cronSpec");
    assert!(explained.contains("When it runs.") && explained.contains("CronTab"), "{explained}");
    kubectl.run(r#"patch ct mine --type=merge -p {"spec":{"replicas":3}}"#);
    assert_eq!(kubectl.run("get ct mine -o jsonpath={.spec.replicas}{.metadata.generation}"), "32");
    applied(kubectl);
    refused(kubectl);
    governed(kubectl);
    let events = kubectl.run("api-resources --api-group=stable.example.com");
    assert!(events.contains("crontabs") && events.contains("ct") && events.contains("CronTab"), "{events}");
    kubectl.run("delete ct mine");
    kubectl.feed("create -f -", INSTANCE).unwrap();
    kubectl.run("delete crd crontabs.stable.example.com --timeout=20s");
    let gone = kubectl.ask("get ct").unwrap_err();
    assert!(
        gone.contains("the server doesn't have a resource type") || gone.contains("could not find"),
        "{gone}"
    );
}

/// Client-side and server-side apply.
fn applied(kubectl: &KubectlIn<'_>) {
    let changed = INSTANCE.replace("* * * * 5", "0 * * * 5");
    kubectl.feed("apply -f -", &changed).unwrap();
    assert_eq!(kubectl.run("get ct mine -o jsonpath={.spec.cronSpec}"), "0 * * * 5");
    let forced = kubectl.feed("apply --server-side --force-conflicts -f -", INSTANCE).unwrap();
    assert!(forced.contains("serverside-applied"), "{forced}");
    assert!(kubectl.feed("diff -f -", INSTANCE).is_ok(), "nothing differs from what was applied");
}

fn refused(kubectl: &KubectlIn<'_>) {
    let many = INSTANCE.replace("name: mine", "name: many").replace("5\" }", "5\", replicas: 11 }");
    let why = kubectl.feed("create -f -", &many).unwrap_err();
    assert!(
        why.contains(
            "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"
        ),
        "{why}"
    );
    let odd = INSTANCE.replace("name: mine", "name: odd").replace("spec: {", "spec: { unknown: 1,");
    let why = kubectl.feed("create -f -", &odd).unwrap_err();
    assert!(why.contains("strict decoding error: unknown field \"spec.unknown\""), "{why}");
    let ruled = INSTANCE.replace("name: mine", "name: ruled").replace("5\" }", "5\", replicas: 7 }");
    let why = kubectl.feed("create -f -", &ruled).unwrap_err();
    assert!(why.contains("many replicas start at the full hour"), "{why}");
}
