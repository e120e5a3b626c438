//! A figure: a number, what it has to be, and whether it is.

use std::{borrow::Cow, io::Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of the output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured: the figure's name, a slash, the row.
    pub(crate) name: String,
    /// The number; absent where it could not be measured here, for the reason in `detail`.
    pub(crate) value: Option<f64>,
    /// Its unit; `ratio` for a time held against a floor of the same run, and something `/s` for a rate.
    pub(crate) unit: Cow<'static, str>,
    /// What it has to be; absent for a row that only informs.
    pub(crate) goal: Option<String>,
    /// Whether it is; true where there is no goal.
    pub(crate) holds: bool,
    /// Everything that explains the number.
    pub(crate) detail: Value,
}

impl Figure {
    /// A number that has to be at most `goal`.
    pub(crate) fn at_most(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: f64,
        detail: Value,
    ) -> Self {
        let holds = value <= goal;
        let goal = Some(format!("<= {goal}"));
        Self { goal, holds, ..Self::told(name, value, unit, detail) }
    }

    /// A number that has to be at least `goal`.
    pub(crate) fn at_least(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: f64,
        detail: Value,
    ) -> Self {
        let holds = value >= goal;
        let goal = Some(format!(">= {goal}"));
        Self { goal, holds, ..Self::told(name, value, unit, detail) }
    }

    /// A number that informs.
    pub(crate) fn told(name: impl Into<String>, value: f64, unit: &'static str, detail: Value) -> Self {
        Self { name: name.into(), value: Some(value), unit: unit.into(), goal: None, holds: true, detail }
    }

    /// A figure that cannot be measured on this machine. It fails nothing; whoever reads the output sees why.
    pub(crate) fn skipped(name: impl Into<String>, unit: &'static str, why: impl std::fmt::Display) -> Self {
        let detail = serde_json::json!({ "skipped": why.to_string() });
        Self { name: name.into(), value: None, unit: unit.into(), goal: None, holds: true, detail }
    }

    /// Whether other work on the machine tells on it.
    pub(crate) fn is_of_time(&self) -> bool {
        self.unit == "ratio" || self.unit.ends_with("/s")
    }

    /// Prints it as a line of JSON.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut figure = self.clone();
        figure.value = figure.value.map(rounded);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&figure)?)?;
        Ok(out.flush()?)
    }
}

/// Three digits behind the point are more than any of these numbers deserve.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Median and its kin of one series.
#[derive(Debug, Clone)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value below which this share of the series lies; nearest rank.
    ///
    /// # Panics
    /// On an empty series: there is nothing to tell then.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn first(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn last(&self) -> f64 {
        self.quantile(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_nearest_rank() {
        let series = Series::new((1..=20).rev().map(f64::from).collect());
        assert_eq!(
            (series.first(), series.median(), series.quantile(0.95), series.last()),
            (1.0, 10.0, 19.0, 20.0)
        );
    }

    #[test]
    fn a_goal_that_is_not_reached_does_not_hold() {
        let figure = |value| Figure::at_most("x", value, "ratio", 1.3, Value::Null);
        assert!(figure(1.3).holds && !figure(1.31).holds);
        let figure = |value| Figure::at_least("x", value, "hashes/s", 40_000.0, Value::Null);
        assert!(figure(40_000.0).holds && !figure(39_999.0).holds);
    }

    #[test]
    fn what_other_work_tells_on_is_known_by_its_unit() {
        let of_time = |unit| Figure::told("x", 1.0, unit, Value::Null).is_of_time();
        assert!(of_time("ratio") && of_time("hashes/s"));
        assert!(["deliveries", "KB", "headers", "s"].iter().all(|unit| !of_time(unit)));
    }
}
