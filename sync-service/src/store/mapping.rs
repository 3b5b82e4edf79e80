//! How the values of Postgres's types are sent to clients.
//!
//! As the PowerSync Service does at edition 3: it takes the text that Postgres makes of a value, keeps it for most types, and makes
//! numbers, ISO 8601 times and JSON of the others.

use super::catalog::quote;

/// A type, as far as its values are mapped in a way of their own. A domain is what it is based on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Boolean,
    Integer,
    Real,
    /// `bytea`, which is not synced.
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampWithZone,
    Json,
    /// `pg_lsn`, padded so that its texts are in order.
    Lsn,
    /// A type of which `::text` does not give what Postgres sends.
    Printed,
    /// Everything else: what `::text` gives.
    Text,
    Array(Box<Type>),
    Composite(Vec<(String, Type)>),
    Range(Box<Type>),
    Multirange(Box<Type>),
}

impl Type {
    /// The type with that `pg_type.oid`, of those that Postgres comes with.
    pub fn built_in(oid: i64) -> Option<Self> {
        Some(match oid {
            16 => Self::Boolean,
            17 => Self::Bytes,
            20 | 21 | 23 | 26 => Self::Integer,
            114 | 3802 => Self::Json,
            700 | 701 => Self::Real,
            869 | 1042 => Self::Printed,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::TimestampWithZone,
            3220 => Self::Lsn,
            _ => return None,
        })
    }

    /// An SQL expression for the value in a row: an integer, a real as JSON, or text. None when it is not synced.
    pub fn value(&self, x: &str) -> Option<String> {
        Some(match self {
            Self::Bytes => return None,
            Self::Boolean => format!("({x})::int"),
            Self::Integer => format!("({x})::bigint"),
            Self::Real => format!("sync_service.real_json(({x})::text)"),
            Self::Date => format!(
                "CASE {x} WHEN 'infinity' THEN '9999-12-31' WHEN '-infinity' THEN '0000-01-01' ELSE ({x})::text END"
            ),
            Self::Time => format!("to_char(({x})::interval, 'HH24:MI:SS.US')"),
            Self::Timestamp => timestamp(x, x, "", "WHEN {x} < '0001-01-01' THEN NULL"),
            Self::TimestampWithZone => timestamp(
                x,
                &format!("({x}) AT TIME ZONE 'UTC'"),
                "Z",
                "WHEN {x} < '0001-01-01T00:00Z' OR {x} >= '10000-01-01T00:00Z' THEN NULL",
            ),
            Self::Lsn => {
                let half = |n| format!("lpad(split_part(({x})::text, '/', {n}), 8, '0')");
                format!("{} || '/' || {}", half(1), half(2))
            }
            Self::Printed => format!("CASE WHEN {x} IS NOT NULL THEN format('%s', {x}) END"),
            Self::Json | Self::Text => format!("({x})::text"),
            Self::Range(_) => {
                format!("CASE WHEN isempty({x}) THEN 'empty' ELSE ({})::text END", self.json(x, 0))
            }
            Self::Array(_) | Self::Composite(_) | Self::Multirange(_) => {
                format!("({})::text", self.json(x, 0))
            }
        })
    }

    /// An SQL expression for the value as one that operators take (see `functions.sql`); null when it is not synced.
    pub fn operand(&self, x: &str) -> String {
        match (self, self.value(x)) {
            (Self::Real, _) => format!("sync_service.real(({x})::text)"),
            (_, Some(value)) => format!("to_jsonb({value})"),
            (_, None) => "NULL::jsonb".to_owned(),
        }
    }

    /// An SQL expression for the value inside of JSON.
    fn json(&self, x: &str, depth: usize) -> String {
        let (element, row) = (format!("e{depth}"), format!("m{depth}"));
        match self {
            Self::Bytes => "NULL::json".to_owned(),
            Self::Real => format!("sync_service.real_json(({x})::text)"),
            Self::Json => format!("({x})::text::json"),
            Self::Array(of) => match of.as_ref() {
                Self::Integer => format!("array_to_json(({x})::bigint[])"),
                Self::Text => format!("array_to_json(({x})::text[])"),
                Self::Json => format!("array_to_json({x})"),
                of => elements(x, of, &element, depth),
            },
            Self::Multirange(of) => {
                let ranges = format!("ARRAY(SELECT {element} FROM unnest({x}) {element})");
                format!(
                    "CASE WHEN {x} IS NOT NULL THEN {} END",
                    elements(&ranges, &Self::Range(of.clone()), &format!("r{depth}"), depth)
                )
            }
            Self::Composite(fields) => {
                let fields = fields.iter().filter(|(_, of)| *of != Self::Bytes).map(|(name, of)| {
                    let name = quote(name);
                    format!("{} AS {name}", of.json(&format!("({x}).{name}"), depth + 1))
                });
                let fields: Vec<_> = fields.collect();
                format!(
                    "CASE WHEN {x} IS DISTINCT FROM NULL THEN (SELECT row_to_json({row}.*) FROM (SELECT {}) {row}) END",
                    fields.join(", ")
                )
            }
            Self::Range(of) => {
                let bound = |end: &str| of.json(&format!("{end}({x})"), depth + 1);
                format!(
                    "CASE WHEN isempty({x}) THEN '\"empty\"'::json WHEN {x} IS NOT NULL THEN (SELECT row_to_json({row}.*) FROM \
                     (SELECT {} AS lower, {} AS upper, (NOT lower_inc({x}))::int AS lower_exclusive, (NOT upper_inc({x}))::int AS upper_exclusive) {row}) END",
                    bound("lower"),
                    bound("upper"),
                )
            }
            _ => format!("to_json({})", self.value(x).unwrap_or_default()),
        }
    }
}

fn elements(x: &str, of: &Type, element: &str, depth: usize) -> String {
    format!(
        "sync_service.array_json({x}, ARRAY(SELECT coalesce(({})::text, 'null') FROM (SELECT unnest({x}) AS {element}) s{depth}))",
        of.json(element, depth + 1)
    )
}

/// Times out of the range that SQLite knows are null; the ends of time are the ends of that range.
fn timestamp(x: &str, utc: &str, zone: &str, out_of_range: &str) -> String {
    format!(
        "CASE WHEN {x} = 'infinity' THEN '9999-12-31T23:59:59.000000{zone}' WHEN {x} = '-infinity' THEN '0000-01-01T00:00:00.000000{zone}' \
         {} ELSE to_char({utc}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"{zone}\"') END",
        out_of_range.replace("{x}", x)
    )
}
