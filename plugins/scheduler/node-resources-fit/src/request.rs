//! What a pod asks for, as amounts by resource number.

use orch_sdk::pod::{Container, Pod, Quantity};

/// The resources every node has, by number; extended ones follow.
pub const CPU: usize = 0;
pub const MEMORY: usize = 1;
pub const EPHEMERAL: usize = 2;
pub const FIRST_EXTENDED: usize = 3;

/// What a container without a request counts as in scores, so that nodes do not fill up with them
/// (upstream's `DefaultMilliCPURequest` and `DefaultMemoryRequest`).
const ASSUMED_MILLI_CPU: i64 = 100;
const ASSUMED_MEMORY: i64 = 200 << 20;

/// Numbers for resource names, in the order they were first seen.
#[derive(Debug, Clone)]
pub struct Resources {
    names: Vec<String>,
}

impl Default for Resources {
    fn default() -> Self {
        Resources { names: ["cpu", "memory", "ephemeral-storage"].map(String::from).to_vec() }
    }
}

impl Resources {
    pub fn number(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        })
    }

    pub fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

/// Millicores of CPU, whole units of all else.
pub fn amount(name: &str, quantity: &Quantity) -> i64 {
    if name == "cpu" { quantity.milli() } else { quantity.whole() }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub cpu: i64,
    pub memory: i64,
    pub ephemeral: i64,
    /// Number and amount of each extended resource that is asked for at all.
    pub extended: Vec<(usize, i64)>,
    /// With the assumed requests: what scores count.
    pub scored_cpu: i64,
    pub scored_memory: i64,
}

impl Request {
    pub fn read(pod: &str, resources: &mut Resources) -> Result<Self, String> {
        let pod: Pod = Pod::parse(pod)?;
        let mut request = Request::default();
        for (name, amount) in pod.spec.requests(amount) {
            match name.as_str() {
                "cpu" => request.cpu = amount,
                "memory" => request.memory = amount,
                "ephemeral-storage" => request.ephemeral = amount,
                _ if amount > 0 => request.extended.push((resources.number(&name), amount)),
                _ => {}
            }
        }
        request.assume(pod);
        Ok(request)
    }

    fn assume(&mut self, mut pod: Pod) {
        let pod_level = pod.spec.resources.as_ref().map(|own| own.requests.clone()).unwrap_or_default();
        for container in pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers) {
            assume_requests(container);
        }
        let assumed = pod.spec.requests(amount);
        let scored = |name: &str, own| match pod_level.contains_key(name) {
            true => own,
            false => assumed.get(name).copied().unwrap_or(own),
        };
        self.scored_cpu = scored("cpu", self.cpu);
        self.scored_memory = scored("memory", self.memory);
    }

    pub fn is_empty(&self) -> bool {
        self.cpu == 0 && self.memory == 0 && self.ephemeral == 0 && self.extended.is_empty()
    }

    pub fn extended(&self, number: usize) -> i64 {
        self.extended.iter().find(|(known, _)| *known == number).map_or(0, |(_, amount)| *amount)
    }
}

fn assume_requests(container: &mut Container) {
    let requests = &mut container.resources.requests;
    requests.entry("cpu".into()).or_insert_with(|| Quantity(format!("{ASSUMED_MILLI_CPU}m")));
    requests.entry("memory".into()).or_insert_with(|| Quantity(ASSUMED_MEMORY.to_string()));
}
