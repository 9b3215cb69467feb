//! Which of the installed plugins decide about a pod: its profile, and versions on trial.

use orch_plugin::trial::{Role, Subject};

use crate::pod::PodInfo;
use crate::resident::Resident;

/// Positions among the residents, in the order filters are asked.
pub(crate) type Lineup = Vec<usize>;

/// Those who decide about this pod.
pub(crate) fn lineup(residents: &[Resident], pod: &PodInfo) -> Lineup {
    let serving = residents.iter().enumerate().filter(|(_, r)| {
        matches!(r.settings.role, Role::Serves)
            && r.settings.works_under(&pod.scheduler_name)
            && !is_replaced(residents, &r.name, &pod.scheduler_name)
    });
    let chosen = serving.map(|(position, resident)| canary(residents, resident, pod).unwrap_or(position));
    chosen.collect()
}

/// A lineup for each shadow of one of these, in which it stands in its place.
pub(crate) fn shadows(residents: &[Resident], lineup: &[usize]) -> Vec<(usize, Lineup)> {
    let shadow = |(position, shadow): (usize, &Resident)| {
        matches!(shadow.settings.role, Role::Shadow(_)).then_some(())?;
        let at = lineup.iter().position(|served| residents[*served].name == shadow.name)?;
        let mut other = lineup.to_vec();
        other[at] = position;
        Some((position, other))
    };
    residents.iter().enumerate().filter_map(shadow).collect()
}

fn is_replaced(residents: &[Resident], name: &str, profile: &str) -> bool {
    residents
        .iter()
        .any(|other| other.settings.replaces.as_deref() == Some(name) && other.settings.works_under(profile))
}

fn canary(residents: &[Resident], serving: &Resident, pod: &PodInfo) -> Option<usize> {
    let subject = Subject { namespace: &pod.namespace, key: &pod.uid };
    residents.iter().position(|other| other.name == serving.name && other.settings.role.selects(subject))
}
