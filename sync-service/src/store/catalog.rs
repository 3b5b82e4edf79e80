//! The app's tables in publication `powersync`, as Postgres has them now.

use sqlx::{FromRow, PgConnection};

use crate::streams::TableName;

/// Reads the tables of the publication. A table without primary key is among them, with an empty `key`.
pub(crate) async fn tables(connection: &mut PgConnection) -> sqlx::Result<Vec<Table>> {
    let columns = COLUMNS.replace("{SHAPE}", SHAPE);
    let rows: Vec<ColumnRow> = sqlx::query_as(&columns).fetch_all(connection).await?;
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        if tables.last().is_none_or(|table| table.oid != row.oid) {
            let name = TableName { schema: row.schema.clone(), name: row.table.clone() };
            tables.push(Table { oid: row.oid, name, shape: row.shape, columns: Vec::new(), key: Vec::new() });
        }
        if let Some(table) = tables.last_mut() {
            table.key.extend(row.key_position.map(|position| (position, table.columns.len())));
            table.columns.push(Column {
                name: row.name,
                type_name: row.type_name,
                base: row.base,
                category: row.category,
            });
        }
    }
    tables.iter_mut().for_each(|table| table.key.sort_unstable());
    Ok(tables)
}

/// A table of the publication.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub oid: i64,
    pub name: TableName,
    /// What [`SHAPE`] gives for it.
    pub shape: Option<i64>,
    pub columns: Vec<Column>,
    /// The columns of the primary key, as (position in the key, index into `columns`).
    key: Vec<(i32, usize)>,
}

impl Table {
    /// The columns of the primary key, in its order.
    pub fn key(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|(_, index)| &self.columns[*index])
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// How SQL names the table.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote(&self.name.schema), quote(&self.name.name))
    }

    /// The primary key of a row as one text: the value itself, or a JSON array when the key has several columns.
    pub fn row_key(&self, alias: &str) -> String {
        let columns: Vec<_> =
            self.key().map(|column| format!("{alias}.{}::text", quote(&column.name))).collect();
        match columns.as_slice() {
            [column] => column.clone(),
            columns => format!("json_build_array({})::text", columns.join(", ")),
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub name: String,
    /// The type as SQL writes it, without modifier: `character varying`.
    pub type_name: String,
    /// The name of the type in `pg_type`; of a domain, its base type's.
    base: String,
    /// `pg_type.typcategory` of the same type.
    category: String,
}

impl Column {
    /// An SQL expression for the value that a client is sent: an integer, a float or text, as the SQLite type is.
    /// None for `bytea`, which is not synced.
    pub fn value(&self, alias: &str) -> Option<String> {
        let column = format!("{alias}.{}", quote(&self.name));
        Some(match self.base.as_str() {
            "bytea" => return None,
            "bool" => format!("{column}::int"),
            "int2" | "int4" | "int8" | "float4" | "float8" => column,
            "timestamptz" => timestamp(&column, &format!("{column} AT TIME ZONE 'UTC'"), "Z"),
            "timestamp" => timestamp(&column, &column, ""),
            _ if self.category == "A" => format!("array_to_json({column})::text"),
            _ => format!("{column}::text"),
        })
    }

    /// Whether the value's text depends on the session's settings.
    pub fn is_time(&self) -> bool {
        self.category == "D" || self.category == "T"
    }
}

fn timestamp(column: &str, utc: &str, zone: &str) -> String {
    format!(
        "CASE {column} WHEN 'infinity' THEN '9999-12-31T23:59:59{zone}' WHEN '-infinity' THEN '0000-01-01T00:00:00{zone}' \
         ELSE to_char({utc}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"{zone}\"') END"
    )
}

/// A name as an SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}

#[derive(FromRow)]
struct ColumnRow {
    oid: i64,
    schema: String,
    table: String,
    name: String,
    type_name: String,
    base: String,
    category: String,
    key_position: Option<i32>,
    shape: Option<i64>,
}

/// An SQL expression that changes with the columns of the table whose oid is `rel`, cheap enough for every drain.
pub(crate) const SHAPE: &str =
    "(SELECT hashtextextended(string_agg(concat_ws(' ', attnum, attname, atttypid), ',' ORDER BY attnum), 0)
        FROM pg_attribute WHERE attrelid = rel AND attnum > 0 AND NOT attisdropped)";

const COLUMNS: &str = r#"
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS name,
       format_type(a.atttypid, NULL) AS type_name, b.typname::text AS base, b.typcategory::text AS category,
       array_position(i.indkey::int2[], a.attnum)::int AS key_position, shape
FROM pg_publication_tables p
JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
CROSS JOIN LATERAL (SELECT {SHAPE} AS shape FROM (SELECT c.oid AS rel) r) s
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE p.pubname = 'powersync' AND n.nspname <> 'sync_service'
ORDER BY c.oid, a.attnum"#;
