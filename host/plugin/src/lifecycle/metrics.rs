//! What plugins do, for whoever gathers metrics: counted by each version itself, read when asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::running::{Running, Version};
use super::{Loaded, RolloutStage};
use crate::Snapshot;
use crate::trial::{ShadowLog, ShadowReport};

mod own;

/// Powers of two of nanoseconds that are told apart: 256 ns to 8.6 s.
const POWERS: std::ops::RangeInclusive<usize> = 8..=33;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct PluginMetrics(Arc<ArcSwap<Vec<Observed>>>);

/// A version that is loaded.
struct Observed {
    about: About,
    loaded: Loaded,
    /// When it took over.
    since: String,
    shadow: Option<Arc<ShadowLog>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct About {
    plugin: String,
    world: &'static str,
    digest: String,
    /// `serving`, `canary` or `shadow`
    stage: &'static str,
}

impl Observed {
    fn new(name: &str, version: &Version) -> Self {
        let (stage, shadow) = match &version.placement.rollout {
            RolloutStage::Serves => ("serving", None),
            RolloutStage::Canary(_) => ("canary", None),
            RolloutStage::Shadow(log) => ("shadow", Some(log.clone())),
        };
        let about = About {
            plugin: name.into(),
            world: version.placement.world.package(),
            digest: version.loaded.digest().into(),
            stage,
        };
        Observed { about, loaded: version.loaded.clone(), since: version.since.clone(), shadow }
    }
}

impl PluginMetrics {
    /// From now on these are told about.
    pub(super) fn follow(&self, plugins: &BTreeMap<String, Running>) {
        let versions = |(name, running): (&String, &Running)| -> Vec<Observed> {
            running.versions().map(|version| Observed::new(name, version)).collect()
        };
        self.0.store(Arc::new(plugins.iter().flat_map(versions).collect()));
    }
}

impl fmt::Debug for PluginMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PluginMetrics")
    }
}

impl Collector for PluginMetrics {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let observed = self.0.load();
        let stats = observed.iter().map(|observed| (&observed.about, observed.loaded.stats())).collect();
        let mut families = Families { encoder, stats };
        families.counter("calls", "Calls of the component", |stats| stats.calls)?;
        families.counter("traps", "Calls that trapped", |stats| stats.traps)?;
        families.counter("deadline_misses", "Calls that took too long", |stats| stats.deadline_misses)?;
        families.counter(
            "refusals",
            "Calls answered with an error, or with something that cannot be",
            |stats| stats.refusals,
        )?;
        families.counter("dropped_log_lines", "Lines beyond what a component may log", |stats| {
            stats.dropped_log_lines
        })?;
        families.counter(
            "dropped_metrics",
            "Values of its own metrics that could not be taken",
            |stats| stats.dropped_metrics,
        )?;
        families.each(
            "memory_bytes",
            "The largest linear memory of an instance",
            MetricType::Gauge,
            |stats, out| ConstGauge::new(stats.memory as i64).encode(out),
        )?;
        families.each("call_duration_seconds", "How long calls took", MetricType::Histogram, durations)?;
        let mut encoder = families.encoder;
        own::encode(&observed, &mut encoder)?;
        let shadows: Vec<(&About, ShadowReport)> = observed
            .iter()
            .filter_map(|observed| Some((&observed.about, observed.shadow.as_ref()?.report())))
            .collect();
        let mut counter = |name: &str, help: &str, count: fn(&ShadowReport) -> u64| -> fmt::Result {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            shadows.iter().try_for_each(|(about, report)| {
                ConstCounter::new(count(report)).encode(family.encode_family(*about)?)
            })
        };
        counter(
            "orch_plugin_shadow_decisions",
            "Decisions that the shadow and the version that serves both made.",
            |report| report.compared,
        )?;
        counter("orch_plugin_shadow_differences", "Of these, decisions on which they differ.", |report| {
            report.differing
        })?;
        counter("orch_plugin_shadow_failures", "Decisions on which the shadow gave no answer.", |report| {
            report.failed
        })
    }
}

struct Families<'e, 's> {
    encoder: DescriptorEncoder<'e>,
    stats: Vec<(&'s About, Snapshot)>,
}

impl Families<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, count: fn(&Snapshot) -> u64) -> fmt::Result {
        self.each(name, help, MetricType::Counter, |stats, out| ConstCounter::new(count(stats)).encode(out))
    }

    fn each(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        encode: impl Fn(&Snapshot, MetricEncoder) -> fmt::Result,
    ) -> fmt::Result {
        let (name, help) = (format!("orch_plugin_{name}"), format!("{help}."));
        let mut family = self.encoder.encode_descriptor(&name, &help, None, kind)?;
        self.stats.iter().try_for_each(|(about, stats)| encode(stats, family.encode_family(*about)?))
    }
}

fn durations(stats: &Snapshot, mut out: MetricEncoder) -> fmt::Result {
    let counts = |powers: std::ops::Range<usize>| -> u64 {
        stats.latencies.iter().skip(powers.start).take(powers.len()).sum()
    };
    let bound = |power: usize| (1u64 << power) as f64 / 1e9;
    let (first, last) = (*POWERS.start(), *POWERS.end());
    let mut buckets = vec![(bound(first), counts(0..first))];
    buckets.extend((first..last).map(|power| (bound(power + 1), counts(power..power + 1))));
    buckets.push((f64::MAX, counts(last..u64::BITS as usize)));
    let total = buckets.iter().map(|(_, count)| count).sum();
    out.encode_histogram::<NoLabelSet>(stats.total.as_secs_f64(), total, &buckets, None)
}
