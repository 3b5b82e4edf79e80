//! The statements that bring the oplog up to date with the app's tables.
//!
//! Postgres does the whole work of a drain: it reads the rows that were noted, maps their values, compares them with what was
//! published of them and appends the difference to the oplog. The service passes on only which rows to look at.

use std::collections::BTreeMap;

use super::row;
use crate::store::DOWNLOADED;
use crate::store::catalog::{Table, literal, quote};
use crate::store::mapping::Type;
use crate::streams::{Expr, Lookup, Output, RowExpr, Rows, Source, Streams, TableName};

/// The statements for one version of the sync config on the tables as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
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
        problems.push(if table.has_column(column) {
            format!(
                "Column \"{column}\" of table {name} is not in publication \"powersync\"; it counts as NULL."
            )
        } else {
            format!("Column \"{column}\" not found in table {name}.")
        });
    }
    for column in columns.iter().filter(|column| table.column(column).is_some_and(|c| c.of == Type::Bytes)) {
        problems.push(format!(
            "Column \"{column}\" of table {name} is bytea, which is not synced; it counts as NULL."
        ));
    }
    if table.key().next().is_none() {
        problems.push(format!("No replication id found for {name}. Configure a primary key on the table."));
        return None;
    }
    Some(table)
}

impl Source {
    fn named_columns(&self) -> Vec<&str> {
        let selected = self.columns.iter().flat_map(|output| match output {
            Output::All => vec!["id"],
            Output::Column { value, .. } => row::columns(value).collect(),
        });
        self.rows.columns().chain(selected).collect()
    }

    /// What the client knows the row by: of several columns with that name the last one counts.
    fn id(&self) -> RowExpr {
        let id = self.columns.iter().rev().find_map(|output| match output {
            Output::All => Some(Expr::Input("id".to_owned())),
            Output::Column { value, name } => (name == "id").then(|| value.clone()),
        });
        id.unwrap_or_else(|| Expr::Input("id".to_owned()))
    }

    fn expressions(&self) -> impl Iterator<Item = &RowExpr> {
        let selected = self.columns.iter().filter_map(|output| match output {
            Output::All => None,
            Output::Column { value, .. } => Some(value),
        });
        self.rows.expressions().chain(selected)
    }
}

impl Lookup {
    fn named_columns(&self) -> Vec<&str> {
        self.rows.columns().chain(self.outputs.iter().flat_map(row::columns)).collect()
    }
}

impl Rows {
    fn expressions(&self) -> impl Iterator<Item = &RowExpr> {
        self.filter.iter().flat_map(|condition| condition.expressions()).chain(&self.keys)
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.expressions().flat_map(row::columns)
    }
}

/// Parameters: `$1` row keys, `$2` version, `$3` index of the source, `$4` the first free op id, `$5` the client's name of
/// the table. Gives for every bucket with new operations its name, checksum, number of operations, and how many are new; and the key of a
/// row that is not synced because something of it is too long.
fn source(version: i64, source: &Source, table: Option<&Table>) -> Statement {
    let fresh = table.map_or_else(
        || "SELECT NULL::text AS row_key, NULL::text AS object_id, NULL::text AS bucket, NULL::text AS data, true AS fits WHERE false".to_owned(),
        |table| {
            let id = row::text(table, &source.id());
            let name = literal(&format!("{version}#{}", source.bucket));
            let bucket = format!("{name} || {}", keys(table, &source.rows.keys));
            format!(
                "SELECT {} AS row_key, {} AS object_id, {bucket} AS bucket, row_to_json(m.*)::text AS data, {} AS fits FROM {} t
        CROSS JOIN LATERAL (SELECT {}) m WHERE {{restriction}}{}",
                table.row_key(row::ROW),
                id,
                fits(table, &source.rows, &id),
                table.published_rows(),
                selected(table, &source.columns),
                conditions(table, &source.rows, source.expressions(), &id),
            )
        },
    );
    statement(table, &fresh, |fresh, same_rows| {
        format!(
            "WITH every AS MATERIALIZED ({fresh}),
    fresh AS NOT MATERIALIZED (SELECT row_key, object_id, bucket, data FROM every WHERE fits),
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
SELECT t.name, t.checksum, t.op_count, a.ops, NULL FROM totals t JOIN added a ON a.bucket = t.name
UNION ALL
SELECT NULL, 0, 0, 0, min(left(row_key, 50)) FROM every WHERE NOT fits HAVING count(*) > 0",
        )
    })
}

/// Parameters: `$1` row keys, `$2` version, `$3` index of the lookup. Gives the inputs whose result has changed; and the key of a row
/// that is not looked at because something of it is too long.
fn lookup(lookup: &Lookup, table: Option<&Table>) -> Statement {
    let fresh = table.map_or_else(
        || "SELECT NULL::text AS row_key, NULL::text AS input, NULL::text AS output, true AS fits WHERE false".to_owned(),
        |table| {
            let output = keys(table, &lookup.outputs);
            let evaluated = lookup.rows.expressions().chain(&lookup.outputs);
            format!(
                "SELECT {} AS row_key, {} AS input, {output} AS output, {} AS fits FROM {} t WHERE {{restriction}}{}",
                table.row_key(row::ROW),
                keys(table, &lookup.rows.keys),
                fits(table, &lookup.rows, &output),
                table.published_rows(),
                conditions(table, &lookup.rows, evaluated, &output),
            )
        },
    );
    statement(table, &fresh, |fresh, same_rows| {
        format!(
            "WITH every AS MATERIALIZED ({fresh}),
    fresh AS NOT MATERIALIZED (SELECT row_key, input, output FROM every WHERE fits),
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
SELECT input, NULL FROM changed
UNION
SELECT p.input, NULL FROM prior p LEFT JOIN fresh f ON f.row_key = p.row_key
WHERE (p.input, p.output) IS DISTINCT FROM (f.input, f.output)
UNION ALL
SELECT NULL, min(left(row_key, 50)) FROM every WHERE NOT fits HAVING count(*) > 0"
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

/// The values as a JSON array, written as `serde_json` writes it; null when one of them is null.
fn keys(table: &Table, expressions: &[RowExpr]) -> String {
    let keys: Vec<_> = expressions.iter().map(|expr| row::key(table, expr)).collect();
    if keys.is_empty() { "'[]'".to_owned() } else { format!("'[' || {} || ']'", keys.join(" || ',' || ")) }
}

/// Longer values do not fit into an index, so their rows are not synced; a row must not be able to stop the sequencer.
pub(super) const MAX_INDEXED: usize = 1000;

/// Whether everything of a row that stands in an index is short enough.
fn fits(table: &Table, rows: &Rows, indexed: &str) -> String {
    let values = [table.row_key(row::ROW), keys(table, &rows.keys), indexed.to_owned()];
    values.map(|value| format!("octet_length({value}) <= {MAX_INDEXED}")).join(" AND ")
}

fn conditions<'e>(
    table: &Table,
    rows: &Rows,
    evaluated: impl Iterator<Item = &'e RowExpr>,
    indexed: &str,
) -> String {
    let mut all: Vec<String> = rows.filter.iter().map(|condition| row::condition(table, condition)).collect();
    all.extend(evaluated.flat_map(|expr| row::requirements(table, expr)));
    // Nothing equals null.
    all.extend([keys(table, &rows.keys), indexed.to_owned()].map(|value| format!("({value}) IS NOT NULL")));
    all.iter().map(|condition| format!(" AND {condition}")).collect()
}

/// The select list as `expression AS name`; of two items with one name the later one counts.
fn selected(table: &Table, outputs: &[Output]) -> String {
    let mut items: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for output in outputs {
        let columns: Vec<(RowExpr, &str)> = match output {
            Output::All => table.columns().map(|c| (Expr::Input(c.name.clone()), c.name.as_str())).collect(),
            Output::Column { value, name } => vec![(value.clone(), name)],
        };
        for (value, name) in columns {
            let position = items.get(name).map_or(items.len(), |(position, _)| *position);
            match row::selected(table, &value) {
                Some(value) => items.insert(name, (position, format!("{value} AS {}", quote(name)))),
                None => items.remove(name),
            };
        }
    }
    let mut items: Vec<_> = items.into_values().collect();
    items.sort_unstable();
    items.into_iter().map(|(_, item)| item).collect::<Vec<_>>().join(", ")
}
