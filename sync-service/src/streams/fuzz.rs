//! Whatever the text is, it compiles or is refused at a place in it, and soon.
//!
//! `SYNC_FUZZ_CASES` says how many texts to try, `SYNC_FUZZ_SEED` where to begin.

use std::time::{Duration, Instant};

use super::compile;
use super::tests::REFUSED;

#[test]
fn no_text_gets_the_compiler_into_trouble() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, seed): (u64, u64) = (number("SYNC_FUZZ_CASES", 3000), number("SYNC_FUZZ_SEED", 1));
    let mut compiled = 0;
    for seed in seed..seed + cases {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let text = random.text();
        let began = Instant::now();
        let found = match compile(&text) {
            Ok(streams) => {
                compiled += 1;
                streams.warnings
            }
            Err(refusals) => {
                assert!(!refusals.is_empty(), "seed {seed}: {text:?}");
                assert!(!refusals[0].reason.contains("please report"), "seed {seed} panics: {text:?}");
                refusals
            }
        };
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "seed {seed} takes {:?}: {text:?}",
            began.elapsed()
        );
        for refusal in found {
            let line = text.split('\n').nth(refusal.line.wrapping_sub(1));
            let end = line.unwrap_or_else(|| panic!("seed {seed}, {refusal}: {text:?}")).chars().count() + 1;
            assert!((1..=end).contains(&refusal.column), "seed {seed}, {refusal}: {text:?}");
        }
    }
    assert!(compiled * 50 > cases, "only {compiled} of {cases} texts compile");
}

const CONFIGS: &[&str] = &[
    "# Everything.\nconfig:\n  edition: 3\n\nstreams:\n  lists:\n    auto_subscribe: true\n    query: SELECT * FROM lists WHERE owner_id = auth.user_id()\n\n  \
     todos:\n    query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())\n",
    "config: { edition: 3 }\nwith:\n  mine: SELECT id FROM lists WHERE owner_id = auth.user_id()\nstreams:\n  a:\n    auto_subscribe: true\n    \
     priority: 1\n    queries:\n      - SELECT * FROM todos WHERE list_id IN mine\n      - \"SELECT id, CAST(n AS text) AS m FROM t WHERE j ->> '$.a' = 'b'\"\n",
    "config:\n  edition: 3\nstreams:\n  b:\n    accept_potentially_dangerous_queries: false\n    with: { c: 'SELECT x FROM y' }\n    query: |\n      \
     SELECT p.* FROM p JOIN s ON s.a = p.a AND s.b = p.b\n       WHERE s.id = subscription.parameter('s') OR NOT (p.x BETWEEN 1 AND 2.5)\n",
    "config: { edition: 3 }\nstreams: { a: &a { query: &q SELECT * FROM t }, b: *a, c: { queries: [*q, 'SELECT * FROM u WHERE v IN ARRAY[1, -2]'] } }",
];

const QUERIES: &[&str] = &[
    "SELECT * FROM a WHERE b = auth.user_id() AND c IN (SELECT d FROM e WHERE f = connection.parameter('g'))",
    "SELECT a.id, a.b::text AS c FROM a, b AS x WHERE a.id = x.id AND x.n <> 5 AND x.y IS NOT NULL",
    "SELECT x.* FROM (SELECT id, n FROM t WHERE o = auth.parameter('o')) AS x WHERE x.n NOT IN '[1, \"a\"]'",
    "SELECT \"Id\" AS id FROM \"S\".\"T\" WHERE \"U\" IN auth.parameters() -> 'ids'",
];

const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "*",
    "=",
    "<>",
    "->",
    "->>",
    "::text",
    "'",
    "\"",
    "''",
    "E'\\'",
    "$$",
    "--",
    "/*",
    "*/",
    ";",
    "$1",
    "NULL",
    "CASE",
    "WHEN",
    "END",
    "BETWEEN",
    "JOIN",
    "ON",
    "AS",
    "auth.user_id()",
    "subscription.parameter('x')",
    "ARRAY[",
    "ROW(",
    "json_each(",
    "1e999",
    "-",
    "0x1F",
    "99999999999999999999999999",
    "\u{e4}\u{1f600}",
    "\0",
    "\u{feff}",
    "\r",
    "\t",
    "\n",
    "\n  ",
    ": ",
    "- ",
    "|",
    ">",
    "&a",
    "*a",
    "!!str ",
    "{",
    "}",
    "#",
    "?",
    "%",
    "config",
    "edition",
    "streams",
    "query",
    "queries",
    "with",
    "priority",
    "<<: *a",
];

/// What can be nested, as what opens and what closes it.
const NESTS: &[(&str, &str)] = &[
    ("(", ")"),
    ("NOT ", ""),
    ("-", ""),
    ("- ", ""),
    ("x IN (", ")"),
    ("x IN ", ""),
    ("x = ARRAY[", "]"),
    ("x IN (SELECT a FROM b WHERE ", ")"),
    ("x IN (SELECT a FROM (SELECT a FROM b) AS c WHERE ", ")"),
    ("CASE WHEN ", " THEN 1 END"),
    ("CAST(", " AS text)"),
    ("f(", ")"),
    ("a AND ", ""),
    ("a OR ", ""),
    ("a = 1 AND b OR ", ""),
    ("", "::text"),
    ("", " -> 'a'"),
    ("", "[1]"),
    ("", ".a"),
    ("", " IS NULL"),
    ("", " COLLATE \"C\""),
    ("", " BETWEEN 1 AND 2"),
    ("", " || a"),
    ("(a = b OR c = subscription.parameter('d')) AND ", ""),
];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % end.max(1)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        match self.below(10) {
            0 => {
                let bytes: Vec<u8> =
                    (0..self.below(200)).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            1 => (0..self.below(60)).map(|_| self.one(PIECES)).collect(),
            2..=4 => {
                let config = self.one(CONFIGS);
                self.mutated(config)
            }
            5..=7 => {
                let sql = if self.below(3) == 0 { self.one(REFUSED).0 } else { self.one(QUERIES) };
                let sql = self.mutated(sql);
                self.config(&sql)
            }
            8 => {
                let sql = format!("SELECT * FROM t WHERE {}", self.nested());
                self.config(&sql)
            }
            _ => self.yaml(),
        }
    }

    fn mutated(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..self.below(5) {
            let (from, length) = (self.below(chars.len() + 1), self.below(12));
            let to = (from + length).min(chars.len());
            match self.below(4) {
                0 => drop(chars.drain(from..to)),
                1 => {
                    let copy: Vec<char> = chars[from..to].to_vec();
                    let at = self.below(chars.len() + 1);
                    chars.splice(at..at, copy);
                }
                2 => {
                    let piece = self.one(PIECES);
                    chars.splice(from..from, piece.chars());
                }
                _ => {
                    let piece = self.one(PIECES);
                    chars.splice(from..to, piece.chars());
                }
            }
        }
        chars.into_iter().collect()
    }

    fn config(&mut self, sql: &str) -> String {
        let head = "config: { edition: 3 }\nstreams:\n  s:\n    query: ";
        match self.below(3) {
            0 => format!("{head}{}\n", serde_json::Value::from(sql)),
            1 => format!("{head}'{}'\n", sql.replace('\'', "''")),
            _ => format!("{head}|\n      {}\n", sql.replace('\n', "\n      ")),
        }
    }

    fn nested(&mut self) -> String {
        let depth = self.below(900);
        let kinds = [self.one(NESTS), self.one(NESTS)];
        let (mut open, mut close) = (String::new(), String::new());
        for _ in 0..depth {
            let (before, behind) = self.one(&kinds);
            open.push_str(before);
            close.insert_str(0, behind);
        }
        if self.below(4) == 0 { format!("{open}x") } else { format!("{open}x{close}") }
    }

    fn yaml(&mut self) -> String {
        let levels = 2 + self.below(12);
        match self.below(4) {
            // Every level holds the one below it ten times.
            0 => {
                let mut text =
                    "config: { edition: 3 }\nstreams:\n  a: &l0 { query: SELECT * FROM t }\n".to_owned();
                for level in 1..levels {
                    let below = vec![format!("*l{}", level - 1); 10].join(", ");
                    text.push_str(&format!("  b{level}: &l{level} {{ queries: [{below}] }}\n"));
                }
                text
            }
            1 => format!("config: {}3{}", "[".repeat(levels * 500), "]".repeat(levels * 500)),
            2 => format!("config: {}", "{ a: ".repeat(levels * 500)),
            _ => {
                let streams: Vec<_> =
                    (0..levels * 20).map(|i| format!("  s{i}: {{ query: SELECT * FROM t{i} }}\n")).collect();
                format!("config: {{ edition: 3 }}\nstreams:\n{}", streams.concat())
            }
        }
    }
}
