//! The YAML of a sync config.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::position::Place;
use super::query;
use super::{Refusal, Stream, Streams};

/// Reads the whole text.
pub(super) fn read(text: &str) -> Result<Streams, Vec<Refusal>> {
    if text.trim().is_empty() {
        return Err(vec![refusal(None, Location::UNKNOWN, "Sync Config must be a YAML map.")]);
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| vec![yaml_refusal(&error)])?;
    let mut refusals = document.refusals();
    let mut streams = Streams::default();
    for (name, stream) in &document.streams {
        match stream.compile(text, name, &mut streams) {
            Ok(stream) => streams.streams.push(stream),
            Err(mut found) => refusals.append(&mut found),
        }
    }
    if refusals.is_empty() { Ok(streams) } else { Err(refusals) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    config: Option<Spanned<Settings>>,
    #[serde(default)]
    streams: IndexMap<String, StreamDocument>,
    with: Option<Spanned<Value>>,
    bucket_definitions: Option<Spanned<Value>>,
    event_definitions: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    edition: Option<u8>,
}

impl Document {
    fn refusals(&self) -> Vec<Refusal> {
        let mut found = Vec::new();
        let edition = self.config.as_ref().and_then(|config| config.value.edition);
        if edition != Some(3) {
            let at = self.config.as_ref().map_or(Location::UNKNOWN, |config| config.defined);
            found.push(refusal(None, at, "only edition 3 is supported: write `config: { edition: 3 }`"));
        }
        for (key, value) in [
            ("with", &self.with),
            ("bucket_definitions", &self.bucket_definitions),
            ("event_definitions", &self.event_definitions),
        ] {
            if let Some(value) = value {
                found.push(refusal(None, value.defined, format!("`{key}` is not supported")));
            }
        }
        found
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamDocument {
    #[serde(default)]
    auto_subscribe: bool,
    priority: Option<Spanned<u64>>,
    query: Option<Spanned<String>>,
    #[serde(default)]
    queries: Vec<Spanned<String>>,
    with: Option<Spanned<Value>>,
    #[serde(default, rename = "accept_potentially_dangerous_queries")]
    _accepts_danger: bool,
}

impl StreamDocument {
    fn compile(&self, text: &str, name: &str, streams: &mut Streams) -> Result<Stream, Vec<Refusal>> {
        let mut stream = Stream {
            name: name.to_owned(),
            auto_subscribe: self.auto_subscribe,
            priority: self.priority.as_ref().map_or(3, |p| u8::try_from(p.value).unwrap_or(u8::MAX)),
            variants: Vec::new(),
        };
        let mut refusals = self.refusals(name);
        for sql in self.query.iter().chain(&self.queries) {
            let offset = sql.defined.span().byte_offset().and_then(|o| usize::try_from(o).ok()).unwrap_or(0);
            let place = Place { text, offset, query: &sql.value };
            if let Err(query::Refused { line, column, reason }) =
                query::compile(&sql.value, &mut stream, streams)
            {
                let (line, column) = place.locate(line, column);
                refusals.push(Refusal { stream: Some(name.to_owned()), line, column, reason });
            }
        }
        if refusals.is_empty() { Ok(stream) } else { Err(refusals) }
    }

    fn refusals(&self, name: &str) -> Vec<Refusal> {
        let mut found = Vec::new();
        if let Some(priority) = self.priority.as_ref().filter(|p| p.value > 3) {
            found.push(refusal(Some(name), priority.defined, "a priority is 0, 1, 2 or 3"));
        }
        if let Some(with) = &self.with {
            found.push(refusal(
                Some(name),
                with.defined,
                "`with` is not supported: write the subquery into the query",
            ));
        }
        if self.query.is_some() != self.queries.is_empty() {
            let at = self.query.as_ref().map_or(Location::UNKNOWN, |query| query.defined);
            found.push(refusal(Some(name), at, "a stream has either `query` or `queries`"));
        }
        found
    }
}

fn refusal(stream: Option<&str>, at: Location, reason: impl Into<String>) -> Refusal {
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    let stream = stream.map(str::to_owned);
    Refusal { stream, line: number(at.line()), column: number(at.column()), reason: reason.into() }
}

fn yaml_refusal(error: &serde_saphyr::Error) -> Refusal {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = error.without_snippet().to_string();
    refusal(None, location, message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason))
}
