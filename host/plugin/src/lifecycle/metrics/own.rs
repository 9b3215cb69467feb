//! Metrics of the components' own, each name once: `plugin_NAME` with the samples of all that use it.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{About, Observed};
use crate::MetricKind;
use crate::own_metrics::{Labels, Metric, Sample, escaped};

/// A metric of one version.
struct Owned<'o> {
    about: &'o About,
    metric: Metric,
}

pub(super) fn encode(observed: &[Observed], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut hidden: Vec<&About> = Vec::new();
    for (name, owned) in by_name(observed) {
        let kind = owned[0].metric.kind;
        let (shown, others): (Vec<Owned>, Vec<Owned>) =
            owned.into_iter().partition(|one| one.metric.kind == kind);
        hidden.extend(others.iter().map(|one| one.about));
        family(&name, &shown, encoder)?;
    }
    let (name, help) = (
        "orch_plugin_hidden_metrics",
        "Metrics not shown, since the name is another kind's of a plugin that serves longer.",
    );
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for one in observed.iter().filter(|one| one.loaded.own_metrics().is_some()) {
        let count = hidden.iter().filter(|about| **about == &one.about).count();
        ConstGauge::new(count as i64).encode(family.encode_family(&one.about)?)?;
    }
    Ok(())
}

/// Those of the version that serves the longest first: what comes later cannot take its names.
fn by_name(observed: &[Observed]) -> BTreeMap<String, Vec<Owned<'_>>> {
    let mut oldest: Vec<&Observed> = observed.iter().collect();
    oldest.sort_by(|a, b| a.since.cmp(&b.since));
    let mut names = BTreeMap::<String, Vec<Owned>>::new();
    for one in oldest {
        for (name, metric) in one.loaded.own_metrics().into_iter().flat_map(|metrics| metrics.read()) {
            names.entry(name).or_default().push(Owned { about: &one.about, metric });
        }
    }
    names
}

/// `owned`: of one kind.
fn family(name: &str, owned: &[Owned], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = match owned[0].metric.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    let (name, help) = (format!("plugin_{name}"), escaped(&owned[0].metric.help));
    let mut family = encoder.encode_descriptor(&name, &help, None, kind)?;
    for one in owned {
        for (labels, sample) in &one.metric.series {
            let labels = told(one.about, labels);
            encode_sample(&one.metric, sample, family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn told(about: &About, labels: &Labels) -> Labels {
    let whose = [("plugin", about.plugin.as_str()), ("stage", about.stage)];
    let own = labels.iter().map(|(name, value)| (name.clone(), escaped(value)));
    whose.map(|(name, value)| (name.into(), value.into())).into_iter().chain(own).collect()
}

fn encode_sample(metric: &Metric, sample: &Sample, mut out: MetricEncoder) -> fmt::Result {
    match sample {
        Sample::Number(number) if metric.kind == MetricKind::Counter => {
            ConstCounter::new(*number).encode(out)
        }
        Sample::Number(number) => ConstGauge::new(*number).encode(out),
        Sample::Histogram { sum, counts } => {
            let bounds = metric.buckets.iter().copied().chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            out.encode_histogram::<NoLabelSet>(*sum, counts.iter().sum(), &buckets, None)
        }
    }
}
