//! The triggers through which writers note what they have changed.

use sqlx::{Executor as _, PgConnection};

use super::catalog::{Table, quote};

/// Puts the triggers on the tables and takes them off every other table. Returns whether a table got new ones, or lost its own:
/// what is synced of it has to be looked at as a whole then, because what was written to it before is not in the queue.
///
/// The caller's transaction has to commit before it reads the tables: `CREATE TRIGGER` waits for open writers, so whoever
/// writes after that commit is noted, and whoever wrote before is visible.
pub(crate) async fn install(connection: &mut PgConnection, tables: &[Table]) -> sqlx::Result<bool> {
    let standing: Vec<(i64, String, bool)> = sqlx::query_as(STANDING).fetch_all(&mut *connection).await?;
    let mut changed = false;
    for table in tables {
        let made_from = statements(table);
        let stands = |(oid, text, complete): &(i64, String, bool)| {
            *oid == table.oid && *text == made_from && *complete
        };
        if !standing.iter().any(stands) {
            connection.execute(made_from.as_str()).await?;
            sqlx::query(REMEMBER).bind(table.oid).bind(&made_from).execute(&mut *connection).await?;
            changed = true;
        }
    }
    for (oid, ..) in standing.iter().filter(|(oid, ..)| !tables.iter().any(|table| table.oid == *oid)) {
        let drop = format!("DROP FUNCTION IF EXISTS sync_service.note_{oid}() CASCADE");
        connection.execute(drop.as_str()).await?;
        sqlx::query("DELETE FROM sync_service.noted_table WHERE rel = $1::bigint::oid")
            .bind(oid)
            .execute(&mut *connection)
            .await?;
        changed = true;
    }
    Ok(changed)
}

/// The channel on which the triggers say that there is something in the queue.
pub(crate) const CHANNEL: &str = "sync_service";

const REMEMBER: &str = "INSERT INTO sync_service.noted_table (rel, made_from) VALUES ($1::bigint::oid, $2)
    ON CONFLICT (rel) DO UPDATE SET made_from = excluded.made_from";

const STANDING: &str = "SELECT n.rel::bigint, n.made_from, (SELECT count(*) = 5 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = n.rel AND t.tgenabled IN ('O', 'A') AND p.pronamespace = 'sync_service'::regnamespace) AS complete
    FROM sync_service.noted_table n";

/// One function per table, so that its statements are planned once per session and not at every call. It runs as its owner,
/// because whoever writes the table has no rights here, and with a fixed search path, because it does.
fn statements(table: &Table) -> String {
    let (oid, sql) = (table.oid, table.sql());
    let (before, after, old) = (table.row_key("b"), table.row_key("a"), table.row_key("old"));
    let settings = if table.key().any(super::catalog::Column::is_time) {
        "SET DateStyle = 'ISO' SET TimeZone = 'UTC' SET IntervalStyle = 'postgres'"
    } else {
        ""
    };
    let mut text = format!(
        "CREATE OR REPLACE FUNCTION sync_service.note_{oid}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp {settings} AS $note$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN INSERT INTO sync_service.queue (rel, key) SELECT {oid}, {after} FROM after a;
        WHEN 'UPDATE' THEN
            IF TG_LEVEL = 'ROW' THEN
                INSERT INTO sync_service.queue (rel, key) VALUES ({oid}, {old});
            ELSE
                INSERT INTO sync_service.queue (rel, key) SELECT {oid}, {after} FROM after a;
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
    for (event, tables) in [
        ("INSERT", "REFERENCING NEW TABLE AS after"),
        ("UPDATE", "REFERENCING NEW TABLE AS after"),
        ("DELETE", "REFERENCING OLD TABLE AS before"),
        ("TRUNCATE", ""),
    ] {
        let name = quote(&format!("sync_service_{}", event.to_lowercase()));
        text.push_str(&format!(
            "CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {sql} {tables} FOR EACH STATEMENT EXECUTE FUNCTION sync_service.note_{oid}();\n"
        ));
    }
    // Postgres asks the condition without a call of the function, so an update that keeps its key pays next to nothing, and
    // the statement's trigger needs no table of the old rows.
    let changed = table.key().map(|column| format!("OLD.{0} IS DISTINCT FROM NEW.{0}", quote(&column.name)));
    let changed: Vec<_> = changed.collect();
    text.push_str(&format!(
        "CREATE OR REPLACE TRIGGER sync_service_update_key AFTER UPDATE ON {sql} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION sync_service.note_{oid}();\n",
        changed.join(" OR ")
    ));
    text
}
