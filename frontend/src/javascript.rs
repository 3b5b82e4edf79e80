//! Values on their way between Rust and JavaScript.

use app::store::StoreError;
use js_sys::{Array, BigInt, Error, JSON, Object, Reflect};
use serde_json::Value;
use wasm_bindgen::prelude::*;

/// The JavaScript object that a JSON value stands for.
pub fn object(json: &Value) -> Object {
    JSON::parse(&json.to_string()).map_or_else(|_| Object::new(), Object::unchecked_from_js)
}

/// Sets a property of an object that was just made, which cannot fail.
pub fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    let _ = Reflect::set(object, &name.into(), &value.into());
}

/// The parameters of a statement, as SQLite takes them.
pub fn parameters(values: &[Value]) -> Array {
    values.iter().map(parameter).collect()
}

fn parameter(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Bool(flag) => f64::from(*flag).into(),
        Value::Number(number) => match number.as_i64() {
            // Beyond 2^53 a JavaScript number would be another number.
            Some(integer) if integer.unsigned_abs() >= 1 << 53 => BigInt::from(integer).into(),
            _ => number.as_f64().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(_) | Value::Object(_) => value.to_string().into(),
    }
}

/// What JavaScript threw, as the app's error.
pub fn store_error(thrown: JsValue) -> StoreError {
    StoreError(match thrown.dyn_ref::<Error>() {
        Some(error) => error.message().into(),
        None => format!("{thrown:?}"),
    })
}

/// A Rust error, as JavaScript throws one.
pub fn thrown(message: &str) -> JsValue {
    Error::new(message).into()
}
