//! A registry that can tell what is in it: docs/metrics.md is made of it, so the page and the program
//! cannot differ.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::fmt::Write;

/// The page around the tables; `{{Flow}}` stands for the table of that section.
const PAGE: &str = include_str!("page.md");

/// The sets of labels of families, and their names.
pub(super) trait Labels {
    /// In the order in which they are written.
    const NAMES: &'static [&'static str];
}

/// What a metric is, as Prometheus calls it, and its labels.
pub(super) trait Shape {
    const TYPE: &'static str;
    const LABELS: &'static [&'static str] = &[];
}

impl<N, A> Shape for Counter<N, A> {
    const TYPE: &'static str = "counter";
}

impl<N, A> Shape for Gauge<N, A> {
    const TYPE: &'static str = "gauge";
}

impl Shape for Histogram {
    const TYPE: &'static str = "histogram";
}

impl<S> Shape for Info<S> {
    const TYPE: &'static str = "info";
    const LABELS: &'static [&'static str] = &["version"];
}

impl<S: Labels, M: Shape, C> Shape for Family<S, M, C> {
    const TYPE: &'static str = M::TYPE;
    const LABELS: &'static [&'static str] = S::NAMES;
}

/// A metric as the page shows it.
struct Row {
    section: &'static str,
    name: String,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

/// Every metric.
pub(super) struct Book {
    pub(super) registry: Registry,
    section: &'static str,
    rows: Vec<Row>,
}

impl Default for Book {
    fn default() -> Self {
        Self { registry: Registry::with_prefix("quire"), section: "", rows: Vec::new() }
    }
}

impl Book {
    /// What is registered from now on belongs to this section of the page.
    pub(super) fn section(&mut self, name: &'static str) -> &mut Self {
        self.section = name;
        self
    }

    /// Adds a metric that is a number of things.
    pub(super) fn register<M: Metric + Shape>(&mut self, name: &str, help: &'static str, metric: M) {
        self.note::<M>(name, help);
        self.registry.register(name, help, metric);
    }

    /// Adds a metric with a unit, which its name ends in.
    pub(super) fn register_with_unit<M: Metric + Shape>(
        &mut self,
        name: &str,
        help: &'static str,
        unit: Unit,
        metric: M,
    ) {
        self.note::<M>(&format!("{name}_{}", unit.as_str()), help);
        self.registry.register_with_unit(name, help, unit, metric);
    }

    fn note<M: Shape>(&mut self, name: &str, help: &'static str) {
        let ending = match M::TYPE {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let name = format!("quire_{name}{ending}");
        self.rows.push(Row { section: self.section, name, kind: M::TYPE, labels: M::LABELS, help });
    }

    /// The page, in Markdown.
    pub(super) fn page(&self) -> String {
        let mut page = PAGE.to_owned();
        let mut sections: Vec<&str> = self.rows.iter().map(|row| row.section).collect();
        sections.dedup();
        for section in sections {
            let mut table = "| metric | type | labels | what |\n| --- | --- | --- | --- |".to_owned();
            for Row { name, kind, labels, help, .. } in self.rows.iter().filter(|row| row.section == section)
            {
                let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
                // Writing to a String cannot fail.
                let _ = write!(table, "\n| `{name}` | {kind} | {} | {help} |", labels.join(", "));
            }
            page = page.replace(&format!("{{{{{section}}}}}"), &table);
        }
        page
    }
}
