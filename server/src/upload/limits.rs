//! How large what a browser sends may be. All of it is checked before Postgres sees anything.
//!
//! Limits that mean something to people, such as 200 characters for a name, are `CHECK` constraints in `migrations/`,
//! whose comments people read. What remains are limits of Postgres itself, such as 2704 bytes for an index entry: a
//! change that breaks one is rejected as `too_large` as well.

use schema::ColumnKind;
use serde_json::Value;

/// Bytes of a request: far more than a browser sends at once, and little enough to hold in memory.
pub(super) const BODY: usize = 8 * 1024 * 1024;

/// Bytes of a browser's `client_id`.
pub(super) const CLIENT_ID: usize = 100;

/// Characters of a row's id. An index entry has room for them, whatever they are.
pub(super) const ID: usize = 100;

/// Bytes of a rejected transaction's JSON that are kept for another try, and sent to all of its user's browsers.
pub(super) const KEPT_CHANGES: usize = 64 * 1024;

/// Bytes of a text. Every browser that may read the row gets all of it again whenever any of its columns changes.
const TEXT: usize = 1024 * 1024;

/// What a value must be that is too large for every column of this kind; `None` where its size is right.
pub(super) fn exceeded(kind: ColumnKind, value: &Value) -> Option<String> {
    match (kind, value) {
        (ColumnKind::Text | ColumnKind::Timestamp, Value::String(text)) if text.len() > TEXT => {
            Some(format!("must have at most {TEXT} bytes, and has {}", text.len()))
        }
        (ColumnKind::Integer, Value::Number(number))
            if number.as_i64().is_none() && number.as_f64().is_some_and(|number| number.abs() > 1e18) =>
        {
            Some(format!("must be from {} to {}, and is {number}", i64::MIN, i64::MAX))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_largest_values_are_taken_and_larger_ones_are_not() {
        let text = |length| json!("x".repeat(length));
        assert_eq!(exceeded(ColumnKind::Text, &text(TEXT)), None);
        assert!(exceeded(ColumnKind::Text, &text(TEXT + 1)).is_some());
        for right in [json!(i64::MAX), json!(i64::MIN), json!(1.5), json!(null), json!("no number")] {
            assert_eq!(exceeded(ColumnKind::Integer, &right), None, "{right}");
        }
        for wrong in [json!(u64::MAX), json!(1e300), json!(-9_223_372_036_854_777_856.0)] {
            assert!(exceeded(ColumnKind::Integer, &wrong).is_some(), "{wrong}");
        }
        assert_eq!(exceeded(ColumnKind::Real, &json!(f64::MAX)), None);
    }
}
