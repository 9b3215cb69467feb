//! `orch plugin new`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::languages::{self, Language};
use crate::tool::{advice, missing};
use crate::{AuthorError, LanguageName, World, embedded, project};

/// What to write, and where.
#[derive(Debug, Clone)]
pub struct NewProject {
    pub name: String,
    pub world: World,
    pub language: LanguageName,
    /// Made; must be empty when it is there already.
    pub directory: PathBuf,
}

pub(crate) fn run(new: &NewProject) -> Result<(), AuthorError> {
    let language = check(new)?;
    let missing = missing(language.tools(&new.directory));
    if !missing.is_empty() {
        eprintln!("note: to build it you will need what is not installed here:{}", advice(&missing));
    }
    create(new)?;
    let directory = new.directory.display();
    println!("{directory}: a plugin of the world {}, in {}", new.world, new.language);
    println!("its test:   cd {directory} && {}", language.unit_test());
    println!("next:       orch plugin build {directory}");
    Ok(())
}

/// Writes the project: the template with its name filled in, the SDK and the contracts.
pub fn create(new: &NewProject) -> Result<(), AuthorError> {
    let language = check(new)?;
    let (folder, name) = (new.language.folder(), &new.name);
    for file in embedded::below(&template(folder, new.world))? {
        embedded::write(&new.directory.join(&file.path), &filled(&file.content, name))?;
    }
    let directory = new.directory.join("sdk").join(folder);
    for file in embedded::below(&format!("sdk/{folder}"))? {
        if !file.path.starts_with("templates") {
            file.unpack(&directory)?;
        }
    }
    for file in embedded::below("wit")? {
        file.unpack(&new.directory.join("wit"))?;
    }
    // All languages' templates do the same, so one script for each world serves them all.
    let script = format!("{}.yaml", new.world);
    for file in embedded::below("sdk/scripts")?.into_iter().filter(|file| file.path == Path::new(&script)) {
        embedded::write(&new.directory.join("tests").join(&file.path), &file.content)?;
    }
    let ignored: String =
        language.leaves_behind().iter().map(|path| format!("{path}\n")).chain(["*.wasm\n".into()]).collect();
    embedded::write(&new.directory.join(".gitignore"), ignored.as_bytes())?;
    let manifest = project::manifest(name, new.world, new.language);
    embedded::write(&new.directory.join(project::MANIFEST), manifest.as_bytes())?;
    language.complete(&new.directory)
}

/// Nothing is written unless all of it can be.
fn check(new: &NewProject) -> Result<&'static dyn Language, AuthorError> {
    project::check_name(&new.name)?;
    let language = languages::supported(new.language)?;
    let worlds = worlds_with_template(new.language.folder())?;
    if !worlds.contains(&new.world) {
        let known = worlds.iter().map(World::to_string).collect::<Vec<_>>().join(", ");
        let why = language.lacks(new.world);
        return Err(AuthorError::NoTemplate { language: new.language, world: new.world, why, known });
    }
    if fs::read_dir(&new.directory).is_ok_and(|mut files| files.next().is_some()) {
        return Err(AuthorError::NotEmpty(new.directory.clone()));
    }
    Ok(language)
}

/// The worlds for which a language has a template.
pub fn worlds_with_template(folder: &str) -> Result<Vec<World>, AuthorError> {
    let files = embedded::below(&format!("sdk/{folder}/templates"))?;
    let has = |world: &World| files.iter().any(|file| file.path.starts_with(Path::new(world.folder())));
    Ok(World::ALL.into_iter().filter(has).collect())
}

fn template(folder: &str, world: World) -> String {
    format!("sdk/{folder}/templates/{world}")
}

/// A template says `{{name}}` (`spread-out`), `{{snake}}` (`spread_out`) and `{{Pascal}}` (`SpreadOut`).
fn filled(content: &[u8], name: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    text.replace("{{name}}", name)
        .replace("{{snake}}", &name.replace('-', "_"))
        .replace("{{Pascal}}", &pascal(name))
        .into_bytes()
}

fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_language() {
        let filled = filled(b"{{name}} {{snake}} {{Pascal}} {{0}}", "spread-out");
        assert_eq!(String::from_utf8(filled).unwrap(), "spread-out spread_out SpreadOut {{0}}");
    }

    #[test]
    fn a_world_that_a_language_does_not_carry_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |world, language| {
            let new =
                NewProject { name: "spread".into(), world, language, directory: directory.path().into() };
            create(&new).unwrap_err().to_string()
        };
        let error = refused(World::Cni, LanguageName::Js);
        assert!(error.contains("componentize-qjs keeps what a driver is lent"), "{error}");
        assert!(error.ends_with("there is one for scheduler, admission, controller"), "{error}");
        assert!(refused(World::Csi, LanguageName::Js).contains("there is one for scheduler"));
        assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
    }

    #[test]
    fn nothing_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("work"), "mine").unwrap();
        let new = NewProject {
            name: "spread".into(),
            world: World::Scheduler,
            language: LanguageName::Rust,
            directory: directory.path().into(),
        };
        assert!(matches!(create(&new), Err(AuthorError::NotEmpty(_))));
        let bad = NewProject { name: "../x".into(), ..new };
        assert!(matches!(create(&bad), Err(AuthorError::Name { .. })));
    }
}
