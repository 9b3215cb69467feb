//! The versions of one controller that stand beside each other, and who works on which key.

use std::sync::Arc;

use orch_plugin::calls::controller::ControllerPlugin;
use orch_plugin::trial::{Role, ShadowLog, Subject};

type Plugin = Arc<dyn ControllerPlugin>;

#[derive(Clone)]
pub(crate) struct Versions {
    pub serving: Plugin,
    pub trial: Option<(Plugin, Role)>,
}

impl Versions {
    /// What these become when `plugin` is put in: in the place of its namesake of the same standing.
    pub fn with(before: Option<Versions>, plugin: Plugin, role: Role) -> Option<Versions> {
        match role.is_trial() {
            false => Some(Versions { serving: plugin, trial: before.and_then(|before| before.trial) }),
            true => before.map(|before| Versions { trial: Some((plugin, role)), ..before }),
        }
    }

    /// Those that see changes: a shadow works on what the version that serves is told of.
    pub fn mapping(&self) -> impl Iterator<Item = &Plugin> {
        let canary = self.trial.iter().filter(|(_, role)| matches!(role, Role::Canary(_)));
        std::iter::once(&self.serving).chain(canary.map(|(plugin, _)| plugin))
    }

    pub fn all(&self) -> impl Iterator<Item = &Plugin> {
        std::iter::once(&self.serving).chain(self.trial.iter().map(|(plugin, _)| plugin))
    }

    /// Who works on this key. Of a key `a/b`, `a` is the namespace.
    pub fn of(&self, key: &str) -> &Plugin {
        let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
        match &self.trial {
            Some((canary, role)) if role.selects(Subject { namespace, key }) => canary,
            Some(_) | None => &self.serving,
        }
    }

    pub fn shadow(&self) -> Option<(&Plugin, &Arc<ShadowLog>)> {
        match &self.trial {
            Some((plugin, Role::Shadow(log))) => Some((plugin, log)),
            Some((_, Role::Serves | Role::Canary(_))) | None => None,
        }
    }

    /// Keys that may be worked on side by side.
    pub fn concurrency(&self) -> u32 {
        self.mapping().map(|plugin| plugin.description().concurrency).max().unwrap_or(1).max(1)
    }
}
