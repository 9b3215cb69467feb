//! Metrics of a component's own: counted where it is loaded, and only so many.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::host_log::cut;

const MOST_SAMPLES: usize = 2000;
const MOST_LABELS: usize = 8;
const MOST_BUCKETS: usize = 30;
/// Bytes.
const LONGEST_NAME: usize = 100;
const LONGEST_VALUE: usize = 128;
const LONGEST_HELP: usize = 256;
/// What samples of counters, histograms and infos end in.
const SUFFIXES: [&str; 6] = ["_total", "_bucket", "_count", "_sum", "_created", "_info"];
/// Labels that say whose a sample is, or that the text forms use.
const RESERVED: [&str; 4] = ["plugin", "stage", "le", "quantile"];
/// For durations in seconds; those that Prometheus' client libraries begin with.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl MetricKind {
    fn word(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// Names and values, by name.
pub type Labels = Vec<(String, String)>;

/// Why a value was not taken.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a metric's name must be [a-zA-Z_][a-zA-Z0-9_]* of at most {LONGEST_NAME} bytes: {0:?}")]
    Name(String),
    #[error("{name}: {suffix} ends the host's own samples: choose another name")]
    Suffix { name: String, suffix: &'static str },
    #[error(
        "{name}: a label's name must be [a-zA-Z_][a-zA-Z0-9_]*, not begin with __, be there once and be none of plugin, stage, le, quantile: {label:?}"
    )]
    Label { name: String, label: String },
    #[error("{name}: the value of label {label} has more than {LONGEST_VALUE} bytes")]
    LongLabel { name: String, label: String },
    #[error("{name}: {found} labels are more than {MOST_LABELS}")]
    Labels { name: String, found: usize },
    #[error("{name} is a {}", .known.word())]
    Kind { name: String, known: MetricKind },
    #[error("{name}: {value} cannot be taken")]
    Value { name: String, value: f64 },
    #[error("{name}: buckets must ascend, be finite and at most {MOST_BUCKETS}")]
    Buckets { name: String },
    #[error("{name}: a plugin may have {MOST_SAMPLES} samples; forget those of what is gone")]
    TooMany { name: String },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    Number(f64),
    /// `counts`: of each bucket, and of all beyond.
    Histogram {
        sum: f64,
        counts: Vec<u64>,
    },
}

/// All samples of one name.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub kind: MetricKind,
    pub help: Arc<str>,
    pub buckets: Arc<[f64]>,
    pub series: BTreeMap<Labels, Sample>,
}

impl Metric {
    fn new(kind: MetricKind, help: &str, buckets: &[f64]) -> Self {
        let buckets = if buckets.is_empty() { &BUCKETS } else { buckets };
        let buckets = if kind == MetricKind::Histogram { buckets } else { &[] };
        Metric { kind, help: help.into(), buckets: buckets.into(), series: BTreeMap::new() }
    }

    /// Samples that one series counts as: sum, count and buckets of a histogram.
    fn weight(&self) -> usize {
        match self.kind {
            MetricKind::Counter | MetricKind::Gauge => 1,
            MetricKind::Histogram => self.buckets.len() + 3,
        }
    }

    fn empty(&self) -> Sample {
        match self.kind {
            MetricKind::Counter | MetricKind::Gauge => Sample::Number(0.0),
            MetricKind::Histogram => Sample::Histogram { sum: 0.0, counts: vec![0; self.buckets.len() + 1] },
        }
    }
}

#[derive(Debug, Default)]
struct State {
    metrics: BTreeMap<String, Metric>,
    /// Each series by its weight, and one for each name.
    samples: usize,
}

/// What the instances of one loaded component count, under the names it gave.
#[derive(Debug, Default)]
pub struct OwnMetrics(Mutex<State>);

impl OwnMetrics {
    pub(crate) fn declare(
        &self,
        name: &str,
        kind: MetricKind,
        help: &str,
        buckets: &[f64],
    ) -> Result<(), Refused> {
        let ascending = buckets.is_sorted_by(|a, b| a < b) && buckets.iter().all(|bound| bound.is_finite());
        if !ascending || buckets.len() > MOST_BUCKETS {
            return Err(Refused::Buckets { name: cut(name, LONGEST_NAME).into() });
        }
        let State { metrics, samples } = &mut *self.0.lock();
        named(metrics, samples, name, Metric::new(kind, cut(help, LONGEST_HELP), buckets)).map(|_| ())
    }

    /// Adds to a counter.
    pub(crate) fn add(&self, name: &str, labels: Labels, by: f64) -> Result<(), Refused> {
        self.record(name, MetricKind::Counter, labels, by)
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, name: &str, labels: Labels, value: f64) -> Result<(), Refused> {
        self.record(name, MetricKind::Gauge, labels, value)
    }

    /// Adds to a histogram.
    pub(crate) fn observe(&self, name: &str, labels: Labels, value: f64) -> Result<(), Refused> {
        self.record(name, MetricKind::Histogram, labels, value)
    }

    pub(crate) fn forget(&self, name: &str, mut labels: Labels) {
        labels.sort();
        let State { metrics, samples } = &mut *self.0.lock();
        for name in [name, without_total(name)] {
            if let Some(metric) = metrics.get_mut(name)
                && metric.series.remove(&labels).is_some()
            {
                *samples -= metric.weight();
            }
        }
    }

    fn record(&self, name: &str, kind: MetricKind, labels: Labels, value: f64) -> Result<(), Refused> {
        let labels = checked(name, labels)?;
        if !value.is_finite() || (kind == MetricKind::Counter && value < 0.0) {
            return Err(Refused::Value { name: cut(name, LONGEST_NAME).into(), value });
        }
        let State { metrics, samples } = &mut *self.0.lock();
        let metric = named(metrics, samples, name, Metric::new(kind, "", &[]))?;
        if !metric.series.contains_key(&labels) {
            reserve(samples, metric.weight(), name)?;
        }
        let (buckets, empty) = (metric.buckets.clone(), metric.empty());
        match metric.series.entry(labels).or_insert(empty) {
            Sample::Number(number) if kind == MetricKind::Counter => *number = bounded(*number + value),
            Sample::Number(number) => *number = value,
            Sample::Histogram { sum, counts } => {
                *sum = bounded(*sum + value);
                counts[buckets.partition_point(|bound| *bound < value)] += 1;
            }
        }
        Ok(())
    }

    /// As they are now, by name; counters without their `_total`.
    pub(crate) fn read(&self) -> BTreeMap<String, Metric> {
        self.0.lock().metrics.clone()
    }

    /// The samples as the text forms name them, without what the host adds: `made_total{kind="site"}`.
    /// Of histograms their counts and sums.
    pub fn samples(&self) -> BTreeMap<String, f64> {
        let samples = |(name, metric): (String, Metric)| {
            let of_series = |(labels, sample): (Labels, Sample)| {
                let told = |suffix: &str| format!("{name}{suffix}{}", braced(&labels));
                match (metric.kind, sample) {
                    (MetricKind::Counter, Sample::Number(number)) => vec![(told("_total"), number)],
                    (_, Sample::Number(number)) => vec![(told(""), number)],
                    (_, Sample::Histogram { sum, counts }) => {
                        vec![(told("_count"), counts.iter().sum::<u64>() as f64), (told("_sum"), sum)]
                    }
                }
            };
            metric.series.clone().into_iter().flat_map(of_series).collect::<Vec<_>>()
        };
        self.read().into_iter().flat_map(samples).collect()
    }
}

/// The metric of this name, or `new` in its place.
fn named<'m>(
    metrics: &'m mut BTreeMap<String, Metric>,
    samples: &mut usize,
    name: &str,
    new: Metric,
) -> Result<&'m mut Metric, Refused> {
    let name = if new.kind == MetricKind::Counter { without_total(name) } else { name };
    if !is_name(name) {
        return Err(Refused::Name(cut(name, LONGEST_NAME).into()));
    }
    if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix)) {
        return Err(Refused::Suffix { name: name.into(), suffix });
    }
    if !metrics.contains_key(name) {
        reserve(samples, 1, name)?;
    }
    let kind = new.kind;
    let metric = metrics.entry(name.into()).or_insert(new);
    if metric.kind != kind {
        return Err(Refused::Kind { name: name.into(), known: metric.kind });
    }
    Ok(metric)
}

fn reserve(samples: &mut usize, weight: usize, name: &str) -> Result<(), Refused> {
    if *samples + weight > MOST_SAMPLES {
        return Err(Refused::TooMany { name: name.into() });
    }
    *samples += weight;
    Ok(())
}

fn without_total(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// Sorted by name.
fn checked(name: &str, mut labels: Labels) -> Result<Labels, Refused> {
    let metric = || cut(name, LONGEST_NAME).to_string();
    if labels.len() > MOST_LABELS {
        return Err(Refused::Labels { name: metric(), found: labels.len() });
    }
    labels.sort();
    for (index, (label, value)) in labels.iter().enumerate() {
        let is_free = !label.starts_with("__") && !RESERVED.contains(&label.as_str());
        let is_there_once = index == 0 || labels[index - 1].0 != *label;
        if !is_name(label) || !is_free || !is_there_once {
            return Err(Refused::Label { name: metric(), label: cut(label, LONGEST_NAME).into() });
        }
        if value.len() > LONGEST_VALUE {
            return Err(Refused::LongLabel { name: metric(), label: label.clone() });
        }
    }
    Ok(labels)
}

fn is_name(name: &str) -> bool {
    let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    begins && name.len() <= LONGEST_NAME && name.bytes().all(part_of_name)
}

/// The text forms know infinity by another name than Rust.
fn bounded(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

/// `{kind="site"}`, or nothing.
fn braced(labels: &Labels) -> String {
    let told = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    if labels.is_empty() { String::new() } else { format!("{{{}}}", told.collect::<Vec<_>>().join(",")) }
}

/// As the text forms want what a component wrote: it ends neither the value nor the line.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> Labels {
        labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn samples(metrics: &OwnMetrics) -> Vec<(String, f64)> {
        metrics.samples().into_iter().collect()
    }

    #[test]
    fn values_are_gathered_by_name_and_labels() {
        let metrics = OwnMetrics::default();
        metrics.declare("took_seconds", MetricKind::Histogram, "How long", &[0.5, 1.0]).unwrap();
        for value in [0.25, 0.5, 7.0] {
            metrics.observe("took_seconds", Labels::new(), value).unwrap();
        }
        metrics.add("made_total", labels(&[("b", "2"), ("a", "\"1\"\n")]), 1.0).unwrap();
        metrics.add("made", labels(&[("a", "\"1\"\n"), ("b", "2")]), 2.5).unwrap();
        metrics.set("ready", labels(&[("site", "x")]), 3.0).unwrap();
        metrics.set("ready", labels(&[("site", "y")]), -1.0).unwrap();
        let expected = [
            (r#"made_total{a="\"1\"\n",b="2"}"#, 3.5),
            (r#"ready{site="x"}"#, 3.0),
            (r#"ready{site="y"}"#, -1.0),
            ("took_seconds_count", 3.0),
            ("took_seconds_sum", 7.75),
        ];
        assert_eq!(samples(&metrics), expected.map(|(name, value)| (name.to_string(), value)));
        let read = metrics.read();
        let counts = &read["took_seconds"].series[&Labels::new()];
        assert_eq!(*counts, Sample::Histogram { sum: 7.75, counts: vec![2, 0, 1] });
        metrics.forget("ready", labels(&[("site", "y")]));
        metrics.forget("made_total", labels(&[("b", "2"), ("a", "\"1\"\n")]));
        metrics.forget("nobody", Labels::new());
        assert_eq!(samples(&metrics).len(), 3);
    }

    #[test]
    fn what_cannot_stand_in_the_text_is_refused() {
        let metrics = OwnMetrics::default();
        let refused = |result: Result<(), Refused>| result.unwrap_err().to_string();
        let set = |name: &str, of: &[(&str, &str)]| refused(metrics.set(name, labels(of), 1.0));
        for name in ["", "1st", "a-b", "a b", "a\n", "é", &"a".repeat(101)] {
            assert!(set(name, &[]).starts_with("a metric's name must be"), "{name}");
        }
        for name in ["a_total", "a_bucket", "a_sum", "a_count"] {
            assert!(set(name, &[]).contains("choose another name"), "{name}");
        }
        for label in ["", "le", "plugin", "stage", "__name__", "a=\"b\"", &"a".repeat(101)] {
            assert!(set("a", &[(label, "x")]).contains("a label's name must be"), "{label}");
        }
        assert!(set("a", &[("b", "1"), ("b", "2")]).contains("be there once"));
        assert!(set("a", &[("b", &"x".repeat(129))]).contains("more than 128 bytes"));
        assert!(set("a", &[("b", ""); 9]).contains("9 labels are more than 8"));
        for value in [f64::NAN, f64::INFINITY] {
            assert!(refused(metrics.set("a", Labels::new(), value)).contains("cannot be taken"));
        }
        assert!(refused(metrics.add("a", Labels::new(), -1.0)).contains("cannot be taken"));
        assert!(refused(metrics.declare("a", MetricKind::Histogram, "", &[2.0, 1.0])).contains("ascend"));
        assert!(refused(metrics.declare("a", MetricKind::Histogram, "", &[f64::NAN])).contains("ascend"));
        assert_eq!(samples(&metrics), []);
        metrics.add("a", Labels::new(), 1.0).unwrap();
        assert_eq!(set("a", &[]), "a is a counter");
        metrics.add("a", Labels::new(), f64::MAX).unwrap();
        metrics.add("a", Labels::new(), f64::MAX).unwrap();
        assert_eq!(samples(&metrics), [("a_total".to_string(), f64::MAX)]);
    }

    #[test]
    fn samples_and_names_are_bounded_and_room_is_given_back() {
        let metrics = OwnMetrics::default();
        let series = |number: usize| metrics.add("made", labels(&[("id", &number.to_string())]), 1.0);
        let taken = (0..3000).filter(|number| series(*number).is_ok()).count();
        assert_eq!(taken, MOST_SAMPLES - 1);
        let error = metrics.declare("more", MetricKind::Gauge, "", &[]).unwrap_err();
        assert!(error.to_string().contains("2000 samples"), "{error}");
        assert!(series(0).is_ok(), "what is there goes on");
        for number in 0..20 {
            metrics.forget("made", labels(&[("id", &number.to_string())]));
        }
        metrics.observe("took", Labels::new(), 1.0).unwrap();
        assert!(metrics.observe("took", labels(&[("a", "b")]), 1.0).is_err(), "a histogram takes 14");
    }
}
