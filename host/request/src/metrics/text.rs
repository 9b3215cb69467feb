//! Prometheus' text form (0.0.4), which every scraper reads, out of OpenMetrics, which the client
//! library writes. They differ in what is said about a metric: a counter is named with its `_total`.

/// The same samples in the older form.
pub fn from_open_metrics(counts: &str) -> String {
    let mut text = String::with_capacity(counts.len());
    let mut lines = counts.lines().peekable();
    while let Some(line) = lines.next() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                // The library writes the type behind the help.
                let kind = lines.peek().and_then(|next| next.rsplit(' ').next()).unwrap_or_default();
                text.push_str(&format!("# HELP {} {help}\n", told(name, kind)));
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let known = if kind == "unknown" { "untyped" } else { kind };
                text.push_str(&format!("# TYPE {} {known}\n", told(name, kind)));
            }
            (Some("#"), ..) => {} // the unit, the end
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// The name as the samples have it.
fn told(name: &str, kind: &str) -> String {
    if kind == "counter" { format!("{name}_total") } else { name.into() }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Registry;

    use super::from_open_metrics;

    #[test]
    fn a_counter_is_named_as_its_samples_are() {
        let mut registry = Registry::default();
        let calls: Family<Vec<(String, String)>, Counter> = Family::default();
        calls.get_or_create(&vec![("of".into(), "# TYPE b counter".into())]).inc();
        registry.register("calls", "What was called, # and more", calls);
        let size: Gauge = Gauge::default();
        size.set(7);
        registry.register("size", "How large", size);
        let took = Histogram::new([0.5]);
        took.observe(0.25);
        registry.register("took_seconds", "How long", took);
        let mut open = String::new();
        encode(&mut open, &registry).unwrap();
        let expected = "# HELP calls_total What was called, # and more.\n\
                        # TYPE calls_total counter\n\
                        calls_total{of=\"# TYPE b counter\"} 1\n\
                        # HELP size How large.\n\
                        # TYPE size gauge\n\
                        size 7\n\
                        # HELP took_seconds How long.\n\
                        # TYPE took_seconds histogram\n\
                        took_seconds_sum 0.25\n\
                        took_seconds_count 1\n\
                        took_seconds_bucket{le=\"0.5\"} 1\n\
                        took_seconds_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(from_open_metrics(&open), expected);
    }
}
