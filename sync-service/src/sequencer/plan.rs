//! The statements that bring the oplog up to date with the app's tables.
//!
//! Postgres does the whole work of a drain: it reads the rows that were noted, maps their values, compares them with what was
//! published of them and appends the difference to the oplog. The service passes on only which rows to look at.

use std::collections::BTreeMap;

use crate::store::DOWNLOADED;
use crate::store::catalog::{Table, literal, quote};
use crate::streams::{Lookup, Output, Rows, Source, Streams, TableName};

/// The statements for one version of the sync config on the tables as they are now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub sources: Vec<Statement>,
    pub lookups: Vec<Statement>,
    /// What of the config finds no table or column; it syncs nothing.
    pub problems: Vec<String>,
}

/// What to run for a source or a lookup.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    /// The table that it reads; None when the publication has no such table, and then it finds no rows.
    pub table: Option<i64>,
    /// Looks at the rows whose keys are `$1`. Parameters: see [`source`] and [`lookup`].
    pub some_rows: String,
    /// Looks at every row; `$1` is null.
    pub all_rows: String,
}

impl Plan {
    pub fn new(version: i64, streams: &Streams, tables: &[Table]) -> Self {
        let mut problems = Vec::new();
        let mut find =
            |name: &TableName, columns: Vec<&str>| find_table(tables, name, &columns, &mut problems);
        let sources =
            streams.sources.iter().map(|s| source(version, s, find(&s.table, s.named_columns()))).collect();
        let lookups = streams.lookups.iter().map(|l| lookup(l, find(&l.table, l.named_columns()))).collect();
        problems.sort();
        problems.dedup();
        Self { sources, lookups, problems }
    }
}

fn find_table<'a>(
    tables: &'a [Table],
    name: &TableName,
    columns: &[&str],
    problems: &mut Vec<String>,
) -> Option<&'a Table> {
    let Some(table) = tables.iter().find(|table| table.name == *name) else {
        problems.push(format!("Table {name} not found in publication \"powersync\"."));
        return None;
    };
    for column in columns.iter().filter(|column| table.column(column).is_none()) {
        problems.push(format!("Column \"{column}\" not found in table {name}."));
    }
    if table.key().next().is_none() {
        problems.push(format!("No replication id found for {name}. Configure a primary key on the table."));
        return None;
    }
    Some(table)
}

impl Source {
    fn named_columns(&self) -> Vec<&str> {
        let selected = self.columns.iter().filter_map(|output| match output {
            Output::All => None,
            Output::Column { column, .. } => Some(column.as_str()),
        });
        self.rows.columns().chain(selected).chain(["id"]).collect()
    }
}

impl Lookup {
    fn named_columns(&self) -> Vec<&str> {
        self.rows.columns().chain([self.column.as_str()]).collect()
    }
}

impl Rows {
    fn columns(&self) -> impl Iterator<Item = &str> {
        self.filter.iter().map(|(column, _)| column).chain(&self.keys).map(String::as_str)
    }
}

/// Parameters: `$1` row keys, `$2` version, `$3` index of the source, `$4` the first free op id, `$5` the client's name of
/// the table. Gives for every bucket with new operations its name, checksum, number of operations, and how many are new.
fn source(version: i64, source: &Source, table: Option<&Table>) -> Statement {
    let fresh = table.map_or_else(
        || "SELECT NULL::text AS row_key, NULL::text AS object_id, NULL::text AS bucket, NULL::text AS data WHERE false".to_owned(),
        |table| {
            let bucket = format!("{} || {}", literal(&format!("{version}#{}", source.bucket)), key_json(table, &source.rows));
            format!(
                "SELECT {} AS row_key, {} AS object_id, {bucket} AS bucket, row_to_json(m)::text AS data FROM {} t
        CROSS JOIN LATERAL (SELECT {}) m WHERE {{restriction}}{}",
                table.row_key("t"),
                text(table, "id"),
                table.sql(),
                selected(table, &source.columns),
                conditions(table, &source.rows, &text(table, "id")),
            )
        },
    );
    statement(table, &fresh, |fresh, same_rows| {
        format!(
            "WITH fresh AS MATERIALIZED ({fresh}),
    prior AS MATERIALIZED (
        SELECT row_key, bucket, object_id, hash FROM sync_service.row_bucket WHERE version = $2 AND source = $3 AND {same_rows}
    ),
    gone AS (
        DELETE FROM sync_service.row_bucket r USING prior p WHERE r.version = $2 AND r.source = $3 AND r.row_key = p.row_key
            AND NOT EXISTS (SELECT FROM fresh f WHERE f.row_key = p.row_key)
    ),
    changed AS MATERIALIZED (
        SELECT f.*, md5(f.data)::uuid AS hash, (p.bucket, p.object_id) IS DISTINCT FROM (f.bucket, f.object_id) AS is_new
        FROM fresh f LEFT JOIN prior p ON p.row_key = f.row_key
        WHERE (p.bucket, p.object_id, p.hash) IS DISTINCT FROM (f.bucket, f.object_id, md5(f.data)::uuid)
    ),
    kept AS (
        INSERT INTO sync_service.row_bucket (version, source, row_key, bucket, object_id, hash)
        SELECT $2, $3, row_key, bucket, object_id, hash FROM changed
        ON CONFLICT (version, source, row_key) DO UPDATE
        SET bucket = excluded.bucket, object_id = excluded.object_id, hash = excluded.hash
    ),
    ops AS (
        SELECT 'REMOVE' AS op, p.bucket, p.object_id, NULL AS data, -1 AS more_rows FROM prior p LEFT JOIN fresh f ON f.row_key = p.row_key
        WHERE (p.bucket, p.object_id) IS DISTINCT FROM (f.bucket, f.object_id)
        UNION ALL
        SELECT 'PUT', bucket, object_id, data, is_new::int FROM changed
    ),
    logged AS (
        INSERT INTO sync_service.oplog (bucket, op_id, op, object_type, object_id, checksum, data)
        SELECT bucket, $4::bigint - 1 + row_number() OVER (ORDER BY op DESC), op, $5::text, object_id,
            hashtext(concat_ws('.', op, $5::text, object_id, data))::bigint & 4294967295, data
        FROM ops RETURNING bucket, checksum
    ),
    added AS (SELECT bucket, count(*) AS ops, sum(checksum)::bigint AS checksum FROM logged GROUP BY bucket),
    rows AS (SELECT bucket, sum(more_rows) AS more_rows FROM ops GROUP BY bucket),
    totals AS (
        INSERT INTO sync_service.bucket AS b (name, checksum, op_count, row_count)
        SELECT bucket, checksum & 4294967295, ops, more_rows FROM added JOIN rows USING (bucket)
        ON CONFLICT (name) DO UPDATE
        SET checksum = (b.checksum + excluded.checksum) & 4294967295, op_count = b.op_count + excluded.op_count,
            row_count = b.row_count + excluded.row_count
        RETURNING name, checksum, {DOWNLOADED} AS op_count
    )
SELECT t.name, t.checksum, t.op_count, a.ops FROM totals t JOIN added a ON a.bucket = t.name",
        )
    })
}

/// Parameters: `$1` row keys, `$2` version, `$3` index of the lookup. Gives the inputs whose result has changed.
fn lookup(lookup: &Lookup, table: Option<&Table>) -> Statement {
    let fresh = table.map_or_else(
        || "SELECT NULL::text AS row_key, NULL::text AS input, NULL::text AS output WHERE false".to_owned(),
        |table| {
            let output = text(table, &lookup.column);
            format!(
                "SELECT {} AS row_key, {} AS input, {output} AS output FROM {} t WHERE {{restriction}}{}",
                table.row_key("t"),
                key_json(table, &lookup.rows),
                table.sql(),
                conditions(table, &lookup.rows, &output),
            )
        },
    );
    statement(table, &fresh, |fresh, same_rows| {
        format!(
            "WITH fresh AS MATERIALIZED ({fresh}),
    prior AS MATERIALIZED (
        SELECT row_key, input, output FROM sync_service.lookup_row WHERE version = $2 AND lookup = $3 AND {same_rows}
    ),
    gone AS (
        DELETE FROM sync_service.lookup_row r USING prior p WHERE r.version = $2 AND r.lookup = $3 AND r.row_key = p.row_key
            AND NOT EXISTS (SELECT FROM fresh f WHERE f.row_key = p.row_key)
    ),
    changed AS MATERIALIZED (
        SELECT f.* FROM fresh f LEFT JOIN prior p ON p.row_key = f.row_key
        WHERE (p.input, p.output) IS DISTINCT FROM (f.input, f.output)
    ),
    kept AS (
        INSERT INTO sync_service.lookup_row (version, lookup, row_key, input, output)
        SELECT $2, $3, row_key, input, output FROM changed
        ON CONFLICT (version, lookup, row_key) DO UPDATE SET input = excluded.input, output = excluded.output
    )
SELECT input FROM changed
UNION
SELECT p.input FROM prior p LEFT JOIN fresh f ON f.row_key = p.row_key
WHERE (p.input, p.output) IS DISTINCT FROM (f.input, f.output)"
        )
    })
}

fn statement(table: Option<&Table>, fresh: &str, whole: impl Fn(&str, &str) -> String) -> Statement {
    let restriction = table.map(restriction).unwrap_or_default();
    Statement {
        table: table.map(|table| table.oid),
        some_rows: whole(&fresh.replace("{restriction}", &restriction), "row_key = ANY($1::text[])"),
        all_rows: whole(&fresh.replace("{restriction}", "$1::text[] IS NULL"), "$1::text[] IS NULL"),
    }
}

/// The rows whose keys are `$1`, in a form for which Postgres can use the primary key's index.
fn restriction(table: &Table) -> String {
    let columns: Vec<_> = table.key().map(|column| format!("t.{}", quote(&column.name))).collect();
    match table.key().collect::<Vec<_>>().as_slice() {
        [column] => format!("{} = ANY($1::text[]::{}[])", columns.join(", "), column.type_name),
        key => {
            let parts =
                key.iter().enumerate().map(|(i, column)| format!("(k::json ->> {i})::{}", column.type_name));
            let parts: Vec<_> = parts.collect();
            format!("({}) IN (SELECT {} FROM unnest($1::text[]) k)", columns.join(", "), parts.join(", "))
        }
    }
}

/// A column as text; null when the table has no such column.
fn text(table: &Table, column: &str) -> String {
    let value = table.column(column).and_then(|column| column.value("t"));
    value.map_or_else(|| "NULL::text".to_owned(), |value| format!("({value})::text"))
}

/// The key columns as a JSON array of texts, written as `serde_json` writes it.
fn key_json(table: &Table, rows: &Rows) -> String {
    let keys: Vec<_> =
        rows.keys.iter().map(|column| format!("to_json({})::text", text(table, column))).collect();
    if keys.is_empty() { "'[]'".to_owned() } else { format!("'[' || {} || ']'", keys.join(" || ',' || ")) }
}

/// Longer values do not fit into an index, so their rows are not synced; a row must not be able to stop the sequencer.
const MAX_INDEXED: usize = 1000;

fn conditions(table: &Table, rows: &Rows, indexed: &str) -> String {
    let filter = rows
        .filter
        .iter()
        .map(|(column, value)| format!(" AND {} = {}", text(table, column), literal(value)));
    // A null key makes the whole array null, and nothing equals null.
    let short = [table.row_key("t"), key_json(table, rows), indexed.to_owned()]
        .map(|value| format!(" AND octet_length({value}) <= {MAX_INDEXED}"));
    filter.chain(short).collect()
}

/// The select list as `expression AS name`; of two items with one name the later one counts.
fn selected(table: &Table, outputs: &[Output]) -> String {
    let mut items: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for output in outputs {
        let columns: Vec<(&str, &str)> = match output {
            Output::All => table.columns.iter().map(|c| (c.name.as_str(), c.name.as_str())).collect(),
            Output::Column { column, name } => vec![(column, name)],
        };
        for (column, name) in columns {
            if let Some(value) = table.column(column).and_then(|column| column.value("t")) {
                let position = items.get(name).map_or(items.len(), |(position, _)| *position);
                items.insert(name, (position, format!("{value} AS {}", quote(name))));
            }
        }
    }
    let mut items: Vec<_> = items.into_values().collect();
    items.sort_unstable();
    items.into_iter().map(|(_, item)| item).collect::<Vec<_>>().join(", ")
}
