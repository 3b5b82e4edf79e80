//! The condition of a query as alternatives, of which each is a list of terms that all hold.

use sqlparser::tokenizer::Span;

use super::expression::{Condition, Expr, Parameters};
use super::sql::{Refused, refuse};

/// A condition over the rows of several relations and a request.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    Term(Term),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

/// What is not taken apart any more.
#[derive(Clone, Debug)]
pub(super) enum Term {
    /// Looks at one row, or at the request.
    Filter(Dependency, Condition<Input>),
    /// Two values of different origin that are equal.
    Equal(Expr<Input>, Expr<Input>),
}

/// What an expression takes a value from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Column {
        relation: usize,
        name: String,
    },
    /// With the place in the query, for warnings.
    Request(Parameters, Span),
}

/// What the value of an expression depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependency {
    Nothing,
    Request,
    Relation(usize),
}

impl Dependency {
    /// Of an expression.
    pub fn of(expr: &Expr<Input>) -> Self {
        match expr.input() {
            None => Self::Nothing,
            Some(Input::Request(..)) => Self::Request,
            Some(Input::Column { relation, .. }) => Self::Relation(*relation),
        }
    }

    /// Of two expressions together; None when they depend on different things.
    pub fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Nothing, other) | (other, Self::Nothing) => Some(other),
            (one, other) => (one == other).then_some(one),
        }
    }
}

impl Formula {
    /// All of them; what depends on the same becomes one term.
    pub fn all(list: Vec<Self>) -> Self {
        Self::merged(list, Condition::All, Self::All)
    }

    /// One of them at least; what depends on the same becomes one term.
    pub fn any(list: Vec<Self>) -> Self {
        Self::merged(list, Condition::Any, Self::Any)
    }

    /// The alternatives of which one has to hold.
    pub fn alternatives(&self, at: Span) -> Result<Vec<Vec<Term>>, Refused> {
        let too_many = || {
            let reason = format!(
                "more than {MAX_ALTERNATIVES} alternatives after resolving OR: write them as several `queries` or streams"
            );
            refuse(at, reason)
        };
        match self {
            Self::Term(term) => Ok(vec![vec![term.clone()]]),
            Self::Any(list) => {
                let mut found = Vec::new();
                for inner in list {
                    found.append(&mut inner.alternatives(at)?);
                    if found.len() > MAX_ALTERNATIVES {
                        return too_many();
                    }
                }
                Ok(found)
            }
            Self::All(list) => {
                let mut found = vec![Vec::new()];
                for inner in list {
                    let inner = inner.alternatives(at)?;
                    if found.len() * inner.len() > MAX_ALTERNATIVES {
                        return too_many();
                    }
                    found = found
                        .iter()
                        .flat_map(|terms: &Vec<Term>| {
                            inner.iter().map(move |more| [terms.as_slice(), more].concat())
                        })
                        .collect();
                }
                Ok(found)
            }
        }
    }

    fn merged(
        list: Vec<Self>,
        join: fn(Vec<Condition<Input>>) -> Condition<Input>,
        rest: fn(Vec<Self>) -> Self,
    ) -> Self {
        let mut filters: Vec<(Dependency, Vec<Condition<Input>>)> = Vec::new();
        let mut others = Vec::new();
        for formula in list {
            match formula {
                Self::Term(Term::Filter(on, condition)) => {
                    match filters.iter_mut().find(|(known, _)| *known == on) {
                        Some((_, known)) => known.push(condition),
                        None => filters.push((on, vec![condition])),
                    }
                }
                other => others.push(other),
            }
        }
        let filters = filters.into_iter().map(|(on, mut list)| {
            let condition = if list.len() == 1 { list.remove(0) } else { join(list) };
            Self::Term(Term::Filter(on, condition))
        });
        let mut all: Vec<Self> = filters.chain(others).collect();
        if all.len() == 1 { all.remove(0) } else { rest(all) }
    }
}

/// As many buckets as one stream of the PowerSync Service may have.
pub(super) const MAX_ALTERNATIVES: usize = 100;
