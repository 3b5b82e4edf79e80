//! A value of a column, as Rust has it.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use schema::ColumnKind;
use serde_json::Value;

/// A value for a column; `None` is `NULL`.
#[derive(Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(Option<Cow<'a, str>>),
    Integer(Option<i64>),
    Real(Option<f64>),
    Boolean(Option<bool>),
    Timestamp(Option<DateTime<Utc>>),
}

impl<'a> Cell<'a> {
    /// Reads a value as SQLite or Postgres writes it in JSON; `None` where it is of another type.
    pub(crate) fn parse(kind: ColumnKind, value: &'a Value) -> Option<Cell<'a>> {
        let null = value.is_null();
        let cell = match kind {
            // Postgres cannot store the character U+0000.
            ColumnKind::Text => {
                Cell::Text(value.as_str().filter(|text| !text.contains('\0')).map(Cow::Borrowed))
            }
            ColumnKind::Integer => Cell::Integer(value.as_i64()),
            ColumnKind::Real => Cell::Real(value.as_f64()),
            ColumnKind::Boolean => Cell::Boolean(boolean(value)),
            ColumnKind::Timestamp => Cell::Timestamp(value.as_str().and_then(timestamp)),
        };
        (null || !cell.is_null()).then_some(cell)
    }

    /// What a value of that kind is called in a sentence.
    pub(crate) fn expected(kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Text => "text",
            ColumnKind::Integer => "a whole number",
            ColumnKind::Real => "a number",
            ColumnKind::Boolean => "0 or 1",
            ColumnKind::Timestamp => "a time such as 2026-11-22T16:22:09.954983Z",
        }
    }

    fn is_null(&self) -> bool {
        match self {
            Cell::Text(value) => value.is_none(),
            Cell::Integer(value) => value.is_none(),
            Cell::Real(value) => value.is_none(),
            Cell::Boolean(value) => value.is_none(),
            Cell::Timestamp(value) => value.is_none(),
        }
    }
}

/// SQLite has no booleans; PowerSync stores 0 and 1.
fn boolean(value: &Value) -> Option<bool> {
    match value.as_i64() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => value.as_bool(),
    }
}

/// A point in time as exactly as Postgres stores it. Years of other than four digits would not sort as text in SQLite.
fn timestamp(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc().round_subsecs(6);
    (1..=9999).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_have_years_of_four_digits_and_at_most_six_decimals() {
        for taken in [
            "2026-11-22T16:22:09.954983Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "2026-11-22T16:22:09+14:00",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(timestamp(taken).is_some(), "{taken}");
        }
        for refused in [
            "",
            "infinity",
            "2026-11-22",
            "2026-02-30T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59.9999999Z",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "292277026596-12-04T15:30:08Z",
        ] {
            assert!(timestamp(refused).is_none(), "{refused}");
        }
        assert_eq!(timestamp("2026-11-22T16:22:09.1234567Z"), timestamp("2026-11-22T16:22:09.123457Z"));
    }

    #[test]
    fn a_value_of_another_type_is_none() {
        for (kind, value) in [
            (ColumnKind::Text, json!(1)),
            (ColumnKind::Text, json!("\0")),
            (ColumnKind::Integer, json!("1")),
            (ColumnKind::Integer, json!(1.5)),
            (ColumnKind::Integer, json!(true)),
            (ColumnKind::Real, json!("NaN")),
            (ColumnKind::Boolean, json!(2)),
            (ColumnKind::Timestamp, json!(0)),
        ] {
            assert_eq!(Cell::parse(kind, &value), None, "{kind:?} {value}");
        }
        assert_eq!(Cell::parse(ColumnKind::Real, &json!(1)), Some(Cell::Real(Some(1.0))));
        assert_eq!(Cell::parse(ColumnKind::Real, &json!(null)), Some(Cell::Real(None)));
    }
}
