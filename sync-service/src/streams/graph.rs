//! From an alternative of a condition to the half that looks at rows and the half that looks at the request.

use super::expression::{Condition, Expr, RequestExpr, RowCondition, RowExpr};
use super::formula::{Dependency, Input, Term};
use super::scope::Relation;
use super::sql::{Refused, refuse};
use super::{Lookup, Operand, Rows, Step, Streams, Variant};

/// Makes the variant of an alternative, and says which rows it brings of relation `primary`.
///
/// Every relation but that one becomes a step: a lookup by the values that are known when it is its turn. So the relations are
/// visited from the primary one outwards, along the equalities, and each comes behind those from which it gets its values.
pub(super) fn variant(
    terms: &[Term],
    relations: &[Relation],
    primary: usize,
    streams: &mut Streams,
) -> Result<(Variant, Rows), Refused> {
    let mut graph = Graph { terms, nodes: Vec::new(), open: Vec::new() };
    let rows = graph.visit(primary);
    for relation in mentioned(terms) {
        if relation != primary && graph.position(relation).is_none() {
            let node = graph.visit(relation);
            graph.nodes.push(node);
        }
    }
    let conditions = terms.iter().filter_map(|term| match term {
        Term::Filter(Dependency::Nothing | Dependency::Request, condition) => {
            Some(condition.map(&|input| match input {
                Input::Request(parameters, _) => *parameters,
                Input::Column { .. } => super::Parameters::Auth,
            }))
        }
        _ => None,
    });
    let conditions = conditions.collect();
    let steps = graph.nodes.into_iter().map(|node| node.step(relations, streams));
    let steps = steps.collect::<Result<_, _>>()?;
    let variant = Variant { sources: Vec::new(), conditions, steps, keys: rows.operands };
    Ok((variant, Rows { filter: rows.filter, keys: rows.keys }))
}

/// The relations that an alternative is about, in the order in which it names them.
pub(super) fn mentioned(terms: &[Term]) -> Vec<usize> {
    let mut found = Vec::new();
    for term in terms {
        let on = match term {
            Term::Filter(on, _) => vec![*on],
            Term::Equal(left, right) => vec![Dependency::of(left), Dependency::of(right)],
        };
        for on in on {
            if let Dependency::Relation(relation) = on
                && !found.contains(&relation)
            {
                found.push(relation);
            }
        }
    }
    found
}

struct Graph<'a> {
    terms: &'a [Term],
    /// The steps so far, in their order.
    nodes: Vec<Node>,
    /// The relations that are being visited.
    open: Vec<usize>,
}

/// A relation with what is known about it.
struct Node {
    relation: usize,
    filter: Vec<RowCondition>,
    keys: Vec<RowExpr>,
    operands: Vec<Vec<Operand>>,
    outputs: Vec<RowExpr>,
}

impl Graph<'_> {
    fn visit(&mut self, relation: usize) -> Node {
        self.open.push(relation);
        let mut node = Node {
            relation,
            filter: Vec::new(),
            keys: Vec::new(),
            operands: Vec::new(),
            outputs: Vec::new(),
        };
        for term in self.terms {
            match term {
                Term::Filter(Dependency::Relation(on), condition) if *on == relation => {
                    node.filter.push(of_row(condition));
                }
                Term::Filter(..) => {}
                Term::Equal(left, right) => {
                    for (own, other) in [(left, right), (right, left)] {
                        if Dependency::of(own) == Dependency::Relation(relation)
                            && let Some(operand) = self.operand(other)
                        {
                            node.add(of_row_expr(own), operand);
                        }
                    }
                }
            }
        }
        self.open.pop();
        node
    }

    /// Where the value of an expression is found; None when it is this relation that the other one gets it from.
    fn operand(&mut self, expr: &Expr<Input>) -> Option<Operand> {
        let Dependency::Relation(relation) = Dependency::of(expr) else {
            return Some(Operand::Request(of_request(expr)));
        };
        if self.open.contains(&relation) {
            return None;
        }
        let step = match self.position(relation) {
            Some(step) => step,
            None => {
                let node = self.visit(relation);
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let output = self.nodes.get_mut(step).map_or(0, |node| node.output(of_row_expr(expr)));
        Some(Operand::Output { step, output })
    }

    fn position(&self, relation: usize) -> Option<usize> {
        self.nodes.iter().position(|node| node.relation == relation)
    }
}

impl Node {
    fn add(&mut self, key: RowExpr, operand: Operand) {
        match self.keys.iter().position(|known| *known == key) {
            Some(at) if self.operands[at].contains(&operand) => {}
            Some(at) => self.operands[at].push(operand),
            None => {
                self.keys.push(key);
                self.operands.push(vec![operand]);
            }
        }
    }

    fn output(&mut self, expr: RowExpr) -> usize {
        self.outputs.iter().position(|known| *known == expr).unwrap_or_else(|| {
            self.outputs.push(expr);
            self.outputs.len() - 1
        })
    }

    fn step(self, relations: &[Relation], streams: &mut Streams) -> Result<Step, Refused> {
        Ok(match &relations[self.relation] {
            Relation::Elements { array, .. } if self.keys.is_empty() => {
                Step::Elements { array: of_request(array), filter: self.filter, outputs: self.outputs }
            }
            Relation::Elements { at, .. } => {
                let reason =
                    "an array of the request is compared with one thing only: read it again for another";
                return refuse(*at, reason);
            }
            Relation::Table { table, .. } => {
                let rows = Rows { filter: self.filter, keys: self.keys };
                let lookup = Lookup { table: table.clone(), outputs: self.outputs, rows };
                let found = streams.lookups.iter().position(|known| *known == lookup);
                let lookup = found.unwrap_or_else(|| {
                    streams.lookups.push(lookup);
                    streams.lookups.len() - 1
                });
                Step::Lookup { lookup, inputs: self.operands }
            }
        })
    }
}

/// The expression over the row that it depends on.
pub(super) fn of_row_expr(expr: &Expr<Input>) -> RowExpr {
    expr.map(&column)
}

fn of_row(condition: &Condition<Input>) -> RowCondition {
    condition.map(&column)
}

fn column(input: &Input) -> String {
    match input {
        Input::Column { name, .. } => name.clone(),
        Input::Request(..) => String::new(),
    }
}

fn of_request(expr: &Expr<Input>) -> RequestExpr {
    expr.map(&|input| match input {
        Input::Request(parameters, _) => *parameters,
        Input::Column { .. } => super::Parameters::Auth,
    })
}
