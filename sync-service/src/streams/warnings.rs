//! What is taken but looks wrong.

use sqlparser::ast::{Select, TableFactor};
use sqlparser::tokenizer::Span;

use super::expression::Expr;
use super::formula::{Input, Term};
use super::scope::Relation;
use super::sql::Refused;
use super::{Operand, Parameters, RequestExpr, Step, TableName, Variant};

/// Warns when nothing but what the client makes up decides which rows a user gets.
pub(super) fn unauthenticated(variant: &Variant, terms: &[Term], relations: &[Relation]) -> Option<Refused> {
    let mut origin = of_operands(&variant.keys, &variant.steps);
    if origin == Origin::None {
        let expressions = variant.conditions.iter().flat_map(|condition| condition.expressions());
        origin = expressions.fold(Origin::None, |origin, expr| origin.and(of_expr(expr)));
    }
    if origin != Origin::Client {
        return None;
    }
    let at = terms.iter().find_map(|term| client_parameter(term, relations))?;
    Some(Refused::at(
        at,
        "clients can send any value for this unauthenticated parameter, so it is not fit for authorization: constrain it with an \
         authenticated one, or set `accept_potentially_dangerous_queries: true`",
    ))
}

/// Warns when the alias of a joined table renames what clients get, which is seldom meant.
pub(super) fn renamed(select: &Select, table: &TableName, alias: &str, at: Span) -> Option<Refused> {
    let joins: usize = select.from.iter().map(|from| 1 + from.joins.len()).sum();
    let quoted = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    let quoted = quoted.filter_map(|factor| match factor {
        TableFactor::Table { alias: Some(alias), .. } => Some(&alias.name),
        _ => None,
    });
    let mut quoted = quoted.filter(|name| name.quote_style.is_some() && name.value == alias);
    if joins < 2 || alias == table.name || quoted.next().is_some() {
        return None;
    }
    Some(Refused::at(
        at,
        format!(
            "clients get these rows as table `{alias}`, not as `{}`: leave out the alias, or quote it (`AS \"{alias}\"`) when that is meant",
            table.name
        ),
    ))
}

/// Who vouches for the values that choose the rows.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    None,
    Client,
    Token,
}

impl Origin {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Token, _) | (_, Self::Token) => Self::Token,
            (Self::Client, _) | (_, Self::Client) => Self::Client,
            (Self::None, Self::None) => Self::None,
        }
    }
}

fn of_operands(keys: &[Vec<Operand>], steps: &[Step]) -> Origin {
    let each = keys.iter().flatten().map(|operand| match operand {
        Operand::Request(expr) => of_expr(expr),
        Operand::Output { step, .. } => match steps.get(*step) {
            Some(Step::Lookup { inputs, .. }) => of_operands(inputs, steps),
            Some(Step::Elements { array, .. }) => of_expr(array),
            None => Origin::None,
        },
    });
    each.fold(Origin::None, Origin::and)
}

fn of_expr(expr: &RequestExpr) -> Origin {
    match expr.input() {
        Some(Parameters::Subscription | Parameters::Connection) => Origin::Client,
        Some(Parameters::Auth) => Origin::Token,
        None => Origin::None,
    }
}

fn client_parameter(term: &Term, relations: &[Relation]) -> Option<Span> {
    let expressions: Vec<&Expr<Input>> = match term {
        Term::Filter(_, condition) => condition.expressions(),
        Term::Equal(left, right) => vec![left, right],
    };
    let client = |expr: &Expr<Input>| match expr.input() {
        Some(Input::Request(Parameters::Subscription | Parameters::Connection, at)) => Some(*at),
        _ => None,
    };
    expressions.into_iter().find_map(|expr| match expr.input() {
        Some(Input::Column { relation, .. }) => match relations.get(*relation) {
            Some(Relation::Elements { array, .. }) => client(array),
            _ => None,
        },
        _ => client(expr),
    })
}
