//! The app's tables in publication `powersync`, as Postgres has them now.

use std::collections::HashMap;

use sqlx::{FromRow, PgConnection};

use super::mapping::Type;
use crate::streams::TableName;

/// Reads the tables of the publication. A table without primary key is among them, with an empty `key`.
pub(crate) async fn tables(connection: &mut PgConnection) -> sqlx::Result<Vec<Table>> {
    let types = sqlx::query_as(TYPES).fetch_all(&mut *connection).await?;
    let types: HashMap<i64, TypeRow> = types.into_iter().map(|row: TypeRow| (row.oid, row)).collect();
    let columns = COLUMNS.replace("{SHAPE}", SHAPE);
    let rows: Vec<ColumnRow> = sqlx::query_as(&columns).fetch_all(connection).await?;
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        if tables.last().is_none_or(|table| table.oid != row.oid) {
            tables.push(Table {
                oid: row.oid,
                name: TableName { schema: row.schema.clone(), name: row.table.clone() },
                shape: row.shape,
                row_filter: row.row_filter.clone(),
                partitions: row.partitions.clone(),
                columns: Vec::new(),
                key: Vec::new(),
            });
        }
        if let Some(table) = tables.last_mut() {
            table.key.extend(row.key_position.map(|position| (position, table.columns.len())));
            table.columns.push(Column {
                name: row.name,
                type_name: row.type_name,
                of: type_of(row.type_oid, &types, 0),
                category: row.category,
                published: row.published,
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
    /// Which of its rows are published, as an SQL condition; all of them without one.
    row_filter: Option<String>,
    /// How SQL names the tables that its rows lie in; None unless it is partitioned.
    pub partitions: Option<Vec<String>>,
    columns: Vec<Column>,
    /// The columns of the primary key, as (position in the key, index into `columns`).
    key: Vec<(i32, usize)>,
}

impl Table {
    /// The columns of the primary key, in its order.
    pub fn key(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|(_, index)| &self.columns[*index])
    }

    /// The columns that are published.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.published)
    }

    /// The published column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns().find(|column| column.name == name)
    }

    /// Whether the table has a column of that name, published or not.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// How SQL names the table.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote(&self.name.schema), quote(&self.name.name))
    }

    /// Its published rows, for a FROM clause. A table that inherits from it is published as itself.
    pub fn published_rows(&self) -> String {
        let table = match self.partitions {
            Some(_) => self.sql(),
            None => format!("ONLY {}", self.sql()),
        };
        // The condition names columns without their table, so none but its own may be in sight.
        match &self.row_filter {
            Some(filter) => format!("(SELECT * FROM {table} WHERE {filter})"),
            None => table,
        }
    }

    /// What of it the publication leaves out. Where that changes, rows have to be read again.
    pub fn published(&self) -> String {
        let left_out = self.columns.iter().filter(|column| !column.published).map(|column| &column.name);
        format!("{:?} {:?}", self.row_filter, left_out.collect::<Vec<_>>())
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
    /// How its values are mapped.
    pub of: Type,
    /// `pg_type.typcategory`; of a domain, its base type's.
    category: String,
    /// Whether the publication has it.
    published: bool,
}

impl Column {
    /// How SQL names it.
    pub fn sql(&self, alias: &str) -> String {
        format!("{alias}.{}", quote(&self.name))
    }

    /// Whether a value's text may depend on the session's settings.
    pub fn depends_on_settings(&self) -> bool {
        let text_or_enum = self.category == "S" || self.category == "E";
        let others = ["boolean", "smallint", "integer", "bigint", "numeric", "oid", "uuid"];
        !text_or_enum && !others.contains(&self.type_name.as_str())
    }
}

/// Types inside of types inside of types: no one has more of them than this.
const MAX_DEPTH: usize = 10;

fn type_of(oid: i64, types: &HashMap<i64, TypeRow>, depth: usize) -> Type {
    if let Some(known) = Type::built_in(oid) {
        return known;
    }
    let Some(row) = types.get(&oid).filter(|_| depth < MAX_DEPTH) else { return Type::Text };
    let inner = |oid: i64| type_of(oid, types, depth + 1);
    match (row.kind.as_str(), row.inner) {
        ("d", Some(base)) => inner(base),
        ("a", Some(element)) => Type::Array(Box::new(inner(element))),
        ("r", Some(bound)) => Type::Range(Box::new(inner(bound))),
        ("m", Some(bound)) => Type::Multirange(Box::new(inner(bound))),
        ("c", _) => {
            let fields = row.field_names.iter().cloned().zip(row.field_types.iter().map(|oid| inner(*oid)));
            Type::Composite(fields.collect())
        }
        _ => Type::Text,
    }
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
    type_oid: i64,
    category: String,
    key_position: Option<i32>,
    shape: Option<i64>,
    row_filter: Option<String>,
    partitions: Option<Vec<String>>,
    published: bool,
}

/// An SQL expression that changes with the columns of the table whose oid is `rel`, cheap enough for every drain.
pub(crate) const SHAPE: &str =
    "(SELECT hashtextextended(string_agg(concat_ws(' ', attnum, attname, atttypid), ',' ORDER BY attnum), 0)
        FROM pg_attribute WHERE attrelid = rel AND attnum > 0 AND NOT attisdropped)";

#[derive(FromRow)]
struct TypeRow {
    oid: i64,
    /// `pg_type.typtype`; `a` for an array.
    kind: String,
    inner: Option<i64>,
    field_names: Vec<String>,
    field_types: Vec<i64>,
}

/// The types of the tables' columns, and the types that those are made of.
const TYPES: &str = r#"
WITH RECURSIVE known AS (
    SELECT DISTINCT a.atttypid AS oid
    FROM pg_publication_tables p
    JOIN pg_namespace n ON n.nspname = p.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE p.pubname = 'powersync'
    UNION
    SELECT i.oid
    FROM known k
    JOIN pg_type t ON t.oid = k.oid
    LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)
    LEFT JOIN pg_attribute f ON t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
    CROSS JOIN LATERAL unnest(ARRAY[t.typbasetype, t.typelem, r.rngsubtype, f.atttypid]) i (oid)
    WHERE i.oid <> 0
)
SELECT t.oid::bigint AS oid, CASE WHEN e.oid IS NULL THEN t.typtype::text ELSE 'a' END AS kind,
       coalesce(e.oid, nullif(t.typbasetype, 0), r.rngsubtype)::bigint AS inner,
       ARRAY(SELECT f.attname::text FROM pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0
             AND NOT f.attisdropped ORDER BY f.attnum) AS field_names,
       ARRAY(SELECT f.atttypid::bigint FROM pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0
             AND NOT f.attisdropped ORDER BY f.attnum) AS field_types
FROM known k
JOIN pg_type t ON t.oid = k.oid
LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)"#;

/// `pg_publication_tables` has lists of columns and row filters from Postgres 15 on, hence the way through JSON. Generated columns are
/// not replicated before Postgres 18, whatever the view says.
const COLUMNS: &str = r#"
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS name,
       format_type(a.atttypid, NULL) AS type_name, a.atttypid::bigint AS type_oid, b.typcategory::text AS category,
       array_position(i.indkey::int2[], a.attnum)::int AS key_position, shape, to_jsonb(p) ->> 'rowfilter' AS row_filter,
       coalesce(to_jsonb(p) -> 'attnames' ? a.attname::text, true)
           AND (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000) AS published,
       CASE c.relkind WHEN 'p' THEN ARRAY(
           SELECT format('%I.%I', pn.nspname, pc.relname) FROM pg_partition_tree(c.oid) tree
           JOIN pg_class pc ON pc.oid = tree.relid AND pc.oid <> c.oid AND pc.relkind <> 'f'
           JOIN pg_namespace pn ON pn.oid = pc.relnamespace ORDER BY pc.oid) END AS partitions
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
