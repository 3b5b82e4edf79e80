//! The triggers through which writers note what they have changed.

use sqlx::{Connection as _, Executor as _, FromRow, PgConnection};

use super::catalog::{Column, Table, quote};

/// What has to be done so that the triggers are on the tables of the publication and on no others.
pub(crate) async fn missing(connection: &mut PgConnection, tables: &[Table]) -> sqlx::Result<Missing> {
    let standing: Vec<Standing> = sqlx::query_as(&with_triggers(STANDING)).fetch_all(connection).await?;
    let stands = |table: &Table| {
        let made_from = made_from(table);
        standing.iter().any(|s| s.rel == table.oid && s.made_from == made_from && s.untouched)
    };
    let install = tables.iter().filter(|table| !stands(table)).cloned().collect();
    let left = |rel: &i64| !tables.iter().any(|table| table.oid == *rel);
    let remove = standing.iter().map(|s| s.rel).filter(left).collect();
    Ok(Missing { install, remove, noted: standing.iter().map(|s| s.rel).collect() })
}

/// See [`missing`].
pub(crate) struct Missing {
    /// These need triggers, or new ones: somebody may have switched theirs off, and on again.
    pub install: Vec<Table>,
    /// The oids of those whose triggers have to go.
    pub remove: Vec<i64>,
    /// The oids of those that have triggers, as they should be or not.
    pub noted: Vec<i64>,
}

impl Missing {
    /// Whether nothing has to be done.
    pub fn is_none(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty()
    }
}

/// Puts the triggers on a table, or puts them right. What is synced of it has to be looked at as a whole then, which is remembered
/// in `sync_service.unread`: what was written to it before is not in the queue.
///
/// `CREATE TRIGGER` waits for open writers, so who writes after the commit is noted, and who wrote before is visible.
pub(crate) async fn install(connection: &mut PgConnection, table: &Table) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(statements(table).as_str()).await?;
    let drops: Vec<String> =
        sqlx::query_scalar(ON_OTHERS).bind(table.oid).fetch_all(&mut *transaction).await?;
    for drop in drops {
        transaction.execute(drop.as_str()).await?;
    }
    sqlx::query(&with_triggers(REMEMBER))
        .bind(table.oid)
        .bind(made_from(table))
        .execute(&mut *transaction)
        .await?;
    sqlx::query(IS_UNREAD).bind(table.oid).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Takes the triggers off a table.
pub(crate) async fn remove(connection: &mut PgConnection, oid: i64) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    let drop = format!("DROP FUNCTION IF EXISTS sync_service.note_{oid}() CASCADE");
    transaction.execute(drop.as_str()).await?;
    for statement in [
        "DELETE FROM sync_service.noted_table WHERE rel = $1::bigint::oid",
        "DELETE FROM sync_service.unread WHERE rel = $1::bigint::oid",
    ] {
        sqlx::query(statement).bind(oid).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// The channel on which the triggers say that there is something in the queue.
pub(crate) const CHANNEL: &str = "sync_service";

/// Remembers that the table `$1` has to be read as a whole.
pub(crate) const IS_UNREAD: &str =
    "INSERT INTO sync_service.unread (rel) VALUES ($1::bigint::oid) ON CONFLICT DO NOTHING";

#[derive(FromRow)]
struct Standing {
    rel: i64,
    made_from: String,
    /// Nobody has changed them since.
    untouched: bool,
}

/// The triggers of each function as they are in the catalog. Whoever switches one off or on, or makes it again, writes its row anew.
const AS_THEY_ARE: &str =
    "SELECT p.proname, md5(string_agg(concat_ws(' ', t.oid, t.xmin, t.tgenabled), ',' ORDER BY t.oid)) AS triggers
    FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid WHERE p.pronamespace = 'sync_service'::regnamespace GROUP BY p.proname";

fn with_triggers(statement: &str) -> String {
    statement.replace("{AS_THEY_ARE}", AS_THEY_ARE)
}

const STANDING: &str =
    "SELECT n.rel::bigint, n.made_from, coalesce(n.triggers = t.triggers, false) AS untouched
    FROM sync_service.noted_table n LEFT JOIN ({AS_THEY_ARE}) t ON t.proname = 'note_' || n.rel";

const REMEMBER: &str = "INSERT INTO sync_service.noted_table (rel, made_from, triggers)
    SELECT $1::bigint::oid, $2, triggers FROM ({AS_THEY_ARE}) t WHERE proname = 'note_' || $1
    ON CONFLICT (rel) DO UPDATE SET made_from = excluded.made_from, triggers = excluded.triggers";

/// Triggers that a table kept which is no partition any more.
const ON_OTHERS: &str = "SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
    FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid
    WHERE p.pronamespace = 'sync_service'::regnamespace AND p.proname = 'note_' || $1 AND t.tgparentid = 0
        AND t.tgrelid <> $1 AND t.tgrelid NOT IN (SELECT relid FROM pg_partition_tree($1::bigint::oid))";

/// What triggers, and what has been read with them, are made from.
fn made_from(table: &Table) -> String {
    statements(table) + &table.published()
}

/// One function per table, so that its statements are planned once per session and not at every call. It runs as its owner,
/// because whoever writes the table has no rights here, and with a fixed search path, because it does.
fn statements(table: &Table) -> String {
    let oid = table.oid;
    let (before, after, old) = (table.row_key("b"), table.row_key("a"), table.row_key("old"));
    // The keys must be the texts that the service makes of them, whatever settings the writer has.
    let settings = if table.key().any(Column::depends_on_settings) { SETTINGS } else { "" };
    let keys_of_update = match table.partitions {
        Some(_) => format!("SELECT {oid}, {after} FROM after a UNION SELECT {oid}, {before} FROM before b"),
        None => format!("SELECT {oid}, {after} FROM after a"),
    };
    let function = format!(
        "CREATE OR REPLACE FUNCTION sync_service.note_{oid}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp {settings} AS $note$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN INSERT INTO sync_service.queue (rel, key) SELECT {oid}, {after} FROM after a;
        WHEN 'UPDATE' THEN
            IF TG_LEVEL = 'ROW' THEN
                INSERT INTO sync_service.queue (rel, key) VALUES ({oid}, {old});
            ELSE
                INSERT INTO sync_service.queue (rel, key) {keys_of_update};
            END IF;
        WHEN 'DELETE' THEN INSERT INTO sync_service.queue (rel, key) SELECT {oid}, {before} FROM before b;
        ELSE INSERT INTO sync_service.queue (rel, key) VALUES ({oid}, NULL);
    END CASE;
    IF FOUND THEN
        PERFORM pg_notify('{CHANNEL}', '');
    END IF;
    RETURN NULL;
END $note$;
REVOKE ALL ON FUNCTION sync_service.note_{oid}() FROM PUBLIC;
"
    );
    match &table.partitions {
        None => function + &on_statements(oid, &table.sql(), "") + &on_changed_keys(table),
        // A write fires the triggers of the table that it names. Triggers for rows may have no tables of old and new ones here, and do
        // not fire where an update moves a row to another partition.
        Some(partitions) => {
            let root = table.sql();
            let dropped = format!("DROP TRIGGER IF EXISTS sync_service_update_key ON {root};\n");
            let all =
                partitions.iter().chain([&root]).map(|name| on_statements(oid, name, "OLD TABLE AS before"));
            function + &dropped + &all.collect::<String>()
        }
    }
}

/// See `store::connect_options`, which makes the same of the service's own sessions.
const SETTINGS: &str =
    "SET DateStyle = 'ISO' SET TimeZone = 'UTC' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
    SET extra_float_digits = '1' SET lc_monetary FROM CURRENT";

/// The triggers of whole statements on one table. They fire always, also where a session applies what another database sends.
fn on_statements(oid: i64, table: &str, with_updates: &str) -> String {
    let triggers = [
        ("INSERT", "REFERENCING NEW TABLE AS after".to_owned()),
        ("UPDATE", format!("REFERENCING NEW TABLE AS after {with_updates}")),
        ("DELETE", "REFERENCING OLD TABLE AS before".to_owned()),
        ("TRUNCATE", String::new()),
    ];
    let trigger = |(event, tables): &(&str, String)| {
        let name = format!("sync_service_{}", event.to_lowercase());
        format!(
            "CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} {tables} FOR EACH STATEMENT EXECUTE FUNCTION \
             sync_service.note_{oid}();\nALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};\n"
        )
    };
    triggers.iter().map(trigger).collect()
}

/// The trigger for the old keys of rows that get new ones. Postgres asks the condition without a call of the function, so an update
/// that keeps its key pays next to nothing, and the statement's trigger needs no table of the old rows.
fn on_changed_keys(table: &Table) -> String {
    let (oid, sql, name) = (table.oid, table.sql(), "sync_service_update_key");
    let changed = table.key().map(|column| format!("OLD.{0} IS DISTINCT FROM NEW.{0}", quote(&column.name)));
    let changed: Vec<_> = changed.collect();
    format!(
        "CREATE OR REPLACE TRIGGER {name} AFTER UPDATE ON {sql} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION \
         sync_service.note_{oid}();\nALTER TABLE {sql} ENABLE ALWAYS TRIGGER {name};\n",
        changed.join(" OR ")
    )
}
