//! From the expressions of SQL to ours.

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query,
    Spanned, UnaryOperator, Value as Literal,
};
use sqlparser::tokenizer::Span;

use super::expression::{Comparison, Condition, Expr, Parameters};
use super::formula::{Dependency, Formula, Input, Term};
use super::scope::{Compiler, Named, Names, Relation, name_of, parts};
use super::sql::Refused;
use super::value::{CastType, Value};

/// Deeper expressions are a mistake, or meant to fill the stack.
const MAX_DEPTH: usize = 60;

impl Compiler<'_> {
    /// Translates a condition, or what holds when it does not.
    pub fn condition(&mut self, expr: &Sql, negated: bool, names: &Names<'_>) -> Result<Formula, Refused> {
        self.deeper(expr.span(), |compiler| compiler.condition_here(expr, negated, names))
    }

    /// Translates an expression that gives a value.
    pub fn value(&mut self, expr: &Sql, names: &Names<'_>) -> Result<Expr<Input>, Refused> {
        self.deeper(expr.span(), |compiler| compiler.value_here(expr, names))
    }

    fn deeper<T>(
        &mut self,
        at: Span,
        then: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        if self.depth >= MAX_DEPTH {
            return self.refuse(at, "the query is nested too deeply");
        }
        self.depth += 1;
        let result = then(self);
        self.depth -= 1;
        result
    }

    fn condition_here(&mut self, expr: &Sql, negated: bool, names: &Names<'_>) -> Result<Formula, Refused> {
        let at = expr.span();
        match expr {
            Sql::Nested(inner) => self.condition(inner, negated, names),
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => self.condition(expr, !negated, names),
            Sql::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let list = operands(expr, op);
                let list = list.into_iter().map(|operand| self.condition(operand, negated, names));
                let list = list.collect::<Result<Vec<_>, _>>()?;
                Ok(if (*op == BinaryOperator::And) == negated {
                    Formula::any(list)
                } else {
                    Formula::all(list)
                })
            }
            Sql::BinaryOp { left, op: BinaryOperator::NotEq, right } => {
                self.comparison(left, Comparison::Equal, right, !negated, names)
            }
            Sql::BinaryOp { left, op, right } if comparison(op).is_some() => {
                let how = comparison(op).unwrap_or(Comparison::Equal);
                self.comparison(left, how, right, negated, names)
            }
            Sql::Between { expr, negated: not, low, high } => {
                let low = self.comparison(expr, Comparison::GreaterOrEqual, low, negated != *not, names)?;
                let high = self.comparison(expr, Comparison::LessOrEqual, high, negated != *not, names)?;
                let both = vec![low, high];
                Ok(if negated == *not { Formula::all(both) } else { Formula::any(both) })
            }
            Sql::IsNull(inner) => {
                let value = self.value(inner, names)?;
                Ok(filter(Dependency::of(&value), Condition::Null(value), negated))
            }
            Sql::IsNotNull(inner) => {
                let value = self.value(inner, names)?;
                Ok(filter(Dependency::of(&value), Condition::Null(value), !negated))
            }
            Sql::IsTrue(inner) => self.truth(inner, 1, negated, names),
            Sql::IsNotTrue(inner) => self.truth(inner, 1, !negated, names),
            Sql::IsFalse(inner) => self.truth(inner, 0, negated, names),
            Sql::IsNotFalse(inner) => self.truth(inner, 0, !negated, names),
            Sql::InSubquery { expr, subquery, negated: not } => {
                if negated != *not {
                    return self
                        .refuse(at, "NOT IN (SELECT …) is not supported, nor is NOT with IN (SELECT …)");
                }
                let element = self.value(expr, names)?;
                let (output, condition) = self.one_column(subquery, names)?;
                Ok(Formula::all(vec![self.equality(at, element, output, false)?, condition]))
            }
            Sql::InList { expr: element, list, negated: not } => match list.as_slice() {
                [array] => self.membership(at, element, array, negated != *not, names),
                _ => {
                    self.refuse(at, "a list of values is written `IN ARRAY[…]` here, or as JSON: `IN '[…]'`")
                }
            },
            Sql::InUnnest { expr: element, array_expr, negated: not } => {
                self.membership(at, element, array_expr, negated != *not, names)
            }
            _ => {
                let value = self.value(expr, names)?;
                Ok(filter(Dependency::of(&value), Condition::True(value), negated))
            }
        }
    }

    fn truth(
        &mut self,
        expr: &Sql,
        truth: i128,
        negated: bool,
        names: &Names<'_>,
    ) -> Result<Formula, Refused> {
        let value = self.value(expr, names)?;
        let on = Dependency::of(&value);
        let literal = Expr::Literal(Value::Integer(truth));
        Ok(filter(on, Condition::Compare(value, Comparison::Equal, literal), negated))
    }

    fn comparison(
        &mut self,
        left: &Sql,
        how: Comparison,
        right: &Sql,
        negated: bool,
        names: &Names<'_>,
    ) -> Result<Formula, Refused> {
        let at = left.span();
        let (left, right) = (self.value(left, names)?, self.value(right, names)?);
        if let (Expr::Literal(Value::Null), _) | (_, Expr::Literal(Value::Null)) = (&left, &right) {
            return self.refuse(
                at,
                "nothing equals NULL, and nothing is less or greater: write IS NULL or IS NOT NULL",
            );
        }
        if how == Comparison::Equal {
            return self.equality(at, left, right, negated);
        }
        match Dependency::of(&left).and(Dependency::of(&right)) {
            Some(on) => Ok(filter(on, Condition::Compare(left, how, right), negated)),
            None => self.refuse(
                at,
                format!(
                    "values of different origin can be compared by = and IN only, not by {}: {ORIGIN}",
                    how.sql()
                ),
            ),
        }
    }

    fn equality(
        &self,
        at: Span,
        left: Expr<Input>,
        right: Expr<Input>,
        negated: bool,
    ) -> Result<Formula, Refused> {
        match Dependency::of(&left).and(Dependency::of(&right)) {
            Some(on) => Ok(filter(on, Condition::Compare(left, Comparison::Equal, right), negated)),
            None if negated => self.refuse(
                at,
                format!("values of different origin cannot be compared by <>, NOT or NOT IN: {ORIGIN}"),
            ),
            None => Ok(Formula::Term(Term::Equal(left, right))),
        }
    }

    /// `element IN array`, where the array is a value, a list or the name of a common table expression.
    fn membership(
        &mut self,
        at: Span,
        element: &Sql,
        array: &Sql,
        negated: bool,
        names: &Names<'_>,
    ) -> Result<Formula, Refused> {
        let value = self.value(element, names)?;
        if let Some(cte) = named(array).and_then(|name| self.cte(name)) {
            if negated {
                return self.refuse(at, "NOT IN is not supported with a common table expression");
            }
            let (mut relations, mut conditions) = (Vec::new(), Vec::new());
            let columns = self.cte_columns(cte, array.span(), &mut relations, &mut conditions)?;
            let mut columns = columns.into_values();
            let (Some(output), None) = (columns.next(), columns.next()) else {
                return self.refuse(
                    array.span(),
                    format!("`{array}` has several columns: write `IN (SELECT column FROM {array})`"),
                );
            };
            conditions.insert(0, self.equality(at, value, output, false)?);
            return Ok(Formula::all(conditions));
        }
        if let Some(list) = listed(array) {
            let list = list.into_iter().map(|item| self.value(item, names)).collect::<Result<Vec<_>, _>>()?;
            return self.one_of(at, value, list, negated);
        }
        let array_value = self.value(array, names)?;
        match (Dependency::of(&array_value), Dependency::of(&value)) {
            (Dependency::Nothing, _) => match array_value_of(&array_value) {
                Some(list) => self.one_of(at, value, list, negated),
                None => self.refuse(
                    array.span(),
                    format!("`{array}` is not an array: write `IN ARRAY[…]`, or JSON: `IN '[…]'`"),
                ),
            },
            (Dependency::Request, Dependency::Nothing) => Ok(filter(
                Dependency::Request,
                Condition::Contains { array: array_value, element: value },
                negated,
            )),
            (Dependency::Request, Dependency::Request) if negated => Ok(filter(
                Dependency::Request,
                Condition::Contains { array: array_value, element: value },
                true,
            )),
            (Dependency::Request, Dependency::Request) => {
                self.refuse(at, "whether one value of the request is in another cannot be asked by IN")
            }
            (Dependency::Request, Dependency::Relation(_)) if negated => {
                self.refuse(at, format!("values of different origin cannot be compared by NOT IN: {ORIGIN}"))
            }
            (Dependency::Request, Dependency::Relation(_)) => {
                let elements = Input::Column { relation: self.relations.len(), name: "value".to_owned() };
                self.relations.push(Relation::Elements {
                    array: array_value,
                    alias: array.to_string(),
                    at: self.place(array.span()),
                });
                Ok(Formula::Term(Term::Equal(value, Expr::Input(elements))))
            }
            (Dependency::Relation(_), _) => self.refuse(
                array.span(),
                format!(
                    "`{array}` is a column: arrays in rows are not supported, keep their elements in a table"
                ),
            ),
        }
    }

    fn one_of(
        &self,
        at: Span,
        value: Expr<Input>,
        list: Vec<Expr<Input>>,
        negated: bool,
    ) -> Result<Formula, Refused> {
        let on = list.iter().try_fold(Dependency::of(&value), |on, item| on.and(Dependency::of(item)));
        let Some(on) = on else {
            return self.refuse(
                at,
                format!("a list of values and what is looked for in it have one origin: {ORIGIN}"),
            );
        };
        let equal = |item| Condition::Compare(value.clone(), Comparison::Equal, item);
        Ok(filter(on, Condition::Any(list.into_iter().map(equal).collect()), negated))
    }

    fn one_column(&mut self, query: &Query, names: &Names<'_>) -> Result<(Expr<Input>, Formula), Refused> {
        let read = self.read(query, Some(names))?;
        let [item] = read.select.projection.as_slice() else {
            return self.refuse(read.select.span(), "a subquery selects exactly one column");
        };
        let expr = match item {
            sqlparser::ast::SelectItem::UnnamedExpr(expr)
            | sqlparser::ast::SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => return self.refuse(item.span(), "a subquery names the one column that it selects"),
        };
        Ok((self.value(expr, &read.names)?, read.condition))
    }

    fn value_here(&mut self, expr: &Sql, names: &Names<'_>) -> Result<Expr<Input>, Refused> {
        let at = expr.span();
        match expr {
            Sql::Nested(inner) => self.value(inner, names),
            Sql::Identifier(column) => match names.only() {
                Some(table) => self.column(at, table, name_of(column)),
                None => self
                    .refuse(at, format!("`{expr}` may be a column of several tables: write `table.{expr}`")),
            },
            Sql::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] => match names.find(&name_of(table)) {
                    Some(named) => self.column(at, named, name_of(column)),
                    None => self.refuse(at, format!("there is no table `{table}` in FROM")),
                },
                _ => self.refuse(at, format!("`{expr}` is not a column: write `table.column`")),
            },
            Sql::Value(value) => self.literal(at, &value.value),
            Sql::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match inner.as_ref() {
                Sql::Value(value) => match number(&value.value) {
                    Some(Value::Integer(number)) => Ok(Expr::Literal(Value::Integer(-number))),
                    Some(Value::Real(number)) => Ok(Expr::Literal(Value::Real(-number))),
                    _ => self.unsupported(at, expr),
                },
                _ => self.unsupported(at, expr),
            },
            Sql::UnaryOp { op: UnaryOperator::Plus, expr } => self.value(expr, names),
            Sql::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr: inner,
                data_type,
                format: None,
                ..
            } => {
                let to = match data_type.to_string().to_lowercase().as_str() {
                    "text" => CastType::Text,
                    "integer" => CastType::Integer,
                    "real" => CastType::Real,
                    "numeric" => CastType::Numeric,
                    other => {
                        return self.refuse(
                            at,
                            format!(
                                "`{other}` is not a type to cast to: text, integer, real and numeric are"
                            ),
                        );
                    }
                };
                Ok(Expr::Cast(Box::new(self.value(inner, names)?), to))
            }
            Sql::BinaryOp { left, op: op @ (BinaryOperator::Arrow | BinaryOperator::LongArrow), right } => {
                let document = match parameters(left) {
                    Some(parameters) => Expr::Input(Input::Request(parameters, self.place(left.span()))),
                    None => self.value(left, names)?,
                };
                let Some(path) = path(right) else {
                    return self.refuse(
                        right.span(),
                        format!("`{op}` takes a key in quotes or an index, not `{right}`"),
                    );
                };
                Ok(Expr::Json { document: Box::new(document), path, as_json: *op == BinaryOperator::Arrow })
            }
            Sql::Function(function) => self.request_value(at, expr, function),
            _ => self.unsupported(at, expr),
        }
    }

    fn column(&self, at: Span, table: &Named, name: String) -> Result<Expr<Input>, Refused> {
        match table {
            Named::Relation(relation) => {
                let elements = matches!(self.relations.get(*relation), Some(Relation::Elements { .. }));
                if elements && name != "key" && name != "value" {
                    return self
                        .refuse(at, format!("json_each has the columns `key` and `value`, not `{name}`"));
                }
                Ok(Expr::Input(Input::Column { relation: *relation, name }))
            }
            Named::Columns(columns) => match columns.get(&name) {
                Some(expr) => Ok(expr.clone()),
                None => self.refuse(at, format!("the subquery has no column `{name}`")),
            },
        }
    }

    fn literal(&self, at: Span, value: &Literal) -> Result<Expr<Input>, Refused> {
        let value = match value {
            Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => {
                Value::Text(text.clone())
            }
            Literal::Boolean(truth) => Value::Integer(i128::from(*truth)),
            Literal::Null => Value::Null,
            Literal::Placeholder(_) => {
                return self
                    .refuse(at, "a query has no parameters: write subscription.parameter('…') or the like");
            }
            other => match number(other) {
                Some(number) => number,
                None => return self.refuse(at, format!("`{other}` is not supported as a literal")),
            },
        };
        match &value {
            Value::Text(text) if text.contains('\0') => {
                self.refuse(at, "a text does not contain the character 0")
            }
            _ => Ok(Expr::Literal(value)),
        }
    }

    fn request_value(&self, at: Span, expr: &Sql, function: &Function) -> Result<Expr<Input>, Refused> {
        let name = parts(&function.name).join(".");
        let (source, what) = name.split_once('.').unwrap_or(("", &name));
        let Some(parameters) = source_of(source) else {
            return self.refuse(at, format!("the function `{}` is not supported: {VALUES}", function.name));
        };
        let path = match (what, arguments(function).as_deref()) {
            ("user_id", Some([])) if parameters == Parameters::Auth => vec!["sub".to_owned()],
            ("parameter", Some([Some(key)])) => path_of(key),
            ("parameters", _) => {
                return self
                    .refuse(at, format!("`{expr}` is not one value: write `{source}.parameters() ->> '…'`"));
            }
            _ => return self.refuse(at, format!("`{expr}` is not supported: {VALUES}")),
        };
        let document = Box::new(Expr::Input(Input::Request(parameters, self.place(at))));
        Ok(Expr::Json { document, path, as_json: false })
    }

    fn unsupported<T>(&self, at: Span, expr: &Sql) -> Result<T, Refused> {
        self.refuse(at, format!("`{expr}` is not supported: {SUBSET}"))
    }
}

const ORIGIN: &str = "rows of one table, rows of another and the request each are an origin";

const VALUES: &str = "values of the request are auth.user_id(), auth.parameter('…'), subscription.parameter('…') and \
     connection.parameter('…')";

const SUBSET: &str = "write columns, literals, values of the request, CAST, -> and ->>, compared by =, <>, <, >, <=, >=, BETWEEN, \
     IS NULL and IN, joined by AND, OR and NOT";

fn filter(on: Dependency, condition: Condition<Input>, negated: bool) -> Formula {
    let condition = if negated { Condition::Not(Box::new(condition)) } else { condition };
    Formula::Term(Term::Filter(on, condition))
}

/// What a chain of one operator joins; a chain is as deep as it is long.
fn operands<'e>(expr: &'e Sql, operator: &BinaryOperator) -> Vec<&'e Sql> {
    let mut rest = expr;
    let mut found = Vec::new();
    while let Sql::BinaryOp { left, op, right } = rest
        && op == operator
    {
        found.push(right.as_ref());
        rest = left;
    }
    found.push(rest);
    found.reverse();
    found
}

fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn named(expr: &Sql) -> Option<&str> {
    match expr {
        Sql::Identifier(name) => Some(&name.value),
        Sql::Nested(inner) => named(inner),
        _ => None,
    }
}

/// The items of `ARRAY[…]` or `ROW(…)`.
fn listed(expr: &Sql) -> Option<Vec<&Sql>> {
    match expr {
        Sql::Array(array) => Some(array.elem.iter().collect()),
        Sql::Function(function) if parts(&function.name) == ["row"] => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let item = |argument| match argument {
                &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
                _ => None,
            };
            list.args.iter().map(item).collect()
        }
        _ => None,
    }
}

fn array_value_of(expr: &Expr<Input>) -> Option<Vec<Expr<Input>>> {
    let Expr::Literal(value @ Value::Text(text)) = expr else { return None };
    let elements = text.trim_start().starts_with(['[', '{']).then(|| value.elements().ok()).flatten()?;
    Some(elements.into_iter().map(|element| Expr::Literal(element.value)).collect())
}

fn number(value: &Literal) -> Option<Value> {
    let Literal::Number(text, false) = value else { return None };
    let whole = text.parse().map(Value::Integer);
    whole.ok().or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Real))
}

fn source_of(name: &str) -> Option<Parameters> {
    match name {
        "auth" => Some(Parameters::Auth),
        "subscription" => Some(Parameters::Subscription),
        "connection" => Some(Parameters::Connection),
        _ => None,
    }
}

/// The document that `auth.parameters()` and the like stand for.
fn parameters(expr: &Sql) -> Option<Parameters> {
    let Sql::Function(function) = expr else { return None };
    match (parts(&function.name).as_slice(), arguments(function).as_deref()) {
        ([source, what], Some([])) if what == "parameters" => source_of(source),
        _ => None,
    }
}

fn path(expr: &Sql) -> Option<Vec<String>> {
    let Sql::Value(value) = expr else { return None };
    match &value.value {
        Literal::SingleQuotedString(text) => Some(path_of(text)),
        Literal::Number(text, false) if text.chars().all(|c| c.is_ascii_digit()) => Some(vec![text.clone()]),
        _ => None,
    }
}

/// `$.a.b` leads through two objects; without `$` the whole text is one key.
fn path_of(text: &str) -> Vec<String> {
    if text.starts_with('$') {
        text.split('.').skip(1).map(str::to_owned).collect()
    } else {
        vec![text.to_owned()]
    }
}

/// The arguments of a plain call; each is the text of a string literal or nothing.
fn arguments(function: &Function) -> Option<Vec<Option<String>>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.to_string() != format!("{}({list})", function.name) {
        return None;
    }
    let text = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Sql::Value(value))) => match &value.value {
            Literal::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    Some(list.args.iter().map(text).collect())
}
