//! Expressions over one row, or over one request.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::value::{CastType, Element, NotJson, Value};

/// An expression whose inputs are of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr<L> {
    /// A value that the query spells out.
    Literal(Value),
    /// A column of the row, or a document of the request.
    Input(L),
    /// `CAST(x AS type)`
    Cast(Box<Expr<L>>, CastType),
    /// `x -> path` or `x ->> path`
    Json {
        /// A text that holds JSON.
        document: Box<Expr<L>>,
        /// The keys that lead to the value.
        path: Vec<String>,
        /// Whether the value is wanted as JSON (`->`).
        as_json: bool,
    },
}

/// Holds or does not hold; there is no third. A comparison with null does not hold, so its negation does: that is how the
/// PowerSync Service has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition<L> {
    /// The value is true.
    True(Expr<L>),
    /// `x IS NULL`
    Null(Expr<L>),
    /// `x = y` and the like
    Compare(Expr<L>, Comparison, Expr<L>),
    /// `element IN array`, where the array is JSON
    Contains {
        /// A text that holds a JSON array.
        array: Expr<L>,
        /// What is to be in it.
        element: Expr<L>,
    },
    /// `NOT x`
    Not(Box<Condition<L>>),
    /// All of them.
    All(Vec<Condition<L>>),
    /// One of them at least.
    Any(Vec<Condition<L>>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// An expression over a row; its inputs are names of columns.
pub type RowExpr = Expr<String>;

/// A condition on a row.
pub type RowCondition = Condition<String>;

/// An expression over a request.
pub type RequestExpr = Expr<Parameters>;

/// A condition on a request.
pub type RequestCondition = Condition<Parameters>;

/// A JSON object that a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// `auth.parameters()`: the claims of the token.
    Auth,
    /// `subscription.parameters()`
    Subscription,
    /// `connection.parameters()`
    Connection,
}

/// What the expressions over a request are evaluated on.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub auth: &'a Map<String, Json>,
    pub subscription: Option<&'a Map<String, Json>>,
    pub connection: Option<&'a Map<String, Json>>,
}

impl<L> Expr<L> {
    /// The same expression over other inputs.
    pub(super) fn map<M>(&self, input: &impl Fn(&L) -> M) -> Expr<M> {
        match self {
            Self::Literal(value) => Expr::Literal(value.clone()),
            Self::Input(found) => Expr::Input(input(found)),
            Self::Cast(inner, to) => Expr::Cast(Box::new(inner.map(input)), *to),
            Self::Json { document, path, as_json } => {
                Expr::Json { document: Box::new(document.map(input)), path: path.clone(), as_json: *as_json }
            }
        }
    }

    /// The one input, if there is one: no operator takes two.
    pub(crate) fn input(&self) -> Option<&L> {
        match self {
            Self::Literal(_) => None,
            Self::Input(input) => Some(input),
            Self::Cast(inner, _) => inner.input(),
            Self::Json { document, .. } => document.input(),
        }
    }
}

impl<L> Condition<L> {
    /// The same condition over other inputs.
    pub(super) fn map<M>(&self, input: &impl Fn(&L) -> M) -> Condition<M> {
        let all = |list: &[Self]| list.iter().map(|inner| inner.map(input)).collect();
        match self {
            Self::True(value) => Condition::True(value.map(input)),
            Self::Null(value) => Condition::Null(value.map(input)),
            Self::Compare(left, how, right) => Condition::Compare(left.map(input), *how, right.map(input)),
            Self::Contains { array, element } => {
                Condition::Contains { array: array.map(input), element: element.map(input) }
            }
            Self::Not(inner) => Condition::Not(Box::new(inner.map(input))),
            Self::All(list) => Condition::All(all(list)),
            Self::Any(list) => Condition::Any(all(list)),
        }
    }

    /// The expressions in it.
    pub(crate) fn expressions(&self) -> Vec<&Expr<L>> {
        match self {
            Self::True(value) | Self::Null(value) => vec![value],
            Self::Compare(left, _, right) => vec![left, right],
            Self::Contains { array, element } => vec![array, element],
            Self::Not(inner) => inner.expressions(),
            Self::All(list) | Self::Any(list) => list.iter().flat_map(Self::expressions).collect(),
        }
    }
}

impl Comparison {
    /// Whether the order of two values is meant.
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The operator.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Where the inputs of an expression are found.
pub(crate) trait Inputs<L> {
    /// The value of an input.
    fn value(&self, input: &L) -> Value;

    /// A member of an input that is a JSON object, where there is a shorter way to it than through the object's text.
    fn member(&self, _input: &L, _key: &str) -> Option<Value> {
        None
    }
}

impl<L> Expr<L> {
    /// The value for some inputs.
    pub(crate) fn evaluate(&self, inputs: &impl Inputs<L>) -> Result<Value, NotJson> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Input(input) => Ok(inputs.value(input)),
            Self::Cast(inner, to) => Ok(inner.evaluate(inputs)?.cast(*to)),
            Self::Json { document, path, as_json } => {
                if let (Self::Input(input), [key], false) = (document.as_ref(), path.as_slice(), as_json)
                    && let Some(value) = inputs.member(input, key)
                {
                    return Ok(value);
                }
                document.evaluate(inputs)?.access(path, *as_json)
            }
        }
    }
}

impl<L> Condition<L> {
    /// Whether it holds for some inputs.
    pub(crate) fn holds(&self, inputs: &impl Inputs<L>) -> Result<bool, NotJson> {
        Ok(match self {
            Self::True(value) => value.evaluate(inputs)?.is_true(),
            Self::Null(value) => value.evaluate(inputs)? == Value::Null,
            Self::Compare(left, how, right) => {
                left.evaluate(inputs)?.compare(&right.evaluate(inputs)?).is_some_and(|order| how.holds(order))
            }
            Self::Contains { array, element } => {
                let element = element.evaluate(inputs)?;
                let equal = |other: &Element| element.compare(&other.value).is_some_and(Ordering::is_eq);
                array.evaluate(inputs)?.elements()?.iter().any(equal)
            }
            Self::Not(inner) => !inner.holds(inputs)?,
            Self::All(list) => list.iter().try_fold(true, |all, inner| Ok(inner.holds(inputs)? && all))?,
            Self::Any(list) => list.iter().try_fold(false, |any, inner| Ok(inner.holds(inputs)? || any))?,
        })
    }
}

impl Inputs<Parameters> for Request<'_> {
    fn value(&self, input: &Parameters) -> Value {
        let text = self.parameters(*input).and_then(|parameters| serde_json::to_string(parameters).ok());
        text.map_or(Value::Null, Value::Text)
    }

    fn member(&self, input: &Parameters, key: &str) -> Option<Value> {
        let member = self.parameters(*input).and_then(|parameters| parameters.get(key));
        Some(member.map_or(Value::Null, Value::from_json))
    }
}

impl Inputs<String> for Element {
    fn value(&self, input: &String) -> Value {
        if input == "key" { self.key.clone() } else { self.value.clone() }
    }
}

impl Request<'_> {
    fn parameters(&self, which: Parameters) -> Option<&Map<String, Json>> {
        match which {
            Parameters::Auth => Some(self.auth),
            Parameters::Subscription => self.subscription,
            Parameters::Connection => self.connection,
        }
    }
}
