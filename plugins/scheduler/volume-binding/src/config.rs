//! `spec.config`, with upstream's names (`VolumeBindingArgs`).

use orch_sdk::Value;

/// Scores between its points lie on straight lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Utilisation in percent, ascending, and the score there, 0 to 100.
    points: Vec<(i64, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub bind_timeout_ms: u32,
    /// None: volumes do not rank nodes.
    pub shape: Option<Shape>,
}

impl Default for Config {
    fn default() -> Self {
        Config { bind_timeout_ms: 600_000, shape: None }
    }
}

impl Config {
    pub fn read(config: &Value) -> Result<Self, String> {
        let mut read = Config::default();
        let Some(fields) = config.as_object() else { return Ok(read) };
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "bindTimeoutSeconds" => read.bind_timeout_ms = millis(value)?,
                "shape" => read.shape = Some(Shape::read(value)?),
                // What upstream's `args` begin with.
                "apiVersion" | "kind" => {}
                _ => return Err(format!("{name}: no such field: use bindTimeoutSeconds or shape")),
            }
        }
        Ok(read)
    }
}

fn millis(value: &Value) -> Result<u32, String> {
    let seconds = value.as_u64();
    let seconds = seconds.ok_or("bindTimeoutSeconds: not a whole number of seconds, zero or more")?;
    Ok(u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX))
}

impl Shape {
    fn read(value: &Value) -> Result<Self, String> {
        let items = value.as_array().filter(|items| !items.is_empty());
        let items = items.ok_or("shape: at least one point must be specified")?;
        let mut points: Vec<(i64, i64)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let utilization = within(item, index, "utilization", 100)?;
            if points.last().is_some_and(|(before, _)| *before >= utilization) {
                return Err(format!("shape[{index}].utilization: values must be sorted in increasing order"));
            }
            // Ten is the best score of a shape, a hundred that of a node.
            points.push((utilization, within(item, index, "score", 10)? * 10));
        }
        Ok(Shape { points })
    }

    pub fn at(&self, utilization: i64) -> i64 {
        let above = self.points.iter().position(|(point, _)| utilization <= *point);
        match above {
            None => self.points.last().map_or(0, |(_, score)| *score),
            Some(0) => self.points[0].1,
            Some(index) => {
                let ((left, low), (right, high)) = (self.points[index - 1], self.points[index]);
                low + (high - low) * (utilization - left) / (right - left)
            }
        }
    }
}

fn within(item: &Value, index: usize, field: &str, most: i64) -> Result<i64, String> {
    let number = item.get(field).map_or(Some(0), Value::as_i64);
    let number = number.filter(|number| (0..=most).contains(number));
    number.ok_or_else(|| format!("shape[{index}].{field}: not in valid range [0, {most}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn what_is_not_said_has_a_default() {
        assert_eq!(Config::read(&json!({})).unwrap(), Config { bind_timeout_ms: 600_000, shape: None });
        let args = json!({"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "VolumeBindingArgs", "bindTimeoutSeconds": 5});
        assert_eq!(Config::read(&args).unwrap().bind_timeout_ms, 5000);
        assert_eq!(Config::read(&json!({"bindTimeoutSeconds": u64::MAX})).unwrap().bind_timeout_ms, u32::MAX);
    }

    #[test]
    fn errors_name_the_field() {
        for (config, field) in [
            (json!({"bindTimeoutSeconds": -1}), "bindTimeoutSeconds"),
            (json!({"bindTimeoutSeconds": "1"}), "bindTimeoutSeconds"),
            (json!({"shape": []}), "shape"),
            (json!({"shape": [{"utilization": 101, "score": 1}]}), "shape[0].utilization"),
            (json!({"shape": [{"utilization": 1, "score": 11}]}), "shape[0].score"),
            (json!({"shape": [{"utilization": 1}, {"utilization": 1}]}), "shape[1].utilization"),
            (json!({"timeout": 1}), "timeout"),
        ] {
            let error = Config::read(&config).unwrap_err();
            assert!(error.starts_with(&format!("{field}:")), "{error}");
        }
    }

    #[test]
    fn scores_lie_on_lines_between_the_points() {
        let points = json!([{"utilization": 20, "score": 10}, {"utilization": 70, "score": 5}]);
        let shape = Shape::read(&points).unwrap();
        let scores: Vec<i64> = [0, 20, 45, 70, 100].into_iter().map(|at| shape.at(at)).collect();
        assert_eq!(scores, [100, 100, 75, 50, 50]);
    }
}
