//! One query of a stream: `SELECT … FROM table WHERE …`.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    ObjectName, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, UnaryOperator, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::{
    Keys, Lookup, LookupUse, Output, RequestValue, Rows, Source, Stream, Streams, TableName, Values, Variant,
};

/// Adds the query's variants to its stream, and their sources and lookups to the config.
pub(super) fn compile(sql: &str, stream: &mut Stream, streams: &mut Streams) -> Result<(), Refused> {
    // Postgres takes no text with it, and a statement would end there.
    if sql.contains('\0') || stream.name.contains('\0') {
        return Err(Refused { line: 1, column: 1, reason: "a NUL character is not supported".to_owned() });
    }
    let query = parse(sql)?;
    let select = Scope::of(&query)?;
    let columns = select.outputs()?;
    for conjunction in select.conditions(streams)? {
        let (rows, keys) = split(conjunction);
        let source = Source {
            bucket: format!("{}|{}", stream.name, stream.variants.len()),
            table: select.table.clone(),
            object_type: select.alias.clone(),
            columns: columns.clone(),
            rows,
        };
        let variant = Variant { source: position_of_source(&mut streams.sources, source), keys };
        if !stream.variants.contains(&variant) {
            stream.variants.push(variant);
        }
    }
    Ok(())
}

/// Why a query is not taken, and the place in it (line and column from 1).
#[derive(Debug)]
pub(super) struct Refused {
    pub line: usize,
    pub column: usize,
    pub reason: String,
}

/// Alternatives beyond this are a mistake: every one of them costs a bucket.
const MAX_ALTERNATIVES: usize = 32;

fn refuse<T>(at: Span, reason: impl Into<String>) -> Result<T, Refused> {
    let number = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
    Err(Refused { line: number(at.start.line), column: number(at.start.column), reason: reason.into() })
}

fn parse(sql: &str) -> Result<Box<Query>, Refused> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).try_with_sql(sql).map_err(syntax_error)?;
    let query = parser.parse_query().map_err(syntax_error)?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(query);
    }
    refuse(next.span, format!("expected the end of the query, found `{}`", next.token))
}

/// The parser has the place only in its message: `… at Line: 1, Column: 8`.
fn syntax_error(error: ParserError) -> Refused {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
    };
    let (reason, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, "1, Column: 1"));
    let (line, column) = place.split_once(", Column: ").unwrap_or(("1", "1"));
    let number = |text: &str| text.trim().parse().unwrap_or(1);
    Refused { line: number(line), column: number(column), reason: format!("syntax error: {reason}") }
}

/// One `SELECT` with the names that are known in it.
struct Scope<'a> {
    select: &'a Select,
    table: TableName,
    alias: String,
}

impl<'a> Scope<'a> {
    fn of(query: &'a Query) -> Result<Self, Refused> {
        let SetExpr::Select(select) = query.body.as_ref() else {
            return refuse(
                query.span(),
                "only a plain SELECT is supported here, no UNION, VALUES or the like",
            );
        };
        let (table, alias) = from(select)?;
        let scope = Self { select, table, alias };
        scope.nothing_else(query)?;
        Ok(scope)
    }

    /// Refuses every clause but SELECT, FROM and WHERE: by name where it is common, else by the text that is left over.
    fn nothing_else(&self, query: &Query) -> Result<(), Refused> {
        let select = self.select;
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, more) if list.is_empty() && more.is_empty());
        for (present, clause) in [
            (query.with.is_some(), "WITH"),
            (query.order_by.is_some(), "ORDER BY"),
            (query.limit_clause.is_some() || query.fetch.is_some(), "LIMIT"),
            (select.distinct.is_some(), "DISTINCT"),
            (grouped, "GROUP BY"),
            (select.having.is_some(), "HAVING"),
        ] {
            if present {
                return refuse(
                    select.span(),
                    format!("{clause} is not supported: a stream syncs whole rows"),
                );
            }
        }
        let projection: Vec<_> = select.projection.iter().map(ToString::to_string).collect();
        let condition = select.selection.as_ref().map(|s| format!(" WHERE {s}")).unwrap_or_default();
        let from: Vec<_> = select.from.iter().map(ToString::to_string).collect();
        if query.to_string()
            != format!("SELECT {} FROM {}{condition}", projection.join(", "), from.join(", "))
        {
            return refuse(select.span(), "only SELECT, FROM and WHERE are supported");
        }
        Ok(())
    }

    /// The select list of a stream's query.
    fn outputs(&self) -> Result<Vec<Output>, Refused> {
        let columns =
            self.select.projection.iter().map(|item| self.output(item)).collect::<Result<Vec<_>, _>>()?;
        let has_id = |output: &Output| match output {
            Output::All => true,
            Output::Column { column, name } => column == "id" && name == "id",
        };
        if !columns.iter().any(has_id) {
            return refuse(
                self.select.span(),
                "the select list needs the column `id`, by which the client knows the row",
            );
        }
        Ok(columns)
    }

    fn output(&self, item: &SelectItem) -> Result<Output, Refused> {
        let (expr, name) = match item {
            SelectItem::Wildcard(_) if item.to_string() == "*" => return Ok(Output::All),
            SelectItem::QualifiedWildcard(..) if item.to_string() == format!("{}.*", self.alias) => {
                return Ok(Output::All);
            }
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(name_of(alias))),
            _ => return refuse(item.span(), format!("`{item}` is not supported in a select list")),
        };
        let Some(column) = self.column(expr)? else {
            return refuse(
                expr.span(),
                format!("`{expr}` is not supported in a select list: name a column or `*`"),
            );
        };
        let name = name.unwrap_or_else(|| column.clone());
        Ok(Output::Column { column, name })
    }

    /// The `WHERE` clause as alternatives of which each is a list of terms that all hold.
    fn conditions(&self, streams: &mut Streams) -> Result<Vec<Vec<Term>>, Refused> {
        match &self.select.selection {
            None => Ok(vec![Vec::new()]),
            Some(condition) => self.alternatives(condition, streams),
        }
    }

    fn alternatives(&self, expr: &Expr, streams: &mut Streams) -> Result<Vec<Vec<Term>>, Refused> {
        let found = match expr {
            Expr::Nested(inner) => self.alternatives(inner, streams)?,
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                let mut all = self.alternatives(left, streams)?;
                all.extend(self.alternatives(right, streams)?);
                all
            }
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                let right = self.alternatives(right, streams)?;
                let left = self.alternatives(left, streams)?;
                if left.len() * right.len() > MAX_ALTERNATIVES {
                    return refuse(
                        expr.span(),
                        format!("more than {MAX_ALTERNATIVES} alternatives after resolving OR"),
                    );
                }
                left.iter().flat_map(|l| right.iter().map(move |r| [l.as_slice(), r].concat())).collect()
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                vec![vec![self.equality(expr, left, right)?]]
            }
            Expr::InSubquery { expr, subquery, negated: false } => {
                vec![vec![self.membership(expr, subquery, streams)?]]
            }
            _ => return refuse(expr.span(), format!("`{expr}` is not supported in WHERE: {SUBSET}")),
        };
        if found.len() > MAX_ALTERNATIVES {
            return refuse(
                expr.span(),
                format!("more than {MAX_ALTERNATIVES} alternatives after resolving OR"),
            );
        }
        Ok(found)
    }

    fn equality(&self, whole: &Expr, left: &Expr, right: &Expr) -> Result<Term, Refused> {
        let (column, other) = match (self.column(left)?, self.column(right)?) {
            (Some(column), None) => (column, right),
            (None, Some(column)) => (column, left),
            _ => {
                return refuse(
                    whole.span(),
                    format!("`{whole}` has to compare one column with one value: {SUBSET}"),
                );
            }
        };
        if let Some(text) = literal(other)? {
            return Ok(Term::Literal(column, text));
        }
        match request_value(other)? {
            Some(value) => Ok(Term::Key(column, Values::Request(value))),
            None => refuse(other.span(), format!("`{other}` is not supported as a value: {SUBSET}")),
        }
    }

    fn membership(&self, expr: &Expr, subquery: &Query, streams: &mut Streams) -> Result<Term, Refused> {
        let Some(column) = self.column(expr)? else {
            return refuse(expr.span(), format!("`{expr}` is not supported before IN: name a column"));
        };
        let scope = Scope::of(subquery)?;
        let [item] = scope.select.projection.as_slice() else {
            return refuse(scope.select.span(), "a subquery selects exactly one column");
        };
        let Output::Column { column: looked_up, .. } = scope.output(item)? else {
            return refuse(item.span(), "a subquery names the one column that it selects");
        };
        let mut uses = Vec::new();
        for conjunction in scope.conditions(streams)? {
            let (rows, keys) = split(conjunction);
            let lookup = Lookup { table: scope.table.clone(), column: looked_up.clone(), rows };
            let found = streams.lookups.iter().position(|known| *known == lookup);
            let lookup = found.unwrap_or_else(|| {
                streams.lookups.push(lookup);
                streams.lookups.len() - 1
            });
            uses.push(LookupUse { lookup, keys });
        }
        Ok(Term::Key(column, Values::Lookup(uses)))
    }

    /// The column's name when the expression is a column of this table.
    fn column(&self, expr: &Expr) -> Result<Option<String>, Refused> {
        match expr {
            Expr::Identifier(column) => Ok(Some(name_of(column))),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if name_of(table) == self.alias => Ok(Some(name_of(column))),
                _ => refuse(expr.span(), format!("`{expr}` is not a column of `{}`", self.alias)),
            },
            Expr::Nested(inner) => self.column(inner),
            _ => Ok(None),
        }
    }
}

const SUBSET: &str = "write `column = value` or `column IN (SELECT …)`, joined by AND and OR, where a value is \
     auth.user_id(), auth.parameter('…'), subscription.parameter('…'), connection.parameter('…') or a literal";

fn from(select: &Select) -> Result<(TableName, String), Refused> {
    let [from] = select.from.as_slice() else {
        return refuse(select.span(), "a query reads FROM exactly one table");
    };
    if let Some(join) = from.joins.first() {
        return refuse(join.span(), "JOIN is not supported: write `column IN (SELECT …)`");
    }
    let TableFactor::Table { name, alias, args: None, .. } = &from.relation else {
        return refuse(from.span(), "a query reads FROM a table, by name");
    };
    let table = match parts(name).as_slice() {
        [table] => TableName { schema: "public".to_owned(), name: table.clone() },
        [schema, table] => TableName { schema: schema.clone(), name: table.clone() },
        _ => return refuse(from.span(), format!("`{name}` is not a table name")),
    };
    let printed = alias.as_ref().map_or_else(|| name.to_string(), |alias| format!("{name} {alias}"));
    if from.relation.to_string() != printed || alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return refuse(from.span(), format!("`{}` is not supported in FROM: name one table", from.relation));
    }
    let alias = alias.as_ref().map_or_else(|| table.name.clone(), |alias| name_of(&alias.name));
    Ok((table, alias))
}

/// A condition on one column.
#[derive(Clone)]
enum Term {
    Literal(String, String),
    Key(String, Values),
}

/// The row's half and the request's half of an alternative.
fn split(conjunction: Vec<Term>) -> (Rows, Keys) {
    let mut rows = Rows::default();
    let mut keys: Keys = Vec::new();
    for term in conjunction {
        match term {
            Term::Literal(column, text) => rows.filter.push((column, text)),
            Term::Key(column, values) => match rows.keys.iter().position(|key| *key == column) {
                Some(at) => keys[at].push(values),
                None => {
                    rows.keys.push(column);
                    keys.push(vec![values]);
                }
            },
        }
    }
    (rows, keys)
}

fn position_of_source(sources: &mut Vec<Source>, source: Source) -> usize {
    let same = |known: &Source| Source { bucket: source.bucket.clone(), ..known.clone() } == source;
    sources.iter().position(same).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    })
}

/// A literal as the text that a synced column of that value has.
fn literal(expr: &Expr) -> Result<Option<String>, Refused> {
    match expr {
        Expr::Nested(inner) => literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                Ok(Some(format!("-{}", value.value)))
            }
            _ => Ok(None),
        },
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(Some(text.clone())),
            Value::Number(number, _) => Ok(Some(number.clone())),
            Value::Boolean(truth) => Ok(Some(u8::from(*truth).to_string())),
            Value::Null => refuse(expr.span(), "nothing equals NULL"),
            other => refuse(expr.span(), format!("`{other}` is not supported as a literal")),
        },
        _ => Ok(None),
    }
}

fn request_value(expr: &Expr) -> Result<Option<RequestValue>, Refused> {
    let function = match expr {
        Expr::Nested(inner) => return request_value(inner),
        Expr::Function(function) => function,
        _ => return Ok(None),
    };
    let name = parts(&function.name).join(".");
    let value = match (name.as_str(), arguments(function).as_deref()) {
        ("auth.user_id", Some([])) => RequestValue::UserId,
        ("auth.parameter", Some([Some(key)])) => RequestValue::Auth(key.clone()),
        ("subscription.parameter", Some([Some(key)])) => RequestValue::Subscription(key.clone()),
        ("connection.parameter", Some([Some(key)])) => RequestValue::Connection(key.clone()),
        _ => return refuse(expr.span(), format!("`{expr}` is not supported as a value: {SUBSET}")),
    };
    Ok(Some(value))
}

/// The arguments of a plain call; each is the text of a string literal or nothing.
fn arguments(function: &Function) -> Option<Vec<Option<String>>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.to_string() != format!("{}({list})", function.name) {
        return None;
    }
    let text = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    Some(list.args.iter().map(text).collect())
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), name_of)).collect()
}

/// Postgres folds a name to lower case unless it is quoted.
fn name_of(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
