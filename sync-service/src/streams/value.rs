//! A value as SQLite knows it, and what the PowerSync Service does with one.
//!
//! Requests are evaluated here. Rows are evaluated in Postgres by the functions of `store/functions.sql`, which do the same.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value as Json;

/// A value without blobs, which are not synced.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent: equal to nothing.
    Null,
    /// A whole number. Booleans are 1 and 0.
    Integer(i128),
    /// A floating point number.
    Real(f64),
    /// Text. JSON objects and arrays are text too.
    Text(String),
}

/// The types that a value can be cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastType {
    /// `CAST(x AS text)`
    Text,
    /// `CAST(x AS integer)`
    Integer,
    /// `CAST(x AS real)`
    Real,
    /// `CAST(x AS numeric)`
    Numeric,
}

/// An element of a JSON array or object.
#[derive(Debug)]
pub(crate) struct Element {
    pub key: Value,
    pub value: Value,
}

/// What was asked of a text that is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

impl Value {
    /// What a JSON value is in SQLite.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Integer(i128::from(*truth)),
            Json::String(text) => Self::Text(text.clone()),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Integer(number.into()),
                (_, Some(number)) => Self::Integer(number.into()),
                _ => Self::Real(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::Array(_) | Json::Object(_) => Self::Text(json.to_string()),
        }
    }

    /// Numbers come before texts; nothing compares with null.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Text(_), _) => Some(Ordering::Greater),
            (_, Self::Text(_)) => Some(Ordering::Less),
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(b),
            (Self::Integer(a), Self::Real(b)) => integer_and_real(*a, *b),
            (Self::Real(a), Self::Integer(b)) => integer_and_real(*b, *a).map(Ordering::reverse),
        }
    }

    /// Whether a condition that consists of the value holds.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Integer(number) => *number != 0,
            Self::Real(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => starts_with_a_number_but_zero(text),
        }
    }

    /// The value as it stands in the name of a bucket; the same number is the same text, whichever type it has.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Real(number) if !number.is_finite() => None,
            Self::Real(number) if *number == 0.0 => Some("0".to_owned()),
            Self::Real(number) => Some(number.to_string()),
            Self::Text(text) => Some(Json::from(text.as_str()).to_string()),
        }
    }

    /// `CAST(value AS type)`
    pub fn cast(&self, to: CastType) -> Self {
        match (self, to) {
            (Self::Null, _) => Self::Null,
            (_, CastType::Text) => self.text().map_or(Self::Null, Self::Text),
            (Self::Text(text), CastType::Integer) => {
                Self::Integer(digits(text.trim_start()).parse().unwrap_or(0))
            }
            (Self::Text(text), CastType::Real) => {
                Self::Real(number(text.trim_start()).parse().unwrap_or(0.0))
            }
            (Self::Text(text), CastType::Numeric) => {
                let number = number(text.trim_start());
                let whole = number.parse().ok().map(Self::Integer);
                whole.or_else(|| number.parse().ok().map(Self::Real)).unwrap_or(Self::Integer(0))
            }
            (Self::Real(number), CastType::Integer) => Self::Integer(number.floor() as i128),
            (Self::Integer(number), CastType::Real) => Self::Real(*number as f64),
            (number, _) => number.clone(),
        }
    }

    /// `value -> path` (`as_json`) or `value ->> path`.
    pub(crate) fn access(&self, path: &[String], as_json: bool) -> Result<Self, NotJson> {
        let Some(text) = self.text() else { return Ok(Self::Null) };
        let document: Json = serde_json::from_str(&text).map_err(|_| NotJson)?;
        if document.is_null() {
            return Ok(Self::Null);
        }
        let mut found = Some(&document);
        for step in path {
            found = match found {
                None | Some(Json::Null) => break,
                Some(Json::Object(object)) => object.get(step),
                Some(Json::Array(array)) => index(step).and_then(|index| array.get(index)),
                Some(_) => None,
            };
        }
        Ok(match found {
            None => Self::Null,
            Some(found) if as_json => Self::Text(found.to_string()),
            Some(found) => Self::from_json(found),
        })
    }

    /// The keys and values of a JSON array or object; a single value has itself.
    pub(crate) fn elements(&self) -> Result<Vec<Element>, NotJson> {
        let text = match self {
            Self::Null => return Ok(Vec::new()),
            Self::Text(text) => text,
            Self::Integer(_) | Self::Real(_) => return Err(NotJson),
        };
        let element = |key, value: &Json| Element { key, value: Self::from_json(value) };
        Ok(match serde_json::from_str(text).map_err(|_| NotJson)? {
            Json::Array(array) => {
                let keys = (0..).map(Self::Integer);
                keys.zip(&array).map(|(key, value)| element(key, value)).collect()
            }
            Json::Object(object) => {
                object.iter().map(|(key, value)| element(Self::Text(key.clone()), value)).collect()
            }
            single => vec![element(Self::Null, &single)],
        })
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Real(number) => Some(real_text(*number)),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

fn integer_and_real(integer: i128, real: f64) -> Option<Ordering> {
    match (integer as f64).partial_cmp(&real) {
        Some(Ordering::Equal) => Some(integer.cmp(&(real as i128))),
        order => order,
    }
}

/// JavaScript's `parseInt`, which is how the PowerSync Service tells whether a text is true.
fn starts_with_a_number_but_zero(text: &str) -> bool {
    let text = text.trim_start();
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(hexadecimal) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal.trim_start_matches('0').starts_with(|c: char| c.is_ascii_hexdigit());
    }
    text.trim_start_matches('0').starts_with(|c: char| c.is_ascii_digit())
}

/// The whole number that a text begins with.
fn digits(text: &str) -> &str {
    let sign = usize::from(text.starts_with(['+', '-']));
    let end = text[sign..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| sign + end);
    &text[..end]
}

/// The number that a text begins with.
fn number(text: &str) -> &str {
    let mut end = digits(text).len();
    if text[end..].starts_with('.') {
        let fraction = unsigned(&text[end + 1..]);
        if fraction > 0 || text[..end].ends_with(|c: char| c.is_ascii_digit()) {
            end += 1 + fraction;
        }
    }
    if text[end..].starts_with(['e', 'E']) && text[..end].ends_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        let exponent = &text[end + 1..];
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let length = unsigned(&exponent[sign..]);
        if length > 0 {
            end += 1 + sign + length;
        }
    }
    &text[..end]
}

fn unsigned(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// An index as JavaScript takes it for an array: without leading zeros.
fn index(step: &str) -> Option<usize> {
    step.parse().ok().filter(|index: &usize| index.to_string() == step)
}

/// A number as JavaScript writes it.
fn real_text(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    if size.is_nan() || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let mut text = format!("{number:e}");
    if let Some(at) = text.find('e').filter(|at| !text[at + 1..].starts_with('-')) {
        let exponent = text.split_off(at + 1);
        let _ = write!(text, "+{exponent}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{CastType, Value, real_text};

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (number, text) in [
            (5.0, "5"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (1e-6, "0.000001"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(real_text(number), text);
        }
    }

    #[test]
    fn a_text_is_cast_by_the_number_that_it_begins_with() {
        let cast = |text: &str, to| Value::Text(text.to_owned()).cast(to);
        assert_eq!(cast(" -12.9abc", CastType::Integer), Value::Integer(-12));
        assert_eq!(cast("+12abc", CastType::Integer), Value::Integer(12));
        assert_eq!(cast("abc", CastType::Integer), Value::Integer(0));
        assert_eq!(cast("-", CastType::Integer), Value::Integer(0));
        assert_eq!(cast("-.5abc", CastType::Numeric), Value::Real(-0.5));
        assert_eq!(cast("+1.2e2abc", CastType::Numeric), Value::Real(120.0));
        assert_eq!(cast("12e", CastType::Numeric), Value::Integer(12));
        assert_eq!(cast(".", CastType::Real), Value::Real(0.0));
        assert_eq!(Value::Real(-1.5).cast(CastType::Integer), Value::Integer(-2));
        assert_eq!(Value::Real(5.0).cast(CastType::Text), Value::Text("5".to_owned()));
    }

    #[test]
    fn keys_do_not_tell_the_types_of_numbers_apart() {
        assert_eq!(Value::Integer(5).key(), Value::Real(5.0).key());
        assert_eq!(Value::Text("5".to_owned()).key().as_deref(), Some("\"5\""));
        assert_eq!(Value::Real(1e20).key().as_deref(), Some("100000000000000000000"));
        assert_eq!(Value::Null.key(), None);
    }

    #[test]
    fn a_path_leads_into_objects_and_arrays() {
        let document = Value::Text(r#"{"a":{"b":[1,true,null,"x",{"c":1.5}]},"a.b":2}"#.to_owned());
        let access = |path: &[&str], as_json| {
            let path: Vec<_> = path.iter().map(ToString::to_string).collect();
            document.access(&path, as_json)
        };
        assert_eq!(access(&["a", "b", "1"], false), Ok(Value::Integer(1)));
        assert_eq!(access(&["a", "b", "2"], false), Ok(Value::Null));
        assert_eq!(access(&["a", "b", "2"], true), Ok(Value::Text("null".to_owned())));
        assert_eq!(access(&["a", "b", "4"], true), Ok(Value::Text("{\"c\":1.5}".to_owned())));
        assert_eq!(access(&["a.b"], false), Ok(Value::Integer(2)));
        assert_eq!(access(&["x", "y"], true), Ok(Value::Null));
        assert!(Value::Text("x".to_owned()).access(&[], false).is_err());
        assert_eq!(Value::Text("[1,\"a\"]".to_owned()).elements().expect("JSON").len(), 2);
    }
}
