//! One query of a stream: `SELECT … FROM … WHERE …`.

use sqlparser::ast::{SelectItem, SelectItemQualifiedWildcardKind, Spanned};
use sqlparser::tokenizer::Span;

use super::bucket::Draft;
use super::expression::Expr;
use super::formula::{Dependency, Input, MAX_ALTERNATIVES};
use super::graph;
use super::scope::{Compiler, Cte, Named, Read, Relation, name_of};
use super::sql::{self, Refused, refuse};
use super::warnings;
use super::{Output, Source, Streams};

/// Adds the query's alternatives to those of its stream, and their lookups to the config. Gives warnings.
pub(super) fn compile(
    sql: &str,
    ctes: &[&Cte],
    stream: &str,
    draft: &mut Draft,
    streams: &mut Streams,
) -> Result<Vec<Refused>, Refused> {
    // Postgres takes no text with it, and a statement would end there.
    if stream.contains('\0') {
        return Err(Refused { line: 1, column: 1, reason: "a NUL character is not supported".to_owned() });
    }
    let query = sql::parse(sql)?;
    let mut compiler = Compiler::new(ctes.to_vec());
    let read = compiler.read(&query, None)?;
    let (primary, columns) = selected(&mut compiler, &read)?;
    let Some(Relation::Table { table, alias, at }) = compiler.relations.get(primary).cloned() else {
        return refuse(query.span(), "a query selects the rows of a table");
    };
    let mut found: Vec<Refused> = warnings::renamed(read.select, &table, &alias, at).into_iter().collect();
    let condition_at = read.select.selection.as_ref().map_or_else(|| query.span(), Spanned::span);
    for terms in read.condition.alternatives(condition_at)? {
        whole(&compiler, &terms, primary)?;
        let (variant, rows) = graph::variant(&terms, &compiler.relations, primary, streams)?;
        found.extend(warnings::unauthenticated(&variant, &terms, &compiler.relations));
        let source = Source {
            bucket: String::new(),
            table: table.clone(),
            object_type: alias.clone(),
            columns: columns.clone(),
            rows,
        };
        draft.add(variant, source);
        if draft.alternatives() > MAX_ALTERNATIVES {
            let reason = format!(
                "a stream has at most {MAX_ALTERNATIVES} alternatives: write several streams, or move OR into several queries"
            );
            return refuse(condition_at, reason);
        }
    }
    Ok(found)
}

/// Refuses an alternative that leaves out one of the tables that are read together.
fn whole(compiler: &Compiler<'_>, terms: &[super::formula::Term], primary: usize) -> Result<(), Refused> {
    let mut mentioned = graph::mentioned(terms);
    mentioned.push(primary);
    for together in &compiler.together {
        if !together.iter().any(|relation| mentioned.contains(relation)) {
            continue;
        }
        for relation in together.iter().filter(|relation| !mentioned.contains(relation)) {
            if let Some(relation) = compiler.relations.get(*relation) {
                let (alias, at) = relation.name();
                return refuse(
                    at,
                    format!(
                        "nothing says which rows of `{alias}` belong to the others: compare one of its columns"
                    ),
                );
            }
        }
    }
    Ok(())
}

/// The relation whose rows are synced, and what is synced of them.
fn selected(compiler: &mut Compiler<'_>, read: &Read<'_, '_>) -> Result<(usize, Vec<Output>), Refused> {
    let at = read.select.span();
    let mut list = Selected { primary: None, columns: Vec::new() };
    for item in &read.select.projection {
        let (named, table) = match item {
            SelectItem::Wildcard(_) if item.to_string() == "*" => (read.names.only(), "*".to_owned()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                if item.to_string() == format!("{name}.*") =>
            {
                let name = name.0.first().and_then(|part| part.as_ident()).map(name_of).unwrap_or_default();
                (read.names.find(&name), name)
            }
            _ => {
                let (expr, name) = compiler.item(item, &read.names)?;
                list.add(item.span(), &expr, name)?;
                continue;
            }
        };
        match named {
            None if table == "*" => {
                return refuse(item.span(), "`*` is ambiguous: write `table.*` for the table that is synced");
            }
            None => return refuse(item.span(), format!("there is no table `{table}` in FROM")),
            Some(Named::Relation(relation)) => {
                list.selects(item.span(), *relation)?;
                list.columns.push(Output::All);
            }
            Some(Named::Columns(columns)) => {
                for (name, expr) in columns {
                    list.add(item.span(), expr, name.clone())?;
                }
            }
        }
    }
    let has_id = |output: &Output| match output {
        Output::All => true,
        Output::Column { name, .. } => name == "id",
    };
    if !list.columns.iter().any(has_id) {
        return refuse(
            at,
            "the select list needs a column `id`, by which the client knows the row: write `… AS id` where it has another name",
        );
    }
    match list.primary {
        Some(primary) => Ok((primary, list.columns)),
        None => refuse(at, "a query selects at least one column of a table"),
    }
}

struct Selected {
    primary: Option<usize>,
    columns: Vec<Output>,
}

impl Selected {
    fn add(&mut self, at: Span, expr: &Expr<Input>, name: String) -> Result<(), Refused> {
        match Dependency::of(expr) {
            Dependency::Nothing => {}
            Dependency::Request => {
                return refuse(at, "values of the request cannot be synced, only columns");
            }
            Dependency::Relation(relation) => self.selects(at, relation)?,
        }
        self.columns.push(Output::Column { value: graph::of_row_expr(expr), name });
        Ok(())
    }

    fn selects(&mut self, at: Span, relation: usize) -> Result<(), Refused> {
        if *self.primary.get_or_insert(relation) != relation {
            return refuse(at, "a query selects the columns of one table; write several queries or streams");
        }
        Ok(())
    }
}
