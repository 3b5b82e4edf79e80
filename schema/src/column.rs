//! Columns and how a Rust type is stored in one, on both sides.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::Timestamp;

/// A column of a [`crate::Table`].
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, the same in SQLite and in Postgres.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether it may be `NULL`.
    pub nullable: bool,
}

impl Column {
    /// A column that holds values of the Rust type `T`.
    pub const fn of<T: ColumnType>(name: &'static str) -> Column {
        Column { name, kind: T::KIND, nullable: T::NULLABLE }
    }
}

/// What a column holds. SQLite has fewer types than Postgres, and PowerSync fixes how one becomes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `text` on both sides.
    Text,
    /// `bigint` in Postgres, `INTEGER` in SQLite.
    Integer,
    /// `double precision` in Postgres, `REAL` in SQLite.
    Real,
    /// `boolean` in Postgres, `INTEGER` 0 or 1 in SQLite.
    Boolean,
    /// `timestamptz` in Postgres, RFC 3339 text in UTC with six decimals in SQLite.
    Timestamp,
}

impl ColumnKind {
    /// The type's name in a Postgres catalogue and in a cast.
    pub const fn postgres(self) -> &'static str {
        match self {
            ColumnKind::Text => "text",
            ColumnKind::Integer => "bigint",
            ColumnKind::Real => "double precision",
            ColumnKind::Boolean => "boolean",
            ColumnKind::Timestamp => "timestamp with time zone",
        }
    }

    /// The type's name in the browser's SQLite schema.
    pub const fn sqlite(self) -> &'static str {
        match self {
            ColumnKind::Text | ColumnKind::Timestamp => "TEXT",
            ColumnKind::Integer | ColumnKind::Boolean => "INTEGER",
            ColumnKind::Real => "REAL",
        }
    }
}

/// A Rust type that a column can hold. Its default is what [`cell`] reads where a row lacks the column.
pub trait ColumnType: Sized + Default {
    /// What a column of this type holds.
    const KIND: ColumnKind;
    /// Whether it may be `NULL`.
    const NULLABLE: bool = false;
    /// Reads a value as SQLite or Postgres gives it; `None` where it is of another type.
    fn read(value: Value) -> Option<Self>;
    /// The value as SQLite stores it.
    fn write(&self) -> Value;
}

impl ColumnType for String {
    const KIND: ColumnKind = ColumnKind::Text;
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl ColumnType for i64 {
    const KIND: ColumnKind = ColumnKind::Integer;
    fn read(value: Value) -> Option<Self> {
        match value {
            // Beyond 2^53 an integer is not a JavaScript number, so it comes as text.
            Value::String(digits) => digits.parse().ok(),
            value => value.as_i64(),
        }
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ColumnType for f64 {
    const KIND: ColumnKind = ColumnKind::Real;
    fn read(value: Value) -> Option<Self> {
        value.as_f64()
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ColumnType for bool {
    const KIND: ColumnKind = ColumnKind::Boolean;
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) => number.as_i64().map(|number| number != 0),
            _ => None,
        }
    }
    fn write(&self) -> Value {
        Value::from(i64::from(*self))
    }
}

impl ColumnType for Timestamp {
    const KIND: ColumnKind = ColumnKind::Timestamp;
    fn read(value: Value) -> Option<Self> {
        String::read(value).map(Timestamp)
    }
    fn write(&self) -> Value {
        self.0.write()
    }
}

impl<T: ColumnType> ColumnType for Option<T> {
    const KIND: ColumnKind = T::KIND;
    const NULLABLE: bool = true;
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

/// Reads and writes a row's field as its column does, for `#[serde(with)]`.
pub mod cell {
    use super::*;

    /// Reads a cell; an error names the type that the column should hold.
    ///
    /// A row that a browser was sent before a column was added has `NULL` there, whatever Postgres has, until it is sent again.
    /// That takes a network, so the page goes on with the type's default meanwhile.
    pub fn deserialize<'de, T: ColumnType, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(T::default());
        }
        let message = format!("expected {}, found {value}", T::KIND.postgres());
        T::read(value).ok_or_else(|| serde::de::Error::custom(message))
    }

    /// Writes a cell.
    pub fn serialize<T: ColumnType, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.write().serialize(serializer)
    }
}
