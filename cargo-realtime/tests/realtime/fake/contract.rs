//! What a provider's API lets through: by the schemas that are kept here and, where its full OpenAPI document is at
//! hand, by that as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// See the module.
pub struct Contract {
    documents: Vec<Document>,
}

struct Document {
    what: &'static str,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: Vec<String>,
    query: BTreeMap<String, Validator>,
    body: Option<Validator>,
}

impl Contract {
    /// `kept` is ours; `spec` is the name of the full document.
    pub fn new(kept: &str, spec: &str) -> Self {
        let ours = ours(kept);
        let theirs = full(spec).map(|spec| openapi(&spec, &ours));
        let mut documents = vec![Document { what: "the kept schemas", operations: ours }];
        documents.extend(theirs.map(|operations| Document { what: "the OpenAPI document", operations }));
        Self { documents }
    }

    /// What is wrong with a request.
    pub fn fault(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Option<String> {
        self.documents.iter().find_map(|document| {
            let fault = document.fault(method, path, query, body)?;
            Some(format!("{method} {path}?{query}: {} says: {fault}", document.what))
        })
    }
}

impl Document {
    fn fault(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Option<String> {
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        let Some(operation) = self.operations.iter().find(|operation| operation.is(method, &segments)) else {
            return Some("there is no such operation".to_owned());
        };
        for (name, value) in reqwest::Url::parse(&format!("http://x/?{query}")).unwrap().query_pairs() {
            let Some(validator) = operation.query.get(&*name) else {
                return Some(format!("there is no query parameter {name}"));
            };
            let text = Value::from(&*value);
            let typed = serde_json::from_str(&value).unwrap_or_else(|_| text.clone());
            if !validator.is_valid(&typed) && !validator.is_valid(&text) {
                return Some(format!("the query parameter {name} cannot be {value}"));
            }
        }
        match (&operation.body, body) {
            (None, []) => None,
            (None, _) => Some("it has no body".to_owned()),
            (Some(validator), body) => {
                let body = serde_json::from_slice(body).unwrap_or(Value::Null);
                let faults: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
                (!faults.is_empty()).then(|| faults.join("; "))
            }
        }
    }
}

impl Operation {
    fn is(&self, method: &str, path: &[&str]) -> bool {
        let same = |(ours, theirs): (&String, &&str)| ours.starts_with('{') || ours == theirs;
        self.method == method && self.path.len() == path.len() && self.path.iter().zip(path).all(same)
    }
}

/// The faults of a document by a schema.
pub fn faults(schema: &Value, document: &Value) -> Vec<String> {
    validator(schema.clone()).iter_errors(document).map(|error| error.to_string()).collect()
}

/// A full document, where it is at hand: in the folder named in `REALTIME_SPECS`, or beside the repository.
pub fn full(name: &str) -> Option<Value> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let dir = std::env::var_os("REALTIME_SPECS").map_or_else(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(dir.join(name)) else {
        eprintln!("{name} is not in {}: requests are checked by the kept schemas only", dir.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn validator(schema: Value) -> Validator {
    jsonschema::options().with_draft(Draft::Draft7).build(&schema).unwrap()
}

fn segments(path: &str) -> Vec<String> {
    path.trim_matches('/').split('/').map(str::to_owned).collect()
}

fn ours(kept: &str) -> Vec<Operation> {
    let kept: Map<String, Value> = serde_json::from_str(kept).unwrap();
    let operation = |(call, schemas): (String, Value)| {
        let (method, path) = call.split_once(' ').unwrap();
        let query = schemas["query"].as_object().cloned().unwrap_or_default();
        Operation {
            method: method.to_owned(),
            path: segments(path),
            query: query.into_iter().map(|(name, schema)| (name, validator(schema))).collect(),
            body: schemas.get("body").cloned().map(validator),
        }
    };
    kept.into_iter().map(operation).collect()
}

/// Those of the document's operations that we have schemas for; the others are refused before they are looked for here.
fn openapi(spec: &Value, ours: &[Operation]) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        for method in ["get", "post", "delete"] {
            let Some(described) = item.get(method) else { continue };
            let path = segments(path);
            let is_called = |it: &Operation| it.method == method.to_uppercase() && it.path == path;
            if !ours.iter().any(is_called) {
                continue;
            }
            let parameters = [&item["parameters"], &described["parameters"]];
            let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
            let parameters = parameters.map(|parameter| resolved(spec, parameter));
            let query = parameters.filter(|parameter| parameter["in"] == "query");
            let schema = |parameter: &Value| with_components(spec, parameter["schema"].clone());
            let body = described.pointer("/requestBody/content/application~1json/schema").cloned();
            operations.push(Operation {
                method: method.to_uppercase(),
                path,
                query: query.map(|it| (it["name"].as_str().unwrap().to_owned(), schema(it))).collect(),
                body: body.map(|body| with_components(spec, body)),
            });
        }
    }
    operations
}

fn resolved<'a>(spec: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => spec.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The schema in a document of its own, in which its references lead somewhere.
fn with_components(spec: &Value, schema: Value) -> Validator {
    validator(json!({ "allOf": [schema], "components": { "schemas": spec["components"]["schemas"] } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_documented_is_refused() {
        let neon = Contract::new(include_str!("../schemas/neon.json"), "neon.strict.json");
        let fly = Contract::new(include_str!("../schemas/fly.json"), "fly-machines.strict.json");
        let app = br#"{ "name": "notes", "org_slug": "personal" }"#;
        assert_eq!(fly.fault("POST", "apps", "", app), None);
        assert_eq!(neon.fault("GET", "projects", "search=notes&limit=400", b""), None);
        for (contract, method, path, query, body) in [
            (&fly, "POST", "apps", "", r#"{ "app_name": "notes", "org_slug": "personal" }"#),
            (&fly, "POST", "apps", "", r#"{ "name": 1, "org_slug": "personal" }"#),
            (&fly, "POST", "apps", "", ""),
            (&fly, "PUT", "apps", "", r#"{ "name": "notes", "org_slug": "personal" }"#),
            (&fly, "POST", "apps/notes/machines", "", r#"{ "name": "m", "config": { "auto_stop": true } }"#),
            (&fly, "GET", "apps/notes/machines/1/wait", "state=happy", ""),
            (&neon, "GET", "projects", "limit=401", ""),
            (&neon, "GET", "projects", "name=notes", ""),
            (&neon, "GET", "project", "", ""),
            (
                &neon,
                "POST",
                "projects/a/branches/b/roles",
                "",
                r#"{ "role": { "name": "r", "login": true } }"#,
            ),
        ] {
            assert!(
                contract.fault(method, path, query, body.as_bytes()).is_some(),
                "{method} {path}?{query} {body}"
            );
        }
    }
}
