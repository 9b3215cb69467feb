//! The component's side of `orch:scheduler`.

use super::{Delta, Description, NodeSet, Policy, Rejection};
use crate::bindings::scheduler::exports::orch::scheduler::policy as wit;
use crate::bindings::scheduler::orch::host::interests;

/// Implemented by `export_scheduler!`: where the one instance of the policy lives.
pub trait Exports: 'static {
    type Policy: Policy;
    fn with<R>(f: impl FnOnce(&mut Self::Policy) -> R) -> R;
}

impl<T: Exports> wit::Guest for T {
    fn describe() -> wit::Description {
        crate::log::report_panics();
        T::Policy::describe().into()
    }

    fn configure(config: String) -> Result<(), String> {
        let config = serde_json::from_str(&config).map_err(|error| format!("not JSON: {error}"))?;
        T::with(|policy| policy.configure(&config))
    }

    fn sync(deltas: Vec<wit::Delta>) -> Result<(), String> {
        T::with(|policy| deltas.into_iter().try_for_each(|delta| policy.sync(delta.into())))
    }

    fn filter(pod: String) -> Result<wit::Verdict, String> {
        let rejections = T::with(|policy| policy.filter(&pod))?;
        Ok(wit::Verdict { rejections: rejections.into_iter().map(wit::Rejection::from).collect() })
    }

    fn score(pod: String, feasible: Vec<u64>) -> Result<Vec<u8>, String> {
        T::with(|policy| policy.score(&pod, &NodeSet::from_words(feasible)))
    }
}

impl From<Description> for wit::Description {
    fn from(description: Description) -> Self {
        let when = |takes_part, point| if takes_part { point } else { wit::Points::empty() };
        let points =
            when(description.filters, wit::Points::FILTER) | when(description.scores, wit::Points::SCORE);
        wit::Description {
            interests: description.interests.into_iter().map(interests::Interest::from).collect(),
            points,
            depends_on_other_nodes: description.depends_on_other_nodes,
        }
    }
}

impl From<wit::Delta> for Delta {
    fn from(delta: wit::Delta) -> Self {
        match delta {
            wit::Delta::NodeUpsert((index, node)) => Delta::NodeUpsert { index: index as usize, node },
            wit::Delta::NodeRemove(index) => Delta::NodeRemove { index: index as usize },
            wit::Delta::PodUpsert((key, node, pod)) => Delta::PodUpsert { key, node: node as usize, pod },
            wit::Delta::PodRemove(key) => Delta::PodRemove { key },
        }
    }
}

impl From<Rejection> for wit::Rejection {
    fn from(rejection: Rejection) -> Self {
        let Rejection { reason, nodes, unresolvable } = rejection;
        wit::Rejection { reason, nodes: nodes.into_words(), unresolvable }
    }
}
