//! What a query reads: the relations behind `FROM` and the names by which they are known.

use indexmap::IndexMap;
use sqlparser::ast::{
    FunctionArg, FunctionArgExpr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query,
    Select, SelectItem, SetExpr, Spanned, TableAlias, TableFactor,
};
use sqlparser::tokenizer::Span;

use super::TableName;
use super::expression::Expr;
use super::formula::{Dependency, Formula, Input};
use super::sql::{self, Refused, refuse};

/// Compiles what one query reads.
pub(super) struct Compiler<'c> {
    /// The common table expressions that can be named.
    ctes: Vec<&'c Cte>,
    /// Everything that is read. A common table expression is read anew wherever it is named.
    pub relations: Vec<Relation>,
    /// Relations of one `FROM`: an alternative that has one of them has all of them.
    pub together: Vec<Vec<usize>>,
    /// Where the common table expression is named that is being compiled.
    within: Option<Span>,
    /// How deep the expression is that is being translated.
    pub depth: usize,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub(super) enum Relation {
    Table {
        table: TableName,
        alias: String,
        at: Span,
    },
    /// The elements of a JSON array of the request, in columns `key` and `value`.
    Elements {
        array: Expr<Input>,
        alias: String,
        at: Span,
    },
}

impl Relation {
    /// What it is called, and where.
    pub fn name(&self) -> (&str, Span) {
        match self {
            Self::Table { alias, at, .. } | Self::Elements { alias, at, .. } => (alias, *at),
        }
    }
}

/// A common table expression.
pub(super) struct Cte {
    pub name: String,
    pub query: Box<Query>,
    pub used: std::cell::Cell<bool>,
    /// The tables that it reads, with their places.
    pub tables: Vec<(String, Span)>,
}

/// The names that are known in a `SELECT`.
pub(super) struct Names<'p> {
    parent: Option<&'p Names<'p>>,
    tables: Vec<(String, Named)>,
}

/// What a name behind `FROM` stands for.
#[derive(Clone)]
pub(super) enum Named {
    Relation(usize),
    /// The columns of a subquery.
    Columns(IndexMap<String, Expr<Input>>),
}

/// A `SELECT` whose `FROM` and `WHERE` have been read.
pub(super) struct Read<'q, 'p> {
    pub select: &'q Select,
    pub names: Names<'p>,
    pub relations: Vec<usize>,
    pub condition: Formula,
}

impl<'c> Compiler<'c> {
    pub fn new(ctes: Vec<&'c Cte>) -> Self {
        Self { ctes, relations: Vec::new(), together: Vec::new(), within: None, depth: 0 }
    }

    /// The place to name: within a common table expression, where that is named.
    pub fn place(&self, at: Span) -> Span {
        self.within.unwrap_or(at)
    }

    pub fn refuse<T>(&self, at: Span, reason: impl Into<String>) -> Result<T, Refused> {
        refuse(self.place(at), reason)
    }

    pub fn cte(&self, name: &str) -> Option<&'c Cte> {
        self.ctes.iter().copied().find(|cte| cte.name.eq_ignore_ascii_case(name))
    }

    /// Reads `FROM` and `WHERE`, and refuses every other clause.
    pub fn read<'q, 'p>(
        &mut self,
        query: &'q Query,
        parent: Option<&'p Names<'p>>,
    ) -> Result<Read<'q, 'p>, Refused> {
        let SetExpr::Select(select) = query.body.as_ref() else {
            return self
                .refuse(query.span(), "only a plain SELECT is supported here, no UNION, VALUES or the like");
        };
        self.nothing_else(query, select)?;
        if select.from.is_empty() {
            return self.refuse(select.span(), "a query reads FROM a table");
        }
        let mut names = Names { parent, tables: Vec::new() };
        let (mut relations, mut conditions, mut joins) = (Vec::new(), Vec::new(), Vec::new());
        for from in &select.from {
            self.table(&from.relation, &mut names, &mut relations, &mut conditions)?;
            for join in &from.joins {
                joins.extend(self.constraint(join)?);
                self.table(&join.relation, &mut names, &mut relations, &mut conditions)?;
            }
        }
        for condition in joins.into_iter().chain(&select.selection) {
            conditions.push(self.condition(condition, false, &names)?);
        }
        self.together.push(relations.clone());
        Ok(Read { select, names, relations, condition: Formula::all(conditions) })
    }

    /// The columns of a common table expression.
    pub fn cte_columns(
        &mut self,
        cte: &'c Cte,
        at: Span,
        relations: &mut Vec<usize>,
        conditions: &mut Vec<Formula>,
    ) -> Result<IndexMap<String, Expr<Input>>, Refused> {
        cte.used.set(true);
        // Inside of it no other one is known: its names are those of tables.
        let known = std::mem::take(&mut self.ctes);
        let outer = self.within.replace(self.place(at));
        let columns = self.subquery_columns(&cte.query, None, relations, conditions);
        (self.ctes, self.within) = (known, outer);
        columns
    }

    /// The columns of a subquery behind `FROM`.
    pub fn subquery_columns(
        &mut self,
        query: &Query,
        parent: Option<&Names<'_>>,
        relations: &mut Vec<usize>,
        conditions: &mut Vec<Formula>,
    ) -> Result<IndexMap<String, Expr<Input>>, Refused> {
        let read = self.read(query, parent)?;
        let mut columns = IndexMap::new();
        for item in &read.select.projection {
            let (expr, name) = self.item(item, &read.names)?;
            if columns.insert(name.clone(), expr).is_some() {
                return self.refuse(item.span(), format!("there is a column `{name}` already"));
            }
        }
        relations.extend(read.relations);
        conditions.push(read.condition);
        Ok(columns)
    }

    /// A select item that is one expression, and its name.
    pub fn item(&mut self, item: &SelectItem, names: &Names<'_>) -> Result<(Expr<Input>, String), Refused> {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(name_of(alias))),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                return self.refuse(item.span(), "`*` is not supported in a subquery: name the columns");
            }
            SelectItem::ExprWithAliases { .. } => {
                return self.refuse(item.span(), format!("`{item}` is not supported in a select list"));
            }
        };
        let value = self.value(expr, names)?;
        let own = || match expr {
            sqlparser::ast::Expr::Identifier(column) => Some(name_of(column)),
            sqlparser::ast::Expr::CompoundIdentifier(parts) => parts.last().map(name_of),
            _ => None,
        };
        match alias.or_else(own) {
            Some(name) => Ok((value, name)),
            None => self.refuse(expr.span(), format!("`{expr}` has no name: write `{expr} AS …`")),
        }
    }

    fn constraint<'q>(&self, join: &'q Join) -> Result<Option<&'q sqlparser::ast::Expr>, Refused> {
        match &join.join_operator {
            JoinOperator::Join(JoinConstraint::On(on)) | JoinOperator::Inner(JoinConstraint::On(on))
                if !join.global =>
            {
                Ok(Some(on))
            }
            JoinOperator::Join(JoinConstraint::None) | JoinOperator::Inner(JoinConstraint::None)
                if !join.global =>
            {
                Ok(None)
            }
            JoinOperator::Join(_) | JoinOperator::Inner(_) => {
                self.refuse(join.span(), "a JOIN is written with ON, not with USING or NATURAL")
            }
            _ => self.refuse(join.span(), "only INNER JOIN is supported"),
        }
    }

    fn table(
        &mut self,
        factor: &TableFactor,
        names: &mut Names<'_>,
        relations: &mut Vec<usize>,
        conditions: &mut Vec<Formula>,
    ) -> Result<(), Refused> {
        let (name, named) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                self.plain(factor, &name.to_string(), alias.as_ref())?;
                let parts = parts(name);
                let own = parts.last().cloned().unwrap_or_default();
                let known = alias.as_ref().map_or_else(|| own.clone(), |alias| name_of(&alias.name));
                match self.cte(&own).filter(|_| parts.len() == 1) {
                    Some(cte) => {
                        let columns = self.cte_columns(cte, factor.span(), relations, conditions)?;
                        (known, Named::Columns(columns))
                    }
                    None => {
                        let table = self.table_name(&parts, factor)?;
                        let at = self.place(factor.span());
                        relations.push(self.relations.len());
                        self.relations.push(Relation::Table { table, alias: known.clone(), at });
                        (known, Named::Relation(self.relations.len() - 1))
                    }
                }
            }
            TableFactor::Table { name, alias, args: Some(args), .. } if parts(name) == ["json_each"] => {
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.args.as_slice() else {
                    return self.refuse(factor.span(), "json_each takes one array");
                };
                self.plain(factor, &format!("{name}({array})"), alias.as_ref())?;
                let value = self.value(array, names)?;
                if Dependency::of(&value) != Dependency::Request {
                    let reason = "json_each takes an array of the request: auth.parameter('…') or the like";
                    return self.refuse(array.span(), reason);
                }
                let known =
                    alias.as_ref().map_or_else(|| "json_each".to_owned(), |alias| name_of(&alias.name));
                relations.push(self.relations.len());
                let at = self.place(factor.span());
                self.relations.push(Relation::Elements { array: value, alias: known.clone(), at });
                (known, Named::Relation(self.relations.len() - 1))
            }
            TableFactor::Derived { lateral: false, subquery, alias: Some(alias), .. }
                if alias.columns.is_empty() =>
            {
                let columns = self.subquery_columns(subquery, None, relations, conditions)?;
                (name_of(&alias.name), Named::Columns(columns))
            }
            _ => {
                return self.refuse(
                    factor.span(),
                    format!(
                        "`{factor}` is not supported in FROM: name a table, or write `(SELECT …) AS name`"
                    ),
                );
            }
        };
        if names.tables.iter().any(|(known, _)| *known == name) {
            return self.refuse(factor.span(), format!("there is a table `{name}` here already"));
        }
        names.tables.push((name, named));
        Ok(())
    }

    fn plain(&self, factor: &TableFactor, name: &str, alias: Option<&TableAlias>) -> Result<(), Refused> {
        let forms = match alias {
            None => vec![name.to_owned()],
            Some(alias) => {
                vec![format!("{name} {}", alias.name), format!("{name} AS {}", alias.name)]
            }
        };
        if forms.contains(&factor.to_string()) {
            return Ok(());
        }
        self.refuse(factor.span(), format!("`{factor}` is not supported in FROM: name one table"))
    }

    fn table_name(&self, parts: &[String], factor: &TableFactor) -> Result<TableName, Refused> {
        let table = match parts {
            [table] => TableName { schema: "public".to_owned(), name: table.clone() },
            [schema, table] => TableName { schema: schema.clone(), name: table.clone() },
            _ => return self.refuse(factor.span(), format!("`{factor}` is not a table name")),
        };
        if table.name.ends_with('%') {
            return self.refuse(factor.span(), "table names with a wildcard are not supported");
        }
        Ok(table)
    }

    /// Refuses every clause but SELECT, FROM and WHERE: by name where it is common, else by the text that is left over.
    fn nothing_else(&self, query: &Query, select: &Select) -> Result<(), Refused> {
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
                let instead = if clause == "WITH" {
                    "write the common table expression under `with`"
                } else {
                    "a stream syncs whole rows"
                };
                return self.refuse(select.span(), format!("{clause} is not supported: {instead}"));
            }
        }
        let projection: Vec<_> = select.projection.iter().map(ToString::to_string).collect();
        let condition = select.selection.as_ref().map(|s| format!(" WHERE {s}")).unwrap_or_default();
        let from: Vec<_> = select.from.iter().map(ToString::to_string).collect();
        let from = if from.is_empty() { String::new() } else { format!(" FROM {}", from.join(", ")) };
        if query.to_string() != format!("SELECT {}{from}{condition}", projection.join(", ")) {
            return self.refuse(select.span(), "only SELECT, FROM and WHERE are supported");
        }
        Ok(())
    }
}

impl Cte {
    /// Reads a common table expression.
    pub fn parse(name: &str, text: &str) -> Result<Self, Refused> {
        let query = sql::parse(text)?;
        let mut compiler = Compiler::new(Vec::new());
        compiler.subquery_columns(&query, None, &mut Vec::new(), &mut Vec::new())?;
        let tables = compiler.relations.iter().filter_map(|relation| match relation {
            Relation::Table { table, at, .. } => Some((table.name.clone(), *at)),
            Relation::Elements { .. } => None,
        });
        let tables = tables.collect();
        Ok(Self { name: name.to_owned(), query, used: std::cell::Cell::new(false), tables })
    }
}

impl Names<'_> {
    /// The table that is known by a name.
    pub fn find(&self, name: &str) -> Option<&Named> {
        let own = self.tables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match own {
            Some((_, named)) => Some(named),
            None => self.parent?.find(name),
        }
    }

    /// The table that is meant where none is named; None when there are several.
    pub fn only(&self) -> Option<&Named> {
        match self.tables.as_slice() {
            [(_, named)] => Some(named),
            _ => None,
        }
    }
}

/// The parts of a dotted name.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), name_of)).collect()
}

/// Postgres folds a name to lower case unless it is quoted.
pub(super) fn name_of(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
