//! Random statements of the app's other writers.

use crate::rng::Rng;
use crate::world::{LISTS, USERS};

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub fn list(rng: &mut Rng) -> String {
    format!("l{}", rng.below(LISTS))
}

fn user(rng: &mut Rng) -> &'static str {
    USERS[rng.below(USERS.len())]
}

/// A condition that some rows of `todos` meet.
fn some_todos(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => format!("list_id = '{}'", list(rng)),
        1 => format!("id IN ('t{}', 't{}', 't{}')", rng.below(400), rng.below(400), rng.below(400)),
        2 => format!("n % 17 = {}", rng.below(17)),
        _ => format!("list_id = '{}' AND n % 3 = {}", list(rng), rng.below(3)),
    }
}

/// A statement; some fail, as statements do.
pub fn statement(rng: &mut Rng) -> String {
    match rng.below(100) {
        0..6 => format!(
            "INSERT INTO lists VALUES ('{}', '{}', {}, 'open', {}) ON CONFLICT (id) DO UPDATE SET owner_id = excluded.owner_id, name = excluded.name",
            list(rng),
            user(rng),
            literal(&rng.text()),
            ["NULL", "0.1", "5", "-2.5e-7", "1e300"][rng.below(5)]
        ),
        6..10 => format!("UPDATE lists SET name = {} WHERE id = '{}'", literal(&rng.text()), list(rng)),
        10..13 => format!(
            "UPDATE lists SET state = CASE state WHEN 'open' THEN 'archived' ELSE 'open' END WHERE id = '{}'",
            list(rng)
        ),
        13..15 => format!("UPDATE lists SET owner_id = '{}' WHERE id = '{}'", user(rng), list(rng)),
        15..17 => format!("DELETE FROM lists WHERE id = '{}'", list(rng)),
        17..24 => {
            let (list, user) = (list(rng), user(rng));
            format!("INSERT INTO shares VALUES ('{list}-{user}', '{list}', '{user}') ON CONFLICT DO NOTHING")
        }
        24..28 => format!("DELETE FROM shares WHERE list_id = '{}'", list(rng)),
        28..30 => format!("UPDATE shares SET list_id = '{}' WHERE user_id = '{}'", list(rng), user(rng)),
        30..44 => format!(
            "INSERT INTO todos SELECT '{list}', k, 't' || k, {title}, k % 2 = 0, k::bigint * 23058430092136,
                 timestamptz '2024-02-29 12:00+02' + k * interval '1.000001 s'
             FROM generate_series({from}, {from} + {more}) k ON CONFLICT DO NOTHING",
            list = list(rng),
            title = literal(&rng.text()),
            from = rng.below(400),
            more = rng.below(12),
        ),
        44..56 => format!("UPDATE todos SET title = {}, done = NOT done WHERE {}", literal(&rng.text()), some_todos(rng)),
        56..60 => format!("UPDATE todos SET list_id = '{}' WHERE {}", list(rng), some_todos(rng)),
        // Two rows that change keys, and a key that moves through the whole table.
        60..63 => format!("UPDATE todos SET n = -n WHERE {}", some_todos(rng)),
        63..65 => "UPDATE todos SET n = n + 1000".to_owned(),
        65..72 => format!("DELETE FROM todos WHERE {}", some_todos(rng)),
        72..74 => format!("UPDATE todos SET title = title WHERE {}", some_todos(rng)),
        74..79 => format!(
            "INSERT INTO notes SELECT 'n' || k, '{}', {}, ARRAY['x', NULL, {2}] FROM generate_series({3}, {3} + 5) k
             ON CONFLICT (id) DO UPDATE SET list_id = excluded.list_id, body = excluded.body",
            list(rng),
            literal(&rng.text()),
            literal(&rng.text()),
            rng.below(60)
        ),
        79..82 => format!("UPDATE notes SET id = id || '-' WHERE id LIKE 'n{}%' AND length(id) < 12", rng.below(10)),
        82..84 => format!("DELETE FROM notes WHERE id LIKE 'n{}%'", rng.below(10)),
        84..86 => format!(
            "MERGE INTO todos t USING (SELECT k FROM generate_series(1, 300, 7) k) s ON t.id = 't' || s.k
             WHEN MATCHED AND t.done THEN DELETE WHEN MATCHED THEN UPDATE SET rank = {}
             WHEN NOT MATCHED THEN INSERT (list_id, n, id, title) VALUES ('{}', s.k + 5000, 't' || s.k, 'merged')",
            rng.next() >> 2,
            list(rng)
        ),
        86..88 => ["TRUNCATE todos", "TRUNCATE notes", "TRUNCATE shares", "TRUNCATE todos, notes"][rng.below(4)].to_owned(),
        88 => format!(
            "INSERT INTO todos SELECT '{}', 10000 + k, 'bulk' || k, repeat('x', k % 50), false, k FROM generate_series(1, {}) k ON CONFLICT DO NOTHING",
            list(rng),
            rng.below(2500)
        ),
        89 => "DELETE FROM todos WHERE id LIKE 'bulk%'".to_owned(),
        _ => transfer(rng),
    }
}

/// Moves an amount, a row or both within a user's ledger. Its sum stays what it is.
fn transfer(rng: &mut Rng) -> String {
    let user = user(rng);
    let row = |rng: &mut Rng| format!("{user}{}{}", ["a", "b"][rng.below(2)], 1 + rng.below(10));
    let (from, to, amount) = (row(rng), row(rng), rng.below(20));
    match rng.below(4) {
        0 => format!("UPDATE ledger SET side = CASE side WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = '{from}'"),
        1 => format!("UPDATE ledger SET side = '{}' WHERE owner_id = '{user}'", ["a", "b"][rng.below(2)]),
        _ => format!(
            "UPDATE ledger SET amount = amount + CASE id WHEN '{from}' THEN -{amount} ELSE {amount} END
             WHERE id IN ('{from}', '{to}') AND '{from}' <> '{to}'"
        ),
    }
}

/// A change of the tables themselves.
pub fn rewrite(rng: &mut Rng) -> &'static str {
    const REWRITES: [&str; 8] = [
        "ALTER TABLE todos ADD COLUMN IF NOT EXISTS extra text DEFAULT 'x'",
        "ALTER TABLE todos DROP COLUMN IF EXISTS extra",
        "ALTER TABLE lists ALTER COLUMN name TYPE varchar",
        "ALTER TABLE lists ALTER COLUMN name TYPE text",
        "VACUUM FULL todos",
        "CLUSTER lists USING lists_pkey",
        "BEGIN; CREATE TEMP TABLE kept AS TABLE notes; DROP TABLE notes; CREATE TABLE notes (id text PRIMARY KEY, list_id text NOT NULL, body text, tags text[]);
         INSERT INTO notes TABLE kept; DROP TABLE kept; ALTER PUBLICATION powersync ADD TABLE notes; COMMIT",
        "BEGIN; ALTER TABLE todos DROP CONSTRAINT todos_pkey; ALTER TABLE todos ADD PRIMARY KEY (list_id, n); COMMIT",
    ];
    REWRITES[rng.below(REWRITES.len())]
}
