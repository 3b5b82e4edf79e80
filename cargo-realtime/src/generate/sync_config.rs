//! The stream of a new table in `sync-config.yaml`. The file is edited as text, so that comments stay.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::changes::FileChange;

const FILE: &str = "sync-config.yaml";

/// The file with a stream that sends each user the rows of `table` that they own.
pub fn change(root: &Path, table: &str) -> Result<FileChange> {
    let text = fs::read_to_string(root.join(FILE))
        .with_context(|| format!("{FILE} cannot be read. It says what is synced; put it back first."))?;
    let mut expected = parse(&text)?;
    let after = insert(&text, table);
    if let Some(streams) = expected.get_mut("streams").and_then(Value::as_object_mut) {
        ensure!(
            !streams.contains_key(table),
            "{FILE} has a stream {table} already. Choose another table name, or take the stream out."
        );
        streams
            .insert(table.to_owned(), serde_json::json!({ "auto_subscribe": true, "query": query(table) }));
        if parse(&after).ok() == Some(expected) {
            return Ok(FileChange::changed(FILE, after));
        }
    }
    bail!(
        "{FILE} lacks a line `streams:` with the streams indented below it, where this belongs:\n{}\nNothing was changed. Bring the \
         file into that form, and run the command again.",
        stream(table, "  ")
    )
}

fn stream(table: &str, indent: &str) -> String {
    format!("{indent}{table}:\n{indent}{indent}auto_subscribe: true\n{indent}{indent}query: {}", query(table))
}

fn query(table: &str) -> String {
    format!("SELECT * FROM {table} WHERE owner_id = auth.user_id()")
}

fn parse(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text)
        .with_context(|| format!("{FILE} is not YAML. Correct it, and run the command again"))
}

/// Puts the stream after the last one, with the indentation of the others.
fn insert(text: &str, table: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let streams =
        lines.iter().position(|line| line.trim_end() == "streams:").map_or(lines.len(), |line| line + 1);
    let indented =
        |line: &&&str| line.starts_with([' ', '\t']) || line.trim().is_empty() || line.starts_with('#');
    let block = lines[streams..].iter().take_while(indented);
    let last =
        block.enumerate().filter(|(_, line)| line.starts_with([' ', '\t']) && !line.trim().is_empty()).last();
    let end = streams + last.map_or(0, |(index, _)| index + 1);
    let indent = lines[streams..end]
        .iter()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let indent = indent.map_or("  ", |line| &line[..line.len() - line.trim_start().len()]);
    let stream = format!("\n{}", stream(table, indent));
    [&lines[..end], &[stream.as_str()], &lines[end..]].concat().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_comes_after_the_last_one_and_the_rest_stays() {
        let text = "config:\n  edition: 3 # the newest\n\nstreams:\n    # All of them.\n    lists:\n        query: SELECT 1\n\n# The end.\nother: 1\n";
        assert_eq!(
            insert(text, "notes"),
            "config:\n  edition: 3 # the newest\n\nstreams:\n    # All of them.\n    lists:\n        query: SELECT 1\n\n    notes:\n        \
             auto_subscribe: true\n        query: SELECT * FROM notes WHERE owner_id = auth.user_id()\n\n# The end.\nother: 1\n"
        );
    }
}
