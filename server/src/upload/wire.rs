//! What a request carries, read so far as must be known before anything of it is applied.
//!
//! The columns of a change stay text until its turn comes, and a value that is nested, which no column takes, never becomes
//! more than text. So a request takes little more memory than its bytes, however it is made up.

use std::fmt;

use schema::upload::{Change, Code, MAX_CHANGES, Operation};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};

use super::{change::shortened, limits, rejection::Rejected};

/// What reading says, which ends there, where there are more changes than a request may have.
pub(super) const TOO_MANY: &str = "there are too many changes";

/// The body of a request ([`schema::upload::UploadRequest`]).
#[derive(Deserialize)]
pub(super) struct Upload {
    pub(super) client_id: String,
    #[serde(default)]
    pub(super) user_id: Option<String>,
    pub(super) transactions: Vec<Delivered>,
}

/// A client transaction ([`schema::upload::Transaction`]) as it was delivered.
pub(super) struct Delivered {
    /// The epoch; empty where the browser knows of none.
    pub(super) epoch: String,
    /// The number of its last change, by which it is known. 0 where it has no change.
    pub(super) op_id: i64,
    /// Tells it from another transaction with the same number.
    pub(super) digest: Vec<u8>,
    /// The numbers of all its changes.
    pub(super) op_ids: Vec<i64>,
    /// Its changes; of a transaction that is too large, only the first.
    pub(super) changes: Vec<Sent>,
    /// How many changes it has, if those are too many.
    pub(super) too_large: Option<u64>,
}

/// A change as it was sent.
#[derive(Deserialize, Serialize)]
pub(super) struct Sent {
    pub(super) op_id: i64,
    pub(super) op: Operation,
    #[serde(rename = "type")]
    pub(super) table: String,
    pub(super) id: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<Box<RawValue>>,
}

impl Sent {
    /// The change with its columns. A value that is none for a column, because it is nested or a number that no machine
    /// has, stands there as an array of the beginning of its text.
    pub(super) fn read(&self) -> Result<Change, Rejected> {
        Ok(Change {
            op_id: self.op_id,
            op: self.op,
            table: self.table.clone(),
            id: self.id.clone(),
            data: self.data.as_deref().map(columns).transpose()?,
            old: self.old.as_deref().map(columns).transpose()?,
        })
    }
}

fn columns(text: &RawValue) -> Result<Map<String, Value>, Rejected> {
    if !text.get().starts_with('{') {
        let sentence = format!("A change must have columns, and has {}.", shortened(text.get()));
        return Err(Rejected::new(Code::WrongType, sentence));
    }
    match serde_json::from_str(text.get()) {
        Ok(Columns(columns)) => Ok(columns),
        Err(error) => Err(Rejected::new(Code::TooLarge, format!("This row cannot be read: {error}."))),
    }
}

struct Columns(Map<String, Value>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Columns, D::Error> {
        deserializer.deserialize_map(ColumnsVisitor)
    }
}

struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Columns, A::Error> {
        let mut columns = Map::new();
        while let Some((name, value)) = access.next_entry::<String, &RawValue>()? {
            columns.insert(name, scalar(value.get()));
            if columns.len() > limits::COLUMNS {
                return Err(A::Error::custom(format_args!("it has more than {} columns", limits::COLUMNS)));
            }
        }
        Ok(Columns(columns))
    }
}

fn scalar(text: &str) -> Value {
    let scalar = (!text.starts_with(['[', '{'])).then(|| serde_json::from_str(text).ok()).flatten();
    scalar.unwrap_or_else(|| Value::Array(vec![Value::String(shortened(text))]))
}

impl<'de> Deserialize<'de> for Delivered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Delivered, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            epoch: Option<String>,
            changes: Changes,
            #[serde(default)]
            omitted: Option<u64>,
        }
        let Wire { epoch, changes: Changes { op_ids, changes, digest }, omitted } =
            Wire::deserialize(deserializer)?;
        let epoch = epoch.unwrap_or_default();
        if epoch.len() > limits::CLIENT_ID || epoch.contains('\0') {
            return Err(D::Error::custom(format_args!(
                "an epoch must have at most {} bytes of text",
                limits::CLIENT_ID
            )));
        }
        let named = op_ids.len() as u64;
        let too_many = (op_ids.len() > MAX_CHANGES).then_some(named);
        let too_large = omitted.map(|omitted| omitted.saturating_add(named)).or(too_many);
        let op_id = op_ids.last().copied().unwrap_or_default();
        Ok(Delivered { epoch, op_id, digest, op_ids, changes, too_large })
    }
}

struct Changes {
    op_ids: Vec<i64>,
    changes: Vec<Sent>,
    digest: Vec<u8>,
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Changes, D::Error> {
        deserializer.deserialize_seq(ChangesVisitor)
    }
}

struct ChangesVisitor;

impl<'de> Visitor<'de> for ChangesVisitor {
    type Value = Changes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of changes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Changes, A::Error> {
        let (mut op_ids, mut changes, mut hash) = (Vec::new(), Vec::new(), Sha256::new());
        hash.update(br#"{"changes":["#);
        while let Some(change) = access.next_element::<Sent>()? {
            if op_ids.len() == limits::CHANGES {
                return Err(A::Error::custom(TOO_MANY));
            }
            if !op_ids.is_empty() {
                hash.update(b",");
            }
            digest(&change, &mut hash);
            op_ids.push(change.op_id);
            match op_ids.len() > MAX_CHANGES {
                true => changes.truncate(1),
                false => changes.push(change),
            }
        }
        hash.update(b"]}");
        Ok(Changes { op_ids, changes, digest: hash.finalize().to_vec() })
    }
}

/// The same columns in another order are the same change.
fn digest(change: &Sent, hash: &mut Sha256) {
    // A hash takes whatever is written.
    let _ = match change.read() {
        Ok(change) => serde_json::to_writer(hash, &change),
        Err(_) => serde_json::to_writer(hash, change),
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivered(changes: Value) -> Delivered {
        let text = json!({ "changes": changes }).to_string();
        serde_json::from_str(&text).unwrap()
    }

    fn sent(data: &str) -> Sent {
        serde_json::from_str(&format!(r#"{{"op_id":1,"op":"PATCH","type":"goods","id":"a","data":{data}}}"#))
            .unwrap()
    }

    #[test]
    fn numbers_are_read_exactly() {
        let change = sent(r#"{"a":9007199254740993,"b":-9223372036854775808,"c":0.30000000000000004}"#);
        let data = change.read().unwrap().data.unwrap();
        assert_eq!(data["a"].as_i64(), Some(9_007_199_254_740_993));
        assert_eq!(data["b"].as_i64(), Some(i64::MIN));
        assert_eq!(data["c"].as_f64(), Some(0.300_000_000_000_000_04));
    }

    #[test]
    fn a_nested_value_stays_text_whatever_its_depth() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let data = sent(&format!(r#"{{"a":{deep},"b":{{"c":[1]}},"d":1e999,"e":"text"}}"#)).read().unwrap();
        let data = data.data.unwrap();
        assert_eq!(data["a"], json!([format!("{}…", "[".repeat(40))]));
        assert_eq!(data["b"], json!([r#"{"c":[1]}"#]));
        assert_eq!(data["d"], json!(["1e999"]));
        assert_eq!(data["e"], json!("text"));
    }

    #[test]
    fn what_is_no_row_is_rejected() {
        let many: Vec<_> = (0..=limits::COLUMNS).map(|number| format!(r#""c{number}":1"#)).collect();
        let rejected = sent(&format!("{{{}}}", many.join(","))).read().unwrap_err();
        assert_eq!(rejected.code, Code::TooLarge);
        assert_eq!(sent("[1]").read().unwrap_err().code, Code::WrongType);
        assert_eq!(sent("null").read().unwrap().data, None);
    }

    #[test]
    fn of_too_many_changes_only_the_first_and_the_numbers_are_kept() {
        let change = |op_id: usize| json!({ "op_id": op_id, "op": "DELETE", "type": "goods", "id": "a" });
        let most: Vec<_> = (1..=MAX_CHANGES).map(change).collect();
        let right = delivered(json!(most));
        assert_eq!((right.changes.len(), right.too_large), (MAX_CHANGES, None));
        let more: Vec<_> = (1..=MAX_CHANGES + 2).map(change).collect();
        let wrong = delivered(json!(more));
        assert_eq!((wrong.changes.len(), wrong.op_ids.len()), (1, MAX_CHANGES + 2));
        assert_eq!((wrong.op_id, wrong.too_large), (MAX_CHANGES as i64 + 2, Some(MAX_CHANGES as u64 + 2)));
    }

    #[test]
    fn a_digest_is_one_of_the_content() {
        let digest = |data: &str| {
            let text =
                format!(r#"{{"changes":[{{"op_id":1,"op":"PUT","type":"a","id":"a","data":{data}}}]}}"#);
            serde_json::from_str::<Delivered>(&text).unwrap().digest
        };
        assert_eq!(digest(r#"{"a":1,"b":2}"#), digest(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(digest(r#"{"a":1,"b":2}"#), digest(r#"{"a":1,"b":3}"#));
    }
}
