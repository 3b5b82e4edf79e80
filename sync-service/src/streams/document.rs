//! The YAML of a sync config.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::bucket::Draft;
use super::position::Place;
use super::query;
use super::scope::Cte;
use super::sql::Refused;
use super::{Refusal, Stream, Streams};

/// Reads the whole text.
pub(super) fn read(text: &str) -> Result<Streams, Vec<Refusal>> {
    let mut result = compiled(text);
    let found = match &mut result {
        Ok(streams) => &mut streams.warnings,
        Err(refusals) => refusals,
    };
    found.iter_mut().for_each(|refusal| inside(text, refusal));
    result
}

fn compiled(text: &str) -> Result<Streams, Vec<Refusal>> {
    if text.trim().is_empty() {
        return Err(vec![refusal(None, Location::UNKNOWN, "Sync Config must be a YAML map.")]);
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| vec![yaml_refusal(&error)])?;
    let mut reader = Reader { text, refusals: document.refusals(), streams: Streams::default() };
    let global = reader.ctes(None, &document.with);
    for (name, stream) in &document.streams {
        reader.stream(name, stream, &global);
    }
    reader.warn_of_nested(None, &global, &[]);
    reader.warn_of_unused(None, &global);
    if reader.refusals.is_empty() { Ok(reader.streams) } else { Err(reader.refusals) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    config: Option<Spanned<Settings>>,
    #[serde(default)]
    streams: IndexMap<String, StreamDocument>,
    #[serde(default)]
    with: IndexMap<String, Spanned<String>>,
    bucket_definitions: Option<Spanned<Value>>,
    event_definitions: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    edition: Option<u8>,
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
    #[serde(default)]
    with: IndexMap<String, Spanned<String>>,
    #[serde(default)]
    accept_potentially_dangerous_queries: bool,
}

impl Document {
    fn refusals(&self) -> Vec<Refusal> {
        let mut found = Vec::new();
        let edition = self.config.as_ref().and_then(|config| config.value.edition);
        if edition != Some(3) {
            let at = self.config.as_ref().map_or(Location::UNKNOWN, |config| config.defined);
            found.push(refusal(None, at, "only edition 3 is supported: write `config: { edition: 3 }`"));
        }
        for (key, value) in
            [("bucket_definitions", &self.bucket_definitions), ("event_definitions", &self.event_definitions)]
        {
            if let Some(value) = value {
                found.push(refusal(None, value.defined, format!("`{key}` is not supported")));
            }
        }
        found
    }
}

/// Compiles the streams of a text and gathers what is found on the way.
struct Reader<'t> {
    text: &'t str,
    refusals: Vec<Refusal>,
    streams: Streams,
}

impl Reader<'_> {
    fn stream(&mut self, name: &str, document: &StreamDocument, global: &[(Cte, &Spanned<String>)]) {
        let own = self.ctes(Some(name), &document.with);
        // Those of the stream come first, so that they hide the others.
        let ctes: Vec<&Cte> = own.iter().chain(global).map(|(cte, _)| cte).collect();
        let mut draft = Draft::default();
        self.refusals.extend(document.refusals(name));
        for sql in document.query.iter().chain(&document.queries) {
            match query::compile(&sql.value, &ctes, name, &mut draft, &mut self.streams) {
                Err(refused) => {
                    let refusal = self.located(Some(name), sql, refused);
                    self.refusals.push(refusal);
                }
                Ok(_) if document.accept_potentially_dangerous_queries => {}
                Ok(warnings) => {
                    let warnings: Vec<_> =
                        warnings.into_iter().map(|warning| self.located(Some(name), sql, warning)).collect();
                    self.streams.warnings.extend(warnings);
                }
            }
        }
        self.warn_of_nested(Some(name), &own, global);
        self.warn_of_unused(Some(name), &own);
        let variants = draft.finish(name, &mut self.streams);
        self.streams.streams.push(Stream {
            name: name.to_owned(),
            auto_subscribe: document.auto_subscribe,
            priority: document.priority.as_ref().map_or(3, |p| u8::try_from(p.value).unwrap_or(u8::MAX)),
            variants,
        });
    }

    fn ctes<'d>(
        &mut self,
        stream: Option<&str>,
        documents: &'d IndexMap<String, Spanned<String>>,
    ) -> Vec<(Cte, &'d Spanned<String>)> {
        let mut found = Vec::new();
        for (name, sql) in documents {
            match Cte::parse(name, &sql.value) {
                Ok(cte) => found.push((cte, sql)),
                Err(refused) => {
                    let refusal = self.located(stream, sql, refused);
                    self.refusals.push(refusal);
                }
            }
        }
        found
    }

    fn warn_of_nested(
        &mut self,
        stream: Option<&str>,
        ctes: &[(Cte, &Spanned<String>)],
        outer: &[(Cte, &Spanned<String>)],
    ) {
        let known: Vec<&str> = ctes.iter().chain(outer).map(|(cte, _)| cte.name.as_str()).collect();
        for (cte, sql) in ctes {
            for (table, at) in cte.tables.iter().filter(|(table, _)| *table != cte.name) {
                if known.contains(&table.as_str()) {
                    let reason = format!(
                        "`{table}` is a table here: a common table expression does not know another one"
                    );
                    let warning = self.located(stream, sql, Refused::at(*at, reason));
                    self.streams.warnings.push(warning);
                }
            }
        }
    }

    fn warn_of_unused(&mut self, stream: Option<&str>, ctes: &[(Cte, &Spanned<String>)]) {
        for (cte, sql) in ctes.iter().filter(|(cte, _)| !cte.used.get()) {
            let reason = format!("the common table expression `{}` is not used", cte.name);
            self.streams.warnings.push(refusal(stream, sql.defined, reason));
        }
    }

    fn located(&self, stream: Option<&str>, sql: &Spanned<String>, refused: Refused) -> Refusal {
        let offset = sql.defined.span().byte_offset().and_then(|o| usize::try_from(o).ok()).unwrap_or(0);
        let place = Place { text: self.text, offset, query: &sql.value };
        let (line, column) = place.locate(refused.line, refused.column);
        Refusal { stream: stream.map(str::to_owned), line, column, reason: refused.reason }
    }
}

impl StreamDocument {
    fn refusals(&self, name: &str) -> Vec<Refusal> {
        let mut found = Vec::new();
        if let Some(priority) = self.priority.as_ref().filter(|p| p.value > 3) {
            found.push(refusal(Some(name), priority.defined, "a priority is 0, 1, 2 or 3"));
        }
        if self.query.is_some() != self.queries.is_empty() {
            let at = self.query.as_ref().map_or(Location::UNKNOWN, |query| query.defined);
            found.push(refusal(Some(name), at, "a stream has either `query` or `queries`"));
        }
        found
    }
}

fn refusal(stream: Option<&str>, at: Location, reason: impl Into<String>) -> Refusal {
    let number = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
    let stream = stream.map(str::to_owned);
    Refusal { stream, line: number(at.line()), column: number(at.column()), reason: reason.into() }
}

fn yaml_refusal(error: &serde_saphyr::Error) -> Refusal {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = error.without_snippet().to_string();
    refusal(None, location, message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason))
}

/// YAML has more line breaks than an editor shows, and finds an end behind the last line. So a place may be outside of the text.
fn inside(text: &str, refusal: &mut Refusal) {
    let lines: Vec<&str> = text.split('\n').collect();
    let last = lines.len();
    if refusal.line > last {
        (refusal.line, refusal.column) = (last, usize::MAX);
    }
    let line = lines.get(refusal.line.saturating_sub(1)).copied().unwrap_or_default();
    refusal.column = refusal.column.min(line.chars().count() + 1);
}
