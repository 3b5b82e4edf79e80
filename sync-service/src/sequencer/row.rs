//! Expressions over a row as SQL. Values and operators are those of `store/functions.sql`.

use crate::store::catalog::{Column, Table, literal};
use crate::store::mapping::Type;
use crate::streams::{CastType, Condition, Expr, RowCondition, RowExpr, Value};

/// The alias of the row's table.
pub(super) const ROW: &str = "t";

/// The value as it stands in the name of a bucket; null when it is null.
pub(super) fn key(table: &Table, expr: &RowExpr) -> String {
    match column(table, expr) {
        Some((Type::Text, x)) => format!("to_json(({x})::text)::text"),
        Some((Type::Integer, x)) => format!("({x})::text"),
        _ => format!("sync_service.key({})", value(table, expr)),
    }
}

/// The value as text; null when it is null.
pub(super) fn text(table: &Table, expr: &RowExpr) -> String {
    match column(table, expr) {
        Some((Type::Text | Type::Integer, x)) => format!("({x})::text"),
        _ => format!("(sync_service.cast_text({}) #>> '{{}}')", value(table, expr)),
    }
}

/// The value in a row; None when it is not synced.
pub(super) fn selected(table: &Table, expr: &RowExpr) -> Option<String> {
    match column(table, expr) {
        Some((of, x)) => of.value(&x),
        None => Some(value(table, expr)),
    }
}

/// Whether the row belongs to what it is read for.
pub(super) fn condition(table: &Table, condition: &RowCondition) -> String {
    let list = |list: &[RowCondition], operator: &str, empty: &str| {
        let list: Vec<_> = list.iter().map(|inner| self::condition(table, inner)).collect();
        if list.is_empty() { empty.to_owned() } else { format!("({})", list.join(operator)) }
    };
    match condition {
        Condition::True(inner) => format!("sync_service.is_true({})", value(table, inner)),
        Condition::Null(inner) => format!("({}) IS NULL", value(table, inner)),
        Condition::Compare(left, how, right) => format!(
            "coalesce(sync_service.compare({}, {}) {} 0, false)",
            value(table, left),
            value(table, right),
            how.sql()
        ),
        // The compiler makes none of a row.
        Condition::Contains { .. } => "false".to_owned(),
        Condition::Not(inner) => format!("(NOT {})", self::condition(table, inner)),
        Condition::All(inner) => list(inner, " AND ", "true"),
        Condition::Any(inner) => list(inner, " OR ", "false"),
    }
}

/// Conditions under which the expression can be evaluated at all.
pub(super) fn requirements(table: &Table, expr: &RowExpr) -> Vec<String> {
    match expr {
        Expr::Literal(_) | Expr::Input(_) => Vec::new(),
        Expr::Cast(inner, _) => requirements(table, inner),
        Expr::Json { document, .. } => {
            let mut found = requirements(table, document);
            let is_json = matches!(column(table, document), Some((Type::Json, _)))
                || matches!(document.as_ref(), Expr::Json { as_json: true, .. });
            if !is_json {
                found.push(format!("sync_service.is_json({})", value(table, document)));
            }
            found
        }
    }
}

/// The columns that an expression needs.
pub(super) fn columns(expr: &RowExpr) -> impl Iterator<Item = &str> {
    expr.input().map(String::as_str).into_iter()
}

fn column<'t>(table: &'t Table, expr: &RowExpr) -> Option<(&'t Type, String)> {
    let Expr::Input(name) = expr else { return None };
    table.column(name).map(|column: &Column| (&column.of, column.sql(ROW)))
}

fn value(table: &Table, expr: &RowExpr) -> String {
    match expr {
        Expr::Literal(value) => match json(value) {
            Some(json) => format!("{}::jsonb", literal(&json)),
            None => "NULL::jsonb".to_owned(),
        },
        Expr::Input(_) => {
            column(table, expr).map_or_else(|| "NULL::jsonb".to_owned(), |(of, x)| of.operand(&x))
        }
        Expr::Cast(inner, to) => {
            let function = match to {
                CastType::Text => "cast_text",
                CastType::Integer => "cast_integer",
                CastType::Real => "cast_real",
                CastType::Numeric => "cast_numeric",
            };
            format!("sync_service.{function}({})", value(table, inner))
        }
        Expr::Json { document, path, as_json } => {
            let path: Vec<_> = path.iter().map(|step| literal(step)).collect();
            format!(
                "sync_service.json_get({}, ARRAY[{}]::text[], {as_json})",
                value(table, document),
                path.join(", ")
            )
        }
    }
}

/// A literal as JSON; a real has a fraction, so that it is told from an integer.
fn json(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) if number.fract() == 0.0 => Some(format!("{number}.0")),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(serde_json::Value::from(text.as_str()).to_string()),
    }
}
