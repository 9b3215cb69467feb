//! Versions on trial that decide nothing: where they would have decided otherwise.

use std::time::Instant;

use orch_plugin::trial::{Difference, Role};

use crate::core::Core;
use crate::cycle::{Cycle, Decision};
use crate::lineup;
use crate::pod::PodInfo;

impl Core {
    /// Lets versions that decide nothing judge the same pod, and notes where they differ.
    pub(crate) fn compare_shadows(
        &mut self,
        lineup: &[usize],
        pod: &PodInfo,
        decision: &Decision,
        now: Instant,
    ) {
        for (position, lineup) in lineup::shadows(&self.residents, lineup) {
            let Role::Shadow(log) = &self.residents[position].settings.role else { continue };
            let log = log.clone();
            let cycle =
                Cycle { cluster: &self.cluster, lineup: &lineup, pod, nominated: &self.nominated, now };
            let shadow = match cycle.evaluate(&mut self.residents) {
                Err(_) => {
                    log.failed();
                    continue;
                }
                Ok(shadow) => shadow,
            };
            let agrees = match (decision, &shadow) {
                (Decision::Place(index), Ok(evaluation)) => evaluation.would_choose(*index),
                (Decision::Rejected(live), Err(shadow)) => live.reasons == shadow.reasons,
                (Decision::Place(_) | Decision::Rejected(_), _) => false,
                (Decision::NoFilters | Decision::Failed(_), _) => continue,
            };
            if agrees {
                log.agreed();
                continue;
            }
            let named =
                |index: u32| self.cluster.node_name(index).map_or_else(String::new, |n| n.to_string());
            let live = match decision {
                Decision::Place(index) => named(*index),
                Decision::Rejected(diagnosis) => diagnosis.message(None),
                Decision::NoFilters | Decision::Failed(_) => continue,
            };
            let shadow = match shadow {
                Ok(evaluation) => named(evaluation.best()),
                Err(diagnosis) => diagnosis.message(None),
            };
            log.differed(Difference { subject: format!("{}/{}", pod.namespace, pod.name), live, shadow });
        }
    }
}
