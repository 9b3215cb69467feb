//! Components in a real registry on loopback: Debian's docker-registry. Keys and signatures as openssl
//! reads and writes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orch_container::RegistryConfig;
use orch_container::runtime::Credentials;
use orch_source::key::{Algorithm, PrivateKey, PublicKey};
use orch_source::oci::{Place, Registries};
use orch_source::signature::{sign_bytes, verify_bytes, verify_manifest};
use orch_source::{SourceError, digest_of};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and more";

struct Registry {
    process: Child,
    data: tempfile::TempDir,
    host: String,
}

impl Registry {
    /// With a password: `me`, `secret`.
    async fn start(closed: bool) -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{host}'}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n",
            data.path().join("storage").display()
        );
        if closed {
            let file = data.path().join("htpasswd");
            std::fs::write(&file, "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
                .unwrap();
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
        }
        let file = data.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need the package docker-registry");
        let registry = Registry { process, data, host };
        let up = async {
            while tokio::net::TcpStream::connect(&registry.host).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.unwrap();
        registry
    }

    fn place(&self, name: &str) -> Place {
        Place::parse(&format!("{}/{name}", self.host)).unwrap()
    }

    /// Damages a blob where the registry keeps it.
    fn damage(&self, digest: &str) {
        let hex = digest.trim_start_matches("sha256:");
        let path = format!("storage/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        let path = self.data.path().join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn login(password: &str) -> [Credentials; 1] {
    [Credentials::Basic { username: "me".into(), password: password.into() }]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_pulled_by_tag_and_by_digest() {
    let registry = Registry::start(false).await;
    let registries = Registries::default();
    let place = registry.place("team/plugin:1");
    let manifest = registries.push(&place, &[], COMPONENT.into()).await.unwrap();
    let pulled = registries.pull(&place, &[], true).await.unwrap();
    assert_eq!((pulled.wasm.as_slice(), &pulled.manifest), (COMPONENT, &manifest));
    assert_eq!((pulled.component, pulled.signatures), (digest_of(COMPONENT), Vec::new()));
    let pinned = Place::parse(&place.pinned(&manifest)).unwrap();
    assert_eq!(registries.pull(&pinned, &[], false).await.unwrap().manifest, manifest);
    assert_eq!(registries.resolve(&place, &[]).await.unwrap(), manifest);
    // Another component under the same tag leaves the pinned one what it was.
    let other = registries.push(&place, &[], b"\0asm other".to_vec()).await.unwrap();
    assert_ne!(other, manifest);
    assert_eq!(registries.pull(&pinned, &[], false).await.unwrap().wasm, COMPONENT);
    assert_eq!(registries.pull(&place, &[], false).await.unwrap().manifest, other);
    let refused = registries.push(&pinned, &[], COMPONENT.into()).await.unwrap_err();
    assert!(refused.to_string().contains("push to a tag"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_reason_and_a_remedy() {
    let registry = Registry::start(true).await;
    let registries = Registries::default();
    let place = registry.place("team/plugin:1");
    let manifest = registries.push(&place, &login("secret"), COMPONENT.into()).await.unwrap();
    assert_eq!(registries.pull(&place, &login("secret"), false).await.unwrap().wasm, COMPONENT);
    // Of several credentials one is enough, as with several pull secrets.
    let several = [login("wrong"), login("secret")].concat();
    registries.pull(&place, &several, false).await.unwrap();

    let why = async |place: &Place, credentials: &[Credentials]| {
        let error = registries.pull(place, credentials, false).await.unwrap_err();
        (error.reason(), error.to_string())
    };
    let (reason, message) = why(&place, &[]).await;
    assert!(reason == "Unauthorized" && message.contains("spec.source.pullSecret"), "{message}");
    let (reason, message) = why(&place, &login("wrong")).await;
    assert!(reason == "Unauthorized" && message.contains("are wrong"), "{message}");
    let (reason, message) = why(&registry.place("team/absent:1"), &login("secret")).await;
    assert!(reason == "NotFound" && message.contains("orch plugin push"), "{message}");
    let absent = Place::parse(&place.pinned(&digest_of(b"absent"))).unwrap();
    assert_eq!(why(&absent, &login("secret")).await.0, "NotFound");

    registry.damage(&digest_of(COMPONENT));
    let (reason, message) = why(&place, &login("secret")).await;
    assert!(reason == "DigestMismatch" && message.contains(&digest_of(COMPONENT)), "{message}");
    registry.damage(&manifest);
    let pinned = Place::parse(&place.pinned(&manifest)).unwrap();
    let (reason, message) = why(&pinned, &login("secret")).await;
    assert!(["DigestMismatch", "Broken", "RegistryUnavailable"].contains(&reason), "{reason}: {message}");
    drop(registry);
    let (reason, message) = why(&place, &login("secret")).await;
    assert!(reason == "RegistryUnavailable" && message.contains("does not answer"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_are_asked_first_and_images_are_refused() {
    let registry = Registry::start(false).await;
    let place = registry.place("team/plugin:1");
    Registries::default().push(&place, &[], COMPONENT.into()).await.unwrap();
    let mut config = RegistryConfig::default();
    config.mirrors.insert("registry.example".into(), vec![format!("http://{}", registry.host)]);
    let registries = Registries { config };
    let named = Place::parse("registry.example/team/plugin:1").unwrap();
    assert_eq!(registries.pull(&named, &[], true).await.unwrap().wasm, COMPONENT);

    let archive = registry.data.path().join("image.tar");
    let tar = Command::new("tar").args(["-cf"]).arg(&archive).arg("-T").arg("/dev/null").status().unwrap();
    assert!(tar.success());
    let image = registry.data.path().join("image");
    let skopeo = |from: &str, to: &str| {
        let output = Command::new("skopeo")
            .args(["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", from, to])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    skopeo(&format!("tarball:{}", archive.display()), &format!("oci:{}:x", image.display()));
    let name = registry.place("team/image:1");
    skopeo(&format!("oci:{}:x", image.display()), &format!("docker://{}", name.name()));
    let error = Registries::default().pull(&name, &[], false).await.unwrap_err();
    assert!(matches!(error, SourceError::MediaType { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_lie_beside_the_artifact() {
    let registry = Registry::start(false).await;
    let registries = Registries::default();
    let place = registry.place("team/plugin:1");
    let manifest = registries.push(&place, &[], COMPONENT.into()).await.unwrap();
    let (one, two) = (PrivateKey::generate(Algorithm::P256), PrivateKey::generate(Algorithm::Ed25519));
    for key in [&one, &two, &one] {
        registries.sign(&place, &[], &manifest, key).await.unwrap();
    }
    let pulled = registries.pull(&place, &[], true).await.unwrap();
    assert_eq!(pulled.signatures.len(), 2, "signing twice leaves one signature");
    for key in [&one, &two] {
        verify_manifest(&pulled.signatures, &manifest, &[key.public()]).unwrap();
    }
    let stranger = PrivateKey::generate(Algorithm::P256).public();
    verify_manifest(&pulled.signatures, &manifest, &[stranger]).unwrap_err();
    let unsigned = registry.place("team/other:1");
    registries.push(&unsigned, &[], b"\0asm other".to_vec()).await.unwrap();
    assert!(registries.pull(&unsigned, &[], true).await.unwrap().signatures.is_empty());
}

fn openssl(directory: &Path, words: &[&str]) -> bool {
    let output = Command::new("openssl").args(words).current_dir(directory).output();
    output.expect("this test needs openssl").status.success()
}

#[test]
fn openssl_reads_our_keys_and_signatures_and_we_read_its() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("component"), COMPONENT).unwrap();
    let ours = PrivateKey::generate(Algorithm::P256);
    std::fs::write(at("public.pem"), ours.public().to_pem().unwrap()).unwrap();
    std::fs::write(at("signature"), ours.sign(COMPONENT)).unwrap();
    let verify = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "component"];
    assert!(openssl(directory.path(), &verify));

    let curves: [&[&str]; 2] = [
        &["ecparam", "-name", "prime256v1", "-genkey", "-out", "theirs.pem"],
        &["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"],
    ];
    for generate in curves {
        assert!(openssl(directory.path(), generate));
        assert!(openssl(directory.path(), &["pkey", "-in", "theirs.pem", "-pubout", "-out", "theirs.pub"]));
        let key = PrivateKey::from_pem(&std::fs::read_to_string(at("theirs.pem")).unwrap()).unwrap();
        let public = PublicKey::from_pem(&std::fs::read_to_string(at("theirs.pub")).unwrap()).unwrap();
        assert_eq!(key.public(), public);
        verify_bytes(COMPONENT, &sign_bytes(&key, COMPONENT), &[public]).unwrap();
    }
    assert!(openssl(directory.path(), &["ecparam", "-name", "prime256v1", "-genkey", "-out", "theirs.pem"]));
    assert!(openssl(directory.path(), &["pkey", "-in", "theirs.pem", "-pubout", "-out", "theirs.pub"]));
    let sign = ["dgst", "-sha256", "-sign", "theirs.pem", "-out", "theirs.sig", "component"];
    assert!(openssl(directory.path(), &sign));
    let public = PublicKey::from_pem(&std::fs::read_to_string(at("theirs.pub")).unwrap()).unwrap();
    assert!(public.verifies(COMPONENT, &std::fs::read(at("theirs.sig")).unwrap()));
}
