//! The figures, as a table and as JSON.

use serde_json::{Map, Value, json};

/// What was measured.
#[derive(Default)]
pub struct Report {
    figures: Map<String, Value>,
}

impl Report {
    /// Notes and prints a figure; `target` is the most, or with `at_least` the least, that it should be.
    pub fn figure(&mut self, name: &str, value: f64, unit: &str, target: Option<f64>) {
        let verdict = match target {
            Some(target) if value <= target => format!("within {target} {unit}"),
            Some(target) => format!("MISSES {target} {unit}"),
            None => String::new(),
        };
        println!("{name:<58} {value:>12.3} {unit:<9} {verdict}");
        self.figures.insert(name.to_owned(), json!({ "value": value, "unit": unit, "target": target }));
    }

    /// Writes the JSON beside the build.
    pub fn write(self) {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("sync-service-figures.json");
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let all = json!({ "load_at_end": load.trim(), "figures": self.figures });
        std::fs::write(&path, serde_json::to_string_pretty(&all).unwrap()).unwrap();
        println!("load at the end: {}\nwritten to {}", load.trim(), path.display());
    }
}

/// The value below which the given share lies.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share).ceil() as usize;
    values[index.clamp(1, values.len()) - 1]
}

pub fn median(values: &mut [f64]) -> f64 {
    percentile(values, 0.5)
}
