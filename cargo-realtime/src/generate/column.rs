//! A column as it is asked for on the command line: `name:text`, `budget:real:optional`.

use std::str::FromStr;

use anyhow::{Result, bail};
use serde::Serialize;

use super::names;

/// The types of columns, by their names in Postgres and the other names that are understood.
pub const TYPES: &str =
    "text, boolean (bool), bigint (integer), double precision (real), timestamptz (timestamp)";

/// A column of a new table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, the same on all sides.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be `NULL`.
    pub optional: bool,
}

/// What a column holds; the kinds that an app's schema crate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// `text`, a `String`.
    Text,
    /// `bigint`, an `i64`.
    Integer,
    /// `double precision`, an `f64`.
    Real,
    /// `boolean`, a `bool`.
    Boolean,
    /// `timestamptz`, a `Timestamp`.
    Timestamp,
}

impl FromStr for Column {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (definition, optional) = match text.strip_suffix(":optional") {
            Some(definition) => (definition, true),
            None => (text, false),
        };
        let Some((name, kind)) = definition.split_once(':') else {
            bail!(
                "The column {text:?} has no type: write NAME:TYPE, such as {text}:text. The types are {TYPES}."
            )
        };
        names::check_column(name)?;
        let Some(kind) = Kind::named(kind) else {
            bail!(
                "The column {name} has the type {kind:?}, which there is not. The types are {TYPES}; a column that may be empty has :optional after its type."
            )
        };
        if optional && kind == Kind::Boolean {
            bail!(
                "The column {name} is false until somebody checks it, so it is never empty: write {name}:boolean."
            )
        }
        Ok(Self { name: name.to_owned(), kind, optional })
    }
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "text" | "string" => Kind::Text,
            "integer" | "int" | "bigint" | "int8" => Kind::Integer,
            "real" | "float" | "double precision" | "double" | "float8" => Kind::Real,
            "boolean" | "bool" => Kind::Boolean,
            "timestamptz" | "timestamp" | "timestamp with time zone" => Kind::Timestamp,
            _ => return None,
        })
    }

    /// The type in a migration.
    pub fn postgres(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer => "bigint",
            Kind::Real => "double precision",
            Kind::Boolean => "boolean",
            Kind::Timestamp => "timestamptz",
        }
    }

    /// The type of a row's field.
    pub fn rust(self) -> &'static str {
        match self {
            Kind::Text => "String",
            Kind::Integer => "i64",
            Kind::Real => "f64",
            Kind::Boolean => "bool",
            Kind::Timestamp => "Timestamp",
        }
    }
}
