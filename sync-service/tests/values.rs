//! What clients are sent for the values of Postgres's types.

mod support;

use serde_json::Value;
use support::{Database, Service};

/// Type, literal, and what the PowerSync Service sends at edition 3, as JSON; None when it sends nothing.
const VALUES: &[(&str, &str, Option<&str>)] = &[
    // Numbers that SQLite knows. A real has a fraction, so that it stays one.
    ("bool", "'t'", Some("1")),
    ("bool", "'f'", Some("0")),
    ("int2", "-1", Some("-1")),
    ("int4", "2", Some("2")),
    ("int8", "9007199254740993", Some("9007199254740993")),
    ("int8", "'-9223372036854775808'", Some("-9223372036854775808")),
    ("oid", "'4294967295'", Some("4294967295")),
    ("float8", "1.5", Some("1.5")),
    ("float8", "314", Some("314.0")),
    ("float8", "'-0'", Some("0.0")),
    ("float8", "1e300", Some("1e+300")),
    ("float8", "1e20", Some("100000000000000000000.0")),
    ("float8", "1e-7", Some("1e-7")),
    ("float8", "'NaN'", Some("null")),
    ("float8", "'Infinity'", Some("9e999")),
    ("float8", "'-Infinity'", Some("-9e999")),
    ("float4", "0.1", Some("0.1")),
    ("float4", "16777216", Some("16777216.0")),
    // `numeric` has more digits than a real: text.
    ("numeric", "123.45000", Some("\"123.45000\"")),
    ("numeric", "'18014398509481982123'", Some("\"18014398509481982123\"")),
    ("numeric", "'NaN'", Some("\"NaN\"")),
    // Text.
    ("text", "E'a\"b\\\\c\\n\u{e4}'", Some("\"a\\\"b\\\\c\\n\u{e4}\"")),
    ("varchar(9)", "'v'", Some("\"v\"")),
    ("char(4)", "'ab'", Some("\"ab  \"")),
    ("name", "'n'", Some("\"n\"")),
    ("\"char\"", "'c'", Some("\"c\"")),
    ("uuid", "'baeb2514-4c57-436d-b3cc-c1256211656d'", Some("\"baeb2514-4c57-436d-b3cc-c1256211656d\"")),
    ("mood", "'ok'", Some("\"ok\"")),
    ("xml", "'<a>b</a>'", Some("\"<a>b</a>\"")),
    ("tsvector", "'b a'", Some("\"'a' 'b'\"")),
    ("money", "12.5", Some("\"$12.50\"")),
    ("bit(3)", "B'101'", Some("\"101\"")),
    ("varbit", "B'1'", Some("\"1\"")),
    ("inet", "'127.0.0.1'", Some("\"127.0.0.1\"")),
    ("inet", "'10.0.0.1/8'", Some("\"10.0.0.1/8\"")),
    ("cidr", "'10.0.0.0/8'", Some("\"10.0.0.0/8\"")),
    ("macaddr", "'00:00:5e:00:53:af'", Some("\"00:00:5e:00:53:af\"")),
    ("point", "'(1,2)'", Some("\"(1,2)\"")),
    ("box", "'(1,2),(0,0)'", Some("\"(1,2),(0,0)\"")),
    ("int2vector", "'1 2'", Some("\"1 2\"")),
    ("regclass", "'pg_class'", Some("\"pg_class\"")),
    // Padded, so that texts are in the order of the values.
    ("pg_lsn", "'016/B374D848'", Some("\"00000016/B374D848\"")),
    ("bytea", "'\\x00ff'", None),
    // Times. Six digits of a second, ISO 8601 with T, and no year that SQLite does not know, but for dates.
    ("date", "'2023-03-06'", Some("\"2023-03-06\"")),
    ("date", "'infinity'", Some("\"9999-12-31\"")),
    ("date", "'-infinity'", Some("\"0000-01-01\"")),
    ("date", "'0044-03-15 BC'", Some("\"0044-03-15 BC\"")),
    ("date", "'10022-02-03'", Some("\"10022-02-03\"")),
    ("time", "'15:47'", Some("\"15:47:00.000000\"")),
    ("time", "'16:22:09.5'", Some("\"16:22:09.500000\"")),
    ("time", "'24:00'", Some("\"24:00:00.000000\"")),
    ("timetz", "'15:47:00+02'", Some("\"15:47:00+02\"")),
    ("timestamp", "'2023-03-06 15:47'", Some("\"2023-03-06T15:47:00.000000\"")),
    ("timestamp", "'2023-03-06 15:47:00.12345'", Some("\"2023-03-06T15:47:00.123450\"")),
    ("timestamp", "'infinity'", Some("\"9999-12-31T23:59:59.000000\"")),
    ("timestamp", "'-infinity'", Some("\"0000-01-01T00:00:00.000000\"")),
    ("timestamp", "'10022-02-03 12:13:14'", Some("\"10022-02-03T12:13:14.000000\"")),
    ("timestamp", "'0044-03-15 12:00 BC'", Some("null")),
    ("timestamptz", "'2023-03-06 15:47:00.954983+02'", Some("\"2023-03-06T13:47:00.954983Z\"")),
    ("timestamptz", "'infinity'", Some("\"9999-12-31T23:59:59.000000Z\"")),
    ("timestamptz", "'-infinity'", Some("\"0000-01-01T00:00:00.000000Z\"")),
    ("timestamptz", "'0022-02-03 12:13:14+03'", Some("\"0022-02-03T09:13:14.000000Z\"")),
    ("timestamptz", "'10022-02-03 12:13:14+03'", Some("null")),
    ("timestamptz", "'0044-03-15 12:00+00 BC'", Some("null")),
    ("interval", "'1 day 01:02:03.5'", Some("\"1 day 01:02:03.5\"")),
    // JSON is text as Postgres has it.
    ("json", "'{\"a\":  [1.0, 1e2]}'", Some("\"{\\\"a\\\":  [1.0, 1e2]}\"")),
    ("jsonb", "'{\"a\":  [1.0, 2]}'", Some("\"{\\\"a\\\": [1.0, 2]}\"")),
    // Arrays are JSON. The values in it are mapped like others, but JSON stands in it as JSON.
    ("int4[]", "'{1,NULL,3}'", Some("\"[1,null,3]\"")),
    ("oid[]", "'{1007}'", Some("\"[1007]\"")),
    ("text[]", "'{x,\"y z\",\"NULL\",NULL}'", Some("\"[\\\"x\\\",\\\"y z\\\",\\\"NULL\\\",null]\"")),
    ("text[]", "'{{one,1},{two,NULL}}'", Some("\"[[\\\"one\\\",\\\"1\\\"],[\\\"two\\\",null]]\"")),
    ("text[]", "'{}'", Some("\"[]\"")),
    ("bool[]", "'{t,f,NULL}'", Some("\"[1,0,null]\"")),
    ("bool[]", "'{{{t,f}},{{f,t}}}'", Some("\"[[[1,0]],[[0,1]]]\"")),
    ("bool[]", "'[2:3]={t,f}'", Some("\"[1,0]\"")),
    ("bool[]", "'{}'", Some("\"[]\"")),
    ("float8[]", "'{1,1.5}'", Some("\"[1.0,1.5]\"")),
    ("numeric[]", "'{1.50}'", Some("\"[\\\"1.50\\\"]\"")),
    ("bytea[]", "'{\"\\\\x00\"}'", Some("\"[null]\"")),
    ("char(3)[]", "'{a}'", Some("\"[\\\"a  \\\"]\"")),
    ("inet[]", "'{127.0.0.1}'", Some("\"[\\\"127.0.0.1\\\"]\"")),
    ("mood[]", "'{ok,sad}'", Some("\"[\\\"ok\\\",\\\"sad\\\"]\"")),
    ("date[]", "'{2023-03-06,infinity}'", Some("\"[\\\"2023-03-06\\\",\\\"9999-12-31\\\"]\"")),
    ("time[]", "'{15:47}'", Some("\"[\\\"15:47:00.000000\\\"]\"")),
    ("timestamptz[]", "'{\"2023-03-06 15:47+02\"}'", Some("\"[\\\"2023-03-06T13:47:00.000000Z\\\"]\"")),
    ("json[]", "ARRAY['{\"a\":  1}'::json]", Some("\"[{\\\"a\\\":  1}]\"")),
    ("pg_lsn[]", "'{16/B374D848}'", Some("\"[\\\"00000016/B374D848\\\"]\"")),
    ("box[]", "'{(1,2),(0,0);(3,4),(1,1)}'", Some("\"[\\\"(1,2),(0,0)\\\",\\\"(3,4),(1,1)\\\"]\"")),
    // Types that people make.
    ("short", "'d'", Some("\"d\"")),
    ("flag", "'t'", Some("1")),
    ("flags", "'{t,f}'", Some("\"[1,0]\"")),
    (
        "pair",
        "ROW(true, 1.50, '2023-03-06 15:47', '{1,2}', ROW('x', NULL), NULL)",
        Some(
            "\"{\\\"a\\\":1,\\\"b\\\":\\\"1.50\\\",\\\"at\\\":\\\"2023-03-06T15:47:00.000000\\\",\\\"l\\\":[1,2],\\\"i\\\":{\\\"x\\\":\\\"x\\\",\\\"y\\\":null},\\\"t f\\\":null}\"",
        ),
    ),
    ("inner_pair", "ROW(NULL, NULL)", Some("\"{\\\"x\\\":null,\\\"y\\\":null}\"")),
    (
        "inner_pair[]",
        "ARRAY[ROW('a', 1.5)::inner_pair, NULL]",
        Some("\"[{\\\"x\\\":\\\"a\\\",\\\"y\\\":1.5},null]\""),
    ),
    (
        "int4range",
        "'[1,5)'",
        Some("\"{\\\"lower\\\":1,\\\"upper\\\":5,\\\"lower_exclusive\\\":0,\\\"upper_exclusive\\\":1}\""),
    ),
    ("int4range", "'empty'", Some("\"empty\"")),
    (
        "numrange",
        "'(,1.5]'",
        Some(
            "\"{\\\"lower\\\":null,\\\"upper\\\":\\\"1.5\\\",\\\"lower_exclusive\\\":1,\\\"upper_exclusive\\\":0}\"",
        ),
    ),
    (
        "tsrange",
        "'[2023-03-06 15:47,)'",
        Some(
            "\"{\\\"lower\\\":\\\"2023-03-06T15:47:00.000000\\\",\\\"upper\\\":null,\\\"lower_exclusive\\\":0,\\\"upper_exclusive\\\":1}\"",
        ),
    ),
    (
        "int4range[]",
        "'{\"[1,2)\",empty}'",
        Some(
            "\"[{\\\"lower\\\":1,\\\"upper\\\":2,\\\"lower_exclusive\\\":0,\\\"upper_exclusive\\\":1},\\\"empty\\\"]\"",
        ),
    ),
    (
        "int4multirange",
        "'{[1,2)}'",
        Some("\"[{\\\"lower\\\":1,\\\"upper\\\":2,\\\"lower_exclusive\\\":0,\\\"upper_exclusive\\\":1}]\""),
    ),
    ("int4multirange", "'{}'", Some("\"[]\"")),
    ("hidden", "NULL", Some("null")),
];

const TYPES: &str = "
SET lc_monetary = 'C';
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN short AS varchar(10);
CREATE DOMAIN flag AS bool;
CREATE DOMAIN flags AS flag[];
CREATE TYPE inner_pair AS (x text, y float8);
CREATE TYPE pair AS (a flag, b numeric, at timestamp, l int[], i inner_pair, \"t f\" text);
CREATE TYPE hidden AS (a bytea);
";

#[tokio::test]
async fn every_type_is_mapped_as_officially() {
    let columns: Vec<_> = VALUES.iter().enumerate().map(|(i, (of, ..))| format!("c{i} {of}")).collect();
    let values: Vec<_> = VALUES.iter().map(|(of, value, _)| format!("CAST({value} AS {of})")).collect();
    let nulls = vec!["NULL"; VALUES.len()].join(", ");
    let database = Database::new(&format!(
        "{TYPES} CREATE TABLE v (id text PRIMARY KEY, {}, \"Odd \"\" name\" text); CREATE PUBLICATION powersync FOR TABLE v;
         SET TimeZone = 'Asia/Tokyo'; INSERT INTO v VALUES ('a', {}, 'odd'), ('b', {nulls}, NULL)",
        columns.join(", "),
        values.join(", ")
    ))
    .await;
    let service = Service::start(&database).await;
    service
        .deploy("config: { edition: 3 }\nstreams: { v: { auto_subscribe: true, query: SELECT * FROM v } }")
        .await;
    let lines = service.stream("ann").await.checkpoint().await;
    let row = |n: usize| lines[1]["data"]["data"][n]["data"].as_str().unwrap().to_owned();
    let mut expected = vec!["\"id\":\"a\"".to_owned()];
    let mut empty = vec!["\"id\":\"b\"".to_owned()];
    for (i, (.., value)) in VALUES.iter().enumerate() {
        expected.extend(value.map(|value| format!("\"c{i}\":{value}")));
        empty.extend(value.map(|_| format!("\"c{i}\":null")));
    }
    expected.push("\"Odd \\\" name\":\"odd\"".to_owned());
    empty.push("\"Odd \\\" name\":null".to_owned());
    let (mut found, mut rest) = (row(0), row(1));
    if found.starts_with("{\"id\":\"b\"") {
        std::mem::swap(&mut found, &mut rest);
    }
    for (i, (of, value, wanted)) in VALUES.iter().enumerate() {
        let Some(wanted) = wanted else { continue };
        assert!(found.contains(&format!("\"c{i}\":{wanted},")), "{of} {value} is not {wanted} in {found}");
    }
    assert_eq!(found, format!("{{{}}}", expected.join(",")));
    assert_eq!(rest, format!("{{{}}}", empty.join(",")));
    serde_json::from_str::<Value>(&rest).unwrap();
    service.stop().await;
    database.drop().await;
}
