//! Pulling from a real registry on loopback: Debian's docker-registry, filled by skopeo.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod machine;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::future::join_all;
use machine::{Machine, PATIENCE, busybox_layer, digest, docker_archive, gzip};
use orch_container::runtime::{Credentials, Runtime, RuntimeError};
use orch_container::{Authority, RegistryConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

struct Registry {
    process: Child,
    dir: tempfile::TempDir,
    host: String,
    credentials: Option<&'static str>,
}

impl Registry {
    async fn start(credentials: Option<&'static str>) -> Self {
        Self::serve(credentials, None).await
    }

    /// With a certificate and its key, as PEM.
    async fn over_tls(certificate: &str, key: &str) -> Self {
        Self::serve(None, Some((certificate, key))).await
    }

    async fn serve(credentials: Option<&'static str>, tls: Option<(&str, &str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let storage = dir.path().join("storage");
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": storage}},
            "http": {"addr": host},
        });
        if credentials.is_some() {
            let file = dir.path().join("htpasswd");
            std::fs::write(&file, "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
                .unwrap();
            config["auth"] = json!({"htpasswd": {"realm": "test", "path": file}});
        }
        if let Some((certificate, key)) = tls {
            let files = [("certificate", certificate), ("key", key)].map(|(name, pem)| {
                let file = dir.path().join(name);
                std::fs::write(&file, pem).unwrap();
                (name, file)
            });
            config["http"]["tls"] = json!(BTreeMap::from(files));
        }
        let path = dir.path().join("config.yml");
        // JSON is YAML too.
        std::fs::write(&path, config.to_string()).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need the package docker-registry");
        let registry = Self { process, dir, host, credentials };
        let up = async {
            while tokio::net::TcpStream::connect(&registry.host).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.unwrap();
        registry
    }

    fn copy(&self, source: &str, name: &str, options: &[&str]) {
        let mut command = Command::new("skopeo");
        command.args(["copy", "--insecure-policy", "--dest-tls-verify=false", "--quiet"]).args(options);
        if let Some(credentials) = self.credentials {
            command.args(["--dest-creds", credentials]);
        }
        let target = format!("docker://{}/{name}", self.host);
        let output = command.arg(source).arg(target).output().expect("these tests need the package skopeo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Pushes an image whose name is in a file of its own.
    fn push(&self, name: &str, text: &str, options: &[&str]) {
        let archive = self.dir.path().join("archive.tar");
        std::fs::write(&archive, docker_archive("app:1", &layer(text), json!({"Cmd": ["cat", "/which"]})))
            .unwrap();
        self.copy(&format!("docker-archive:{}", archive.display()), name, options);
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn layer(text: &str) -> Vec<u8> {
    let base = busybox_layer();
    // Without the two empty blocks at the end more can follow.
    let mut tar = base[..base.len() - 1024].to_vec();
    let mut more = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    more.append_data(&mut header, "which", text.as_bytes()).unwrap();
    tar.extend(more.into_inner().unwrap());
    tar
}

async fn run(machine: &Machine, image: &orch_container::runtime::Image, id: &str) -> String {
    let sandbox = format!("pod-{id}");
    machine.sandbox(&sandbox).await;
    assert_eq!(machine.run(machine.config(image, id, &sandbox, &[])).await.code, 0);
    machine.log_text(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tag_and_digest_in_both_formats() {
    let registry = Registry::start(None).await;
    let machine = Machine::new().await;
    for (n, format) in ["v2s2", "oci"].into_iter().enumerate() {
        let text = format!("format {format}\n");
        registry.push("team/app:1", &text, &["--format", format]);
        let name = registry.image("team/app:1");
        let image = machine.runtime.pull(&name, Credentials::Anonymous).await.unwrap();
        assert_eq!(image.tags, std::slice::from_ref(&name));
        assert!(image.digests[0].starts_with(&format!("{}@sha256:", registry.image("team/app"))));
        assert!(image.size_bytes > 1000);
        assert_eq!(run(&machine, &image, &format!("c{n}")).await, text);
        assert_eq!(machine.runtime.image(&name).await.unwrap().unwrap(), image);
        let by_digest = machine.runtime.pull(&image.digests[0], Credentials::Anonymous).await.unwrap();
        assert_eq!(by_digest.id, image.id);
        assert_eq!(machine.runtime.image(&image.digests[0]).await.unwrap().unwrap().id, image.id);
    }
    assert_eq!(machine.runtime.images().await.unwrap().len(), 2);
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_password() {
    let registry = Registry::start(Some("me:secret")).await;
    registry.push("app:1", "private\n", &[]);
    let machine = Machine::new().await;
    let name = registry.image("app:1");
    let basic = |password: &str| Credentials::Basic { username: "me".into(), password: password.into() };
    let image = machine.runtime.pull(&name, basic("secret")).await.unwrap();
    assert_eq!(run(&machine, &image, "c1").await, "private\n");
    for credentials in [Credentials::Anonymous, basic("wrong")] {
        let error = machine.runtime.pull(&name, credentials).await.unwrap_err();
        assert!(error.to_string().contains("may require authorization"), "{error}");
    }
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_gives_this_machines_image() {
    let registry = Registry::start(None).await;
    registry.push("app:own", "own\n", &["--format", "oci"]);
    registry.push("app:other", "other\n", &["--format", "oci"]);
    let raw = |tag: &str| {
        let name = format!("docker://{}", registry.image(&format!("app:{tag}")));
        let output =
            Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &name]).output().unwrap();
        output.stdout
    };
    let entry = |tag: &str, architecture: &str| {
        let manifest = raw(tag);
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": manifest.len(),
               "digest": digest(&manifest), "platform": {"architecture": architecture, "os": "linux"}})
    };
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry("other", "s390x"), entry("own", own)]});
    put_manifest(&registry, "app", "multi", &index.to_string());
    let machine = Machine::new().await;
    let image = machine.runtime.pull(&registry.image("app:multi"), Credentials::Anonymous).await.unwrap();
    assert_eq!(run(&machine, &image, "c1").await, "own\n");
    assert!(image.digests[0].ends_with(&digest(index.to_string().as_bytes())));
    let foreign = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry("other", "s390x")]});
    put_manifest(&registry, "app", "foreign", &foreign.to_string());
    let error =
        machine.runtime.pull(&registry.image("app:foreign"), Credentials::Anonymous).await.unwrap_err();
    assert!(error.to_string().contains("no match for platform"), "{error}");
    machine.clean().await;
}

fn put_manifest(registry: &Registry, repository: &str, tag: &str, body: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(&registry.host).unwrap();
    write!(
        stream,
        "PUT /v2/{repository}/manifests/{tag} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/vnd.oci.image.index.v1+json\r\nContent-Length: {}\r\n\r\n{body}",
        registry.host,
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_stand_in_for_registries() {
    let registry = Registry::start(None).await;
    registry.push("library/app:1", "mirrored\n", &[]);
    let mut registries = RegistryConfig::default();
    registries.mirrors.insert("docker.io".into(), vec![format!("http://{}", registry.host)]);
    let machine = Machine::with_registries(registries).await;
    let image = machine.runtime.pull("app:1", Credentials::Anonymous).await.unwrap();
    assert_eq!(image.tags, ["docker.io/library/app:1"]);
    assert_eq!(run(&machine, &image, "c1").await, "mirrored\n");
    machine.clean().await;
}

/// An authority, and a registry's certificate and key that it has signed, as PEM.
fn certified(host: &str) -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let address = host.split(':').next().unwrap().to_owned();
    let certificate = CertificateParams::new([address]).unwrap().signed_by(&own, &issuer).unwrap();
    (root.pem(), certificate.pem(), own.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_by_an_authority_that_is_trusted() {
    let (root, certificate, key) = certified("127.0.0.1");
    let registry = Registry::over_tls(&certificate, &key).await;
    registry.push("library/app:1", "over TLS\n", &[]);
    let mut registries = RegistryConfig::default();
    registries.mirrors.insert("registry.example".into(), vec![format!("https://{}", registry.host)]);
    let machine = Machine::with_registries(registries.clone()).await;
    let name = "registry.example/library/app:1";
    let error = machine.runtime.pull(name, Credentials::Anonymous).await.unwrap_err().to_string();
    let mirror = format!("; mirror {}: failed to do request: ", registry.host);
    assert!(error.contains(name) && error.contains(&mirror) && error.contains("certificate"), "{error}");
    machine.clean().await;
    let file = registry.dir.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let error = Authority::read(&file).unwrap_err();
    assert!(error.contains("ca.pem: there is no certificate in it"), "{error}");
    std::fs::write(&file, root).unwrap();
    registries.authorities.push(Authority::read(&file).unwrap());
    let machine = Machine::with_registries(registries).await;
    let image = machine.runtime.pull(name, Credentials::Anonymous).await.unwrap();
    assert_eq!(run(&machine, &image, "c1").await, "over TLS\n");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_name_the_image() {
    let registry = Registry::start(None).await;
    let machine = Machine::new().await;
    let name = registry.image("absent:1");
    let error = machine.runtime.pull(&name, Credentials::Anonymous).await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Pull { message, .. } if message.ends_with("not found")),
        "{error}"
    );
    drop(registry);
    let error = machine.runtime.pull(&name, Credentials::Anonymous).await.unwrap_err();
    assert!(error.to_string().contains("failed to do request"), "{error}");
    let error = machine.runtime.pull("UPPER", Credentials::Anonymous).await.unwrap_err();
    assert!(matches!(error, RuntimeError::InvalidImage { .. }), "{error}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_at_once_share_their_layers() {
    let registry = Registry::start(None).await;
    registry.push("app:1", "shared\n", &[]);
    registry.push("app:2", "shared\n", &[]);
    let machine = Machine::new().await;
    let names: Vec<String> = (0..8).map(|n| registry.image(&format!("app:{}", n % 2 + 1))).collect();
    let pulls = join_all(names.iter().map(|name| machine.runtime.pull(name, Credentials::Anonymous))).await;
    assert!(pulls.iter().all(Result::is_ok), "{pulls:?}");
    assert_eq!(entries(&machine.data.path().join("images/layers")), 1);
    assert_eq!(entries(&machine.data.path().join("images/ingest")), 0);
    for name in &names[..2] {
        machine.runtime.remove_image(name).await.unwrap();
    }
    assert_eq!(entries(&machine.data.path().join("images/layers")), 0);
    machine.clean().await;
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_all_kinds() {
    let machine = Machine::new().await;
    let dir = tempfile::tempdir().unwrap();
    let docker = docker_archive("app:1", &layer("docker\n"), json!({"Cmd": ["cat", "/which"]}));
    let source = dir.path().join("docker.tar");
    std::fs::write(&source, &docker).unwrap();
    let skopeo = |target: &str| -> PathBuf {
        let path = dir.path().join(target.split(':').next().unwrap().to_owned() + ".tar");
        let target = target.replacen(':', &format!(":{}:", path.display()), 1);
        let output = Command::new("skopeo")
            .args([
                "copy",
                "--insecure-policy",
                "--quiet",
                &format!("docker-archive:{}", source.display()),
                &target,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    };
    let oci = std::fs::read(skopeo("oci-archive:from/oci:2")).unwrap();
    let again = std::fs::read(skopeo("docker-archive:from/docker:3")).unwrap();
    let archives = [
        ("plain", docker.clone(), "docker.io/library/app:1"),
        ("gzip", gzip(&docker), "docker.io/library/app:1"),
        (
            "layers",
            docker_archive("app:4", &layer("docker\n"), json!({"Cmd": ["cat", "/which"]})),
            "docker.io/library/app:4",
        ),
        ("oci", oci.clone(), "docker.io/from/oci:2"),
        ("oci-gzip", gzip(&oci), "docker.io/from/oci:2"),
        ("skopeo", again, "docker.io/from/docker:3"),
    ];
    for (id, archive, tag) in archives {
        let image = machine.import(archive).await;
        assert!(image.tags.contains(&tag.to_owned()), "{id}: {image:?}");
        assert_eq!(run(&machine, &image, id).await, "docker\n", "{id}");
    }
    let broken = [
        docker[..docker.len() / 2].to_vec(),
        gzip(&docker)[..10_000].to_vec(),
        b"no archive".to_vec(),
        tar::Builder::new(Vec::new()).into_inner().unwrap(),
    ];
    for archive in broken {
        let error = machine.runtime.import(machine::stream(archive)).await.unwrap_err();
        assert!(error.to_string().starts_with("import image archive: "), "{error}");
    }
    assert_eq!(entries(&machine.data.path().join("images/ingest")), 0);
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_hide_what_is_below() {
    let machine = Machine::new().await;
    let base = busybox_layer();
    let mut upper = tar::Builder::new(Vec::new());
    for (path, body) in [("etc/.wh.group", ""), ("srv/.wh..wh..opq", ""), ("srv/new", "new")] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        upper.append_data(&mut header, path, body.as_bytes()).unwrap();
    }
    let upper = upper.into_inner().unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(&base), digest(&upper)]}})
    .to_string();
    let manifest = json!([{"Config": "c", "RepoTags": null, "Layers": ["a", "b"]}]).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let gzipped = gzip(&upper);
    for (path, body) in
        [("manifest.json", manifest.as_bytes()), ("c", config.as_bytes()), ("a", &base), ("b", &gzipped)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        tar.append_data(&mut header, path, body).unwrap();
    }
    let image = machine.import(tar.into_inner().unwrap()).await;
    assert!(image.tags.is_empty());
    let config = machine.script(&image, "c1", "ls /etc; ls /srv; stat -c %a /tmp").await;
    machine.run(config).await;
    assert_eq!(machine.log_text("c1"), "not-executable\npasswd\nnew\n1777\n");
    machine.clean().await;
}
