//! A pod on the node that was chosen for it: reserve, permit and pre-bind, in the host's order.

use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::{Advice, PatchType, Permission, SchedulerPlugin};
use serde_json::{Value, json};

use super::Policy;
use crate::test::TestError;
use crate::test::objects::name_of;
use crate::test::outcome::Outcome;
use crate::test::script::{Case, Expect};

/// What the policy makes of the pod there.
enum Said {
    Rejected(String),
    Waits(u32),
    Advises(Advice),
}

impl Policy {
    /// The pod is told as being there before anything is asked, and stays unless it is refused.
    pub(super) fn place(
        &mut self,
        pod: &Value,
        node: &str,
        case: &Case,
        outcome: &mut Outcome,
    ) -> Result<(), TestError> {
        let json = self.question(pod);
        let mut placed = pod.clone();
        placed["spec"]["nodeName"] = node.into();
        let delta = self.upsert(placed)?;
        self.sync(&delta.into_iter().collect::<Vec<_>>())?;
        let index = self.nodes[node];
        let said = self.said(&json, index, outcome);
        let refused = matches!(said, Err(_) | Ok(Said::Rejected(_)));
        if let Some(said) = outcome.result(case.expect.error.as_deref(), said) {
            compare(&said, &case.expect, outcome);
        }
        if refused || !case.bound {
            if self.component.description().points.reserve {
                let gone = outcome.timed("unreserve", || self.component.unreserve(&json, index));
                outcome.result(None, gone);
            }
            self.forget(&name_of(pod))?;
        }
        Ok(())
    }

    fn said(&self, pod: &str, node: u32, outcome: &mut Outcome) -> Result<Said, CallError> {
        let points = self.component.description().points;
        if points.reserve {
            outcome.timed("reserve", || self.component.reserve(pod, node))?;
        }
        if points.permit {
            match outcome.timed("permit", || self.component.permit(pod, node))? {
                Permission::Allow => {}
                Permission::Wait(millis) => return Ok(Said::Waits(millis)),
                Permission::Reject(why) => return Ok(Said::Rejected(why)),
            }
        }
        match points.pre_bind {
            true => outcome.timed("pre-bind", || self.component.pre_bind(pod, node)).map(Said::Advises),
            false => Ok(Said::Advises(Advice { patches: Vec::new(), ready: true, timeout_ms: 0 })),
        }
    }
}

fn compare(said: &Said, expect: &Expect, outcome: &mut Outcome) {
    let (rejected, wait, patches) = match said {
        Said::Rejected(why) => (Some(why), 0, Vec::new()),
        Said::Waits(millis) => (None, *millis, Vec::new()),
        Said::Advises(advice) => (None, if advice.ready { 0 } else { advice.timeout_ms }, patches_of(advice)),
    };
    match (rejected, &expect.rejected) {
        (Some(why), Some(_)) => outcome.same("rejected", expect.rejected.as_ref(), why),
        (Some(why), None) => outcome.fail(format!("the pod may not go there: {why}")),
        (None, Some(why)) => outcome.fail(format!("the pod may go there; expected was: {why}")),
        (None, None) => {}
    }
    outcome.same("waitMs", expect.wait_ms.as_ref(), &wait);
    if let Some(expected) = &expect.patches {
        outcome.part("patches", &json!(expected), &json!(patches));
    }
}

/// As a script writes them: a body that is JSON is shown as such.
fn patches_of(advice: &Advice) -> Vec<Value> {
    let shown = advice.patches.iter().map(|patch| {
        let body = serde_json::from_str(&patch.body).unwrap_or_else(|_| Value::from(patch.body.as_str()));
        let patch_type = match patch.patch_type {
            PatchType::Json => "json",
            PatchType::Merge => "merge",
            PatchType::Strategic => "strategic",
            PatchType::Apply => "apply",
        };
        json!({
            "apiVersion": patch.api_version,
            "kind": patch.kind,
            "namespace": patch.namespace,
            "name": patch.name,
            "subresource": patch.subresource,
            "type": patch_type,
            "body": body,
        })
    });
    shown.collect()
}
