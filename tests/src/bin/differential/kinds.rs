//! `tests/differential/objects`: good objects of every kind.

use std::path::Path;

use orch_tests::workspace;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::script::Until;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindUnderTest {
    /// `apps/v1`
    pub api: String,
    pub resource: String,
    pub kind: String,
    #[serde(default)]
    pub cluster: bool,
    /// Where names have a form of their own; `$word` in it and in the objects is another for every object of
    /// every script, and so is `$number`, below 256.
    #[serde(default)]
    name: Option<String>,
    /// Where the API server itself writes into new objects: when it is done.
    #[serde(default)]
    pub settles: Option<Until>,
    /// The API server holds deleted objects for a moment.
    #[serde(default)]
    pub lingers: bool,
    /// Good in `status`.
    #[serde(default)]
    pub status: Value,
    /// Good but for apiVersion, kind and name.
    pub objects: Vec<Value>,
    #[serde(skip)]
    scene: String,
}

/// Set on every object; lists ask for it, so that what each cluster has of its own does not show.
const LABEL: &str = "differential";

/// The word for the object that lives a whole life.
pub const FIRST: &str = "x";

fn filled(pattern: &str, word: &str) -> String {
    let number = word.bytes().fold(0u8, |number, byte| number.wrapping_mul(7).wrapping_add(byte));
    pattern.replace("$word", word).replace("$number", &number.to_string())
}

impl KindUnderTest {
    pub fn read_all() -> Vec<KindUnderTest> {
        let folder = workspace().join("tests/differential/objects");
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).expect("the objects' folder").flatten().map(|e| e.path()).collect();
        files.sort();
        files.iter().flat_map(|file| KindUnderTest::read(file)).collect()
    }

    fn read(file: &Path) -> Vec<KindUnderTest> {
        let text = std::fs::read_to_string(file).expect("a readable file");
        // A name may be `n`, which older YAML takes for a boolean.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(&text, options)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// `apps/v1 deployments`
    pub fn title(&self) -> String {
        format!("{} {}", self.api, self.resource)
    }

    pub fn namespace(&self) -> String {
        format!("diff-{}-{}{}", self.resource, self.api.replace(['/', '.'], "-"), self.scene)
    }

    /// The kind in a script of its own: what it makes is not in the way of other scripts.
    pub fn in_scene(&self, scene: &str) -> KindUnderTest {
        KindUnderTest { scene: format!("-{scene}"), ..self.clone() }
    }

    /// Selects what this script has made.
    pub fn selector(&self) -> String {
        format!("labelSelector={LABEL}%3D{}", self.label())
    }

    fn label(&self) -> String {
        format!("yes{}", self.scene)
    }

    /// Of the object that lives a whole life.
    pub fn name(&self) -> String {
        self.called(FIRST)
    }

    /// The word itself, where the kind lets objects be called what one likes.
    pub fn called(&self, word: &str) -> String {
        self.name.as_ref().map_or_else(|| word.into(), |pattern| filled(pattern, word))
    }

    pub fn root(&self) -> String {
        match self.api.contains('/') {
            true => format!("/apis/{}", self.api),
            false => format!("/api/{}", self.api),
        }
    }

    /// The URL of the collection.
    pub fn collection(&self) -> String {
        match self.cluster {
            true => format!("{}/{}", self.root(), self.resource),
            false => format!("{}/namespaces/{}/{}", self.root(), self.namespace(), self.resource),
        }
    }

    /// A good object, called by a word of its own.
    pub fn object(&self, index: usize, word: &str) -> Value {
        let text = self.objects[index].to_string().replace("$namespace", &self.namespace());
        let mut object: Value = serde_json::from_str(&filled(&text, word)).expect("it was JSON before");
        object["apiVersion"] = self.api.clone().into();
        object["kind"] = self.kind.clone().into();
        if object["metadata"].is_null() {
            object["metadata"] = json!({});
        }
        object["metadata"]["name"] = self.called(word).into();
        object["metadata"]["labels"] = json!({ LABEL: self.label() });
        object
    }
}
