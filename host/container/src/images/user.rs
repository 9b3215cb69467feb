//! Which user a container runs as: numbers or names, looked up in the image's own files.

use std::path::Path;

use super::rootdir::RootDir;
use crate::runtime::{RuntimeError, Security, phase};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups; the primary one is among them.
    pub groups: Vec<u32>,
    pub home: String,
}

struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// `image_user`: `""`, `1000`, `name`, `user:group`.
pub fn resolve(root: &RootDir, image_user: &str, security: &Security) -> Result<User, RuntimeError> {
    let accounts = read(root, "etc/passwd", account);
    let groups = read(root, "etc/group", group);
    let (user, group) = match security.user {
        Some(uid) => (uid.to_string(), None),
        None => match image_user.split_once(':') {
            Some((user, group)) => (user.to_owned(), Some(group)),
            None => (image_user.to_owned(), None),
        },
    };
    let (uid, account) = find_user(&user, &accounts)?;
    check_non_root(uid, &user, security)?;
    let gid = match (security.group, group) {
        (Some(gid), _) => gid,
        (None, Some(group)) => find_group(group, &groups)?,
        (None, None) => account.map_or(0, |account| account.gid),
    };
    let mut all = vec![gid];
    if let Some(account) = account {
        all.extend(groups.iter().filter(|g| g.members.contains(&account.name)).map(|g| g.gid));
    }
    all.extend(&security.supplementary_groups);
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|gid| seen.insert(*gid));
    let home = account.map_or_else(|| if uid == 0 { "/root" } else { "/" }.to_owned(), |a| a.home.clone());
    Ok(User { uid, gid, groups: all, home })
}

fn find_user<'a>(user: &str, accounts: &'a [Account]) -> Result<(u32, Option<&'a Account>), RuntimeError> {
    if user.is_empty() {
        return Ok((0, accounts.iter().find(|a| a.uid == 0)));
    }
    if let Ok(uid) = user.parse() {
        return Ok((uid, accounts.iter().find(|a| a.uid == uid)));
    }
    accounts.iter().find(|a| a.name == user).map(|a| (a.uid, Some(a))).ok_or_else(|| RuntimeError::Start {
        phase: phase::CREATE,
        message: format!("unable to find user {user}: no matching entries in passwd file"),
    })
}

fn find_group(group: &str, groups: &[Group]) -> Result<u32, RuntimeError> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    groups.iter().find(|g| g.name == group).map(|g| g.gid).ok_or_else(|| RuntimeError::Start {
        phase: phase::CREATE,
        message: format!("unable to find group {group}: no matching entries in group file"),
    })
}

/// The kubelet's checks and words.
fn check_non_root(uid: u32, name: &str, security: &Security) -> Result<(), RuntimeError> {
    let message = match (security.must_be_non_root, security.user) {
        (false, _) => return Ok(()),
        (true, Some(0)) => "container's runAsUser breaks non-root policy".to_owned(),
        (true, Some(_)) => return Ok(()),
        (true, None) if !name.is_empty() && name.parse::<u32>().is_err() => {
            format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            )
        }
        (true, None) if uid == 0 => "container has runAsNonRoot and image will run as root".to_owned(),
        (true, None) => return Ok(()),
    };
    Err(RuntimeError::Start { phase: phase::CONFIG, message })
}

fn read<T>(root: &RootDir, path: &str, parse: fn(&[&str]) -> Option<T>) -> Vec<T> {
    let text = root.read(Path::new(path)).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| parse(&line.split(':').collect::<Vec<_>>()))
        .collect()
}

fn account(fields: &[&str]) -> Option<Account> {
    let [name, _, uid, gid, _, home, ..] = fields else { return None };
    let home = if home.is_empty() { "/" } else { home };
    Some(Account {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
    })
}

fn group(fields: &[&str]) -> Option<Group> {
    let [name, _, gid, members, ..] = fields else { return None };
    let members = members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
    Some(Group { name: (*name).to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nweb:x:33:\nlog:x:4:web\n").unwrap();
        dir
    }

    fn user(image_user: &str, security: &Security) -> Result<User, String> {
        let dir = image();
        resolve(&RootDir::open(dir.path()).unwrap(), image_user, security).map_err(|e| e.to_string())
    }

    #[test]
    fn names_and_numbers() {
        let plain = Security::default();
        let web = User { uid: 33, gid: 33, groups: vec![33, 4], home: "/srv".into() };
        assert_eq!(user("web", &plain).unwrap(), web);
        assert_eq!(user("33", &plain).unwrap(), web);
        assert_eq!(user("", &plain).unwrap().home, "/root");
        assert_eq!(user("7:log", &plain).unwrap().gid, 4);
        assert!(user("nobody", &plain).unwrap_err().contains("unable to find user nobody"));
    }

    #[test]
    fn the_security_context_decides() {
        let wish =
            Security { user: Some(33), group: Some(9), supplementary_groups: vec![5], ..Security::default() };
        let got = user("", &wish).unwrap();
        assert_eq!((got.uid, got.gid, got.groups), (33, 9, vec![9, 4, 5]));
    }

    #[test]
    fn root_is_refused_when_it_must_be() {
        let strict = Security { must_be_non_root: true, ..Security::default() };
        assert!(user("", &strict).unwrap_err().contains("image will run as root"));
        assert!(user("web", &strict).unwrap_err().contains("non-numeric user (web)"));
        assert!(user("33", &strict).is_ok());
    }
}
