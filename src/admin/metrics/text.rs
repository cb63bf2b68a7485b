//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

use crate::record::Snapshot;

/// The type of a metric.
#[derive(Clone, Copy)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

/// Writes metrics, each followed by its samples.
#[derive(Default)]
pub(super) struct MetricsText {
    text: String,
    family: &'static str,
}

type Labels<'a> = [(&'a str, &'a str)];

impl MetricsText {
    /// Starts a metric; the following samples belong to it.
    pub(super) fn family(&mut self, name: &'static str, kind: FamilyKind, help: &str) {
        let kind = match kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        self.family = name;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    pub(super) fn count(&mut self, labels: &Labels<'_>, value: u64) {
        self.sample("", labels, value);
    }

    pub(super) fn histogram(&mut self, labels: &Labels<'_>, snapshot: &Snapshot) {
        let finite = snapshot.cumulative.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in finite.chain([("+Inf".to_owned(), snapshot.count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.sample("_bucket", &labels, count);
        }
        self.sample("_sum", labels, snapshot.sum);
        self.sample("_count", labels, snapshot.count);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn sample(&mut self, suffix: &str, labels: &Labels<'_>, value: impl Display) {
        let family = self.family;
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        match pairs.is_empty() {
            true => self.line(format_args!("{family}{suffix} {value}")),
            false => self.line(format_args!("{family}{suffix}{{{}}} {value}", pairs.join(","))),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = MetricsText::default();
        text.family("a", FamilyKind::Gauge, "b");
        text.count(&[("c", "x\"y\\z\nw"), ("d", "")], 3);
        assert_eq!(text.finish(), "# HELP a b\n# TYPE a gauge\na{c=\"x\\\"y\\\\z\\nw\",d=\"\"} 3\n");
    }
}
