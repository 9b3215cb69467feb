//! What a pod asks of a node.

use serde::Deserialize;

use super::amounts::Amounts;
use super::{ASSUMED, CORE, EPHEMERAL_STORAGE, Resources};
use crate::pod::Pod;

/// The paths of a Pod that [`Request::read`] reads.
pub const FIELDS: [&str; 5] = [
    "spec.containers[*].resources.requests",
    "spec.initContainers[*].resources.requests",
    "spec.initContainers[*].restartPolicy",
    "spec.overhead",
    "spec.resources.requests",
];

/// The sum over the containers and sidecars, or what one init container needs beside the sidecars
/// started before it, whichever is more; pod-level requests win over both; overhead comes on top.
/// <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// By number: thousandths of CPU, whole units of all else.
    pub core: [i64; CORE],
    /// CPU and memory with an assumed amount for each container that names none: what scores count.
    pub scored: [i64; 2],
    /// Number and amount of each further resource that is asked for at all.
    pub others: Vec<(usize, i64)>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    overhead: Option<Amounts>,
    resources: Option<Resourced>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    resources: Option<Resourced>,
    restart_policy: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Resourced {
    requests: Option<Amounts>,
}

impl Request {
    pub fn read(pod: &str, resources: &mut Resources) -> Result<Self, String> {
        let spec = Pod::<Spec>::parse(pod)?.spec;
        let mut total = Request::default();
        let requests =
            |container: Container| container.resources.and_then(|own| own.requests).unwrap_or_default();
        for container in spec.containers.into_iter().flatten() {
            total.add(&Request::of_container(&requests(container), resources));
        }
        let (mut sidecars, mut highest) = (Request::default(), Request::default());
        for container in spec.init_containers.into_iter().flatten() {
            let is_sidecar = container.restart_policy.as_deref() == Some("Always");
            let own = Request::of_container(&requests(container), resources);
            if is_sidecar {
                total.add(&own);
                sidecars.add(&own);
                highest.raise(&sidecars);
            } else {
                let mut beside = own;
                beside.add(&sidecars);
                highest.raise(&beside);
            }
        }
        total.raise(&highest);
        if let Some(own) = spec.resources.and_then(|own| own.requests) {
            total.replace(&own, resources);
        }
        if let Some(overhead) = &spec.overhead {
            total.add(&Request::plain(overhead, resources));
        }
        total.others.retain(|(_, amount)| *amount > 0);
        Ok(total)
    }

    /// Nothing is asked for but a place.
    pub fn is_empty(&self) -> bool {
        self.core == [0; CORE] && self.others.is_empty()
    }

    /// What is asked of a resource by its number.
    pub fn amount(&self, number: usize) -> i64 {
        match self.core.get(number) {
            Some(amount) => *amount,
            None => self.others.iter().find(|(known, _)| *known == number).map_or(0, |(_, amount)| *amount),
        }
    }

    /// As [`Request::amount`], with the assumed CPU and memory.
    pub fn scored(&self, number: usize) -> i64 {
        self.scored.get(number).copied().unwrap_or_else(|| self.amount(number))
    }

    fn of_container(amounts: &Amounts, resources: &mut Resources) -> Self {
        let mut request = Request::plain(amounts, resources);
        for (number, assumed) in ASSUMED.iter().enumerate() {
            request.scored[number] = amounts.core[number].unwrap_or(*assumed);
        }
        request
    }

    fn plain(amounts: &Amounts, resources: &mut Resources) -> Self {
        let core = amounts.core.map(|amount| amount.unwrap_or(0));
        let others = amounts.others.iter().map(|(name, amount)| (resources.number(name), *amount));
        Request { core, scored: [core[0], core[1]], others: others.collect() }
    }

    fn add(&mut self, more: &Request) {
        self.combine(more, i64::saturating_add);
    }

    fn raise(&mut self, least: &Request) {
        self.combine(least, i64::max);
    }

    fn combine(&mut self, other: &Request, with: fn(i64, i64) -> i64) {
        let each = |own: &mut [i64], other: &[i64]| {
            own.iter_mut().zip(other).for_each(|(own, other)| *own = with(*own, *other));
        };
        each(&mut self.core, &other.core);
        each(&mut self.scored, &other.scored);
        for (number, amount) in &other.others {
            let own = self.other_mut(*number);
            *own = with(*own, *amount);
        }
    }

    /// Pod-level requests, of the resources that may be given so: CPU, memory and huge pages.
    fn replace(&mut self, own: &Amounts, resources: &mut Resources) {
        for (number, amount) in own.core.iter().enumerate().take(EPHEMERAL_STORAGE) {
            if let Some(amount) = amount {
                self.core[number] = *amount;
                self.scored[number] = *amount;
            }
        }
        for (name, amount) in own.others.iter().filter(|(name, _)| name.starts_with("hugepages-")) {
            *self.other_mut(resources.number(name)) = *amount;
        }
    }

    fn other_mut(&mut self, number: usize) -> &mut i64 {
        let place = self.others.iter().position(|(known, _)| *known == number).unwrap_or_else(|| {
            self.others.push((number, 0));
            self.others.len() - 1
        });
        &mut self.others[place].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::resources::{CPU, MEMORY};
    use serde_json::{Value, json};

    fn request(spec: Value) -> Request {
        Request::read(&json!({"spec": spec}).to_string(), &mut Resources::default()).unwrap()
    }

    fn asking(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn init_containers_count_when_they_need_more() {
        let spec = json!({
            "containers": [asking("100m"), asking("200m")],
            "initContainers": [asking("1")],
            "overhead": {"cpu": "50m", "memory": "1Ki"},
        });
        let request = request(spec);
        assert_eq!((request.core[CPU], request.core[MEMORY]), (1050, 1024));
    }

    #[test]
    fn sidecars_run_beside_what_follows() {
        let mut sidecar = asking("300m");
        sidecar["restartPolicy"] = "Always".into();
        let after = json!({"containers": [asking("100m")], "initContainers": [sidecar, asking("500m")]});
        assert_eq!(request(after).core[CPU], 800);
        let before = json!({"containers": [asking("100m")], "initContainers": [asking("350m"), sidecar]});
        assert_eq!(request(before).core[CPU], 400);
    }

    #[test]
    fn pod_level_requests_win() {
        let request = request(json!({
            "containers": [{"resources": {"requests": {"cpu": "1", "memory": 1024, "hugepages-2Mi": "4Mi"}}}],
            "resources": {"requests": {"cpu": "2", "hugepages-2Mi": "8Mi", "example.com/gpu": "1"}},
        }));
        assert_eq!((request.core[CPU], request.core[MEMORY]), (2000, 1024));
        assert_eq!(request.scored, [2000, 1024]);
        assert_eq!(request.others, [(CORE, 8 << 20)]);
    }

    #[test]
    fn scores_assume_what_containers_do_not_name() {
        let request = request(json!({"containers": [asking("1"), {}], "overhead": {"memory": "1Mi"}}));
        assert_eq!(request.core, [1000, 1 << 20, 0]);
        assert_eq!(request.scored, [1100, 401 << 20]);
        let zero = json!({"containers": [asking("0")]});
        assert_eq!(self::request(zero).scored[CPU], 0);
    }

    #[test]
    fn what_is_null_or_zero_is_not_asked_for() {
        let request = request(json!({
            "containers": [{"resources": {"requests": {"example.com/gpu": 0}}}, {"resources": null}, {"resources": {"requests": null}}],
            "initContainers": null, "overhead": null, "resources": null,
        }));
        assert!(request.is_empty());
        assert_eq!(request.amount(7), 0);
    }
}
