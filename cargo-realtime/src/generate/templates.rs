//! The text of what is written for a table: the files in `templates/`, filled in.

use anyhow::{Context, Result};
use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::column::{Column, Kind};
use super::names::{self, Names};

/// The module for fields that hold points in time; the first table that has one brings it.
pub const LOCAL_TIME: &str = include_str!("templates/local_time.rs");

/// The longest line of SQL in a Rust string.
const LINE: usize = 90;

/// What is written for one table.
pub struct Templates {
    environment: Environment<'static>,
    context: Value,
}

impl Templates {
    /// The templates for a table.
    pub fn new(names: &Names, columns: &[Column]) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        for (name, text) in [
            ("migration", include_str!("templates/migration.sql.jinja")),
            ("schema", include_str!("templates/schema.rs.jinja")),
            ("queries", include_str!("templates/queries.rs.jinja")),
            ("form", include_str!("templates/form.rs.jinja")),
            ("list_page", include_str!("templates/list_page.rs.jinja")),
            ("detail_page", include_str!("templates/detail_page.rs.jinja")),
        ] {
            environment.add_template(name, text).context("A template of this program is broken")?;
        }
        Ok(Self { environment, context: describe(names, columns) })
    }

    /// One of the templates, filled in.
    pub fn text(&self, name: &str) -> Result<String> {
        let template = self.environment.get_template(name);
        let text = template.and_then(|template| template.render(&self.context));
        text.with_context(|| format!("The template {name} of this program is broken"))
    }
}

/// Everything that the templates ask for.
fn describe(names: &Names, columns: &[Column]) -> Value {
    let title_column = columns.iter().find(|column| column.kind == Kind::Text && !column.optional);
    let described: Vec<_> = columns.iter().map(describe_column).collect();
    let texts: Vec<_> = std::iter::zip(columns, &described)
        .filter(|(column, _)| column.kind == Kind::Text)
        .map(|(_, described)| described)
        .collect();
    let details: Vec<_> = columns
        .iter()
        .filter(|column| Some(*column) != title_column)
        .filter_map(|column| detail(names, column))
        .collect();
    let column_names = || columns.iter().map(|column| column.name.as_str());
    let selected: Vec<_> =
        ["id", "owner_id"].into_iter().chain(column_names()).chain(["created_at"]).collect();
    let select = format!("SELECT {} FROM {}", selected.join(", "), names.table);
    let set: Vec<_> =
        std::iter::zip(column_names(), 1..).map(|(name, number)| format!("{name} = ${number}")).collect();
    let update = format!("UPDATE {} SET {} WHERE id = ${}", names.table, set.join(", "), columns.len() + 1);
    let Names { table, singular, row_type, plural_type, rows, row, a_row, title } = names;
    context! {
        table, singular, row_type, plural_type, rows, row, a_row, title,
        columns => described,
        texts,
        details,
        has_timestamps => columns.iter().any(|column| column.kind == Kind::Timestamp),
        title_of => title_of(names, title_column),
        select_all => literal(&format!("{select} ORDER BY created_at, id"), 8),
        select_one => literal(&format!("{select} WHERE id = $1"), 8),
        update => literal(&update, 12),
    }
}

fn describe_column(column: &Column) -> Value {
    let rust = column.kind.rust();
    context! {
        name => column.name,
        kind => column.kind,
        optional => column.optional,
        postgres => column.kind.postgres(),
        rust => if column.optional { format!("Option<{rust}>") } else { rust.to_owned() },
        words => column.name.replace('_', " "),
        label => names::label(&column.name),
        shown => shown(column),
        entered => entered(column),
        attributes => attributes(column),
    }
}

/// How a row is called: by its first text that is not optional, or else by the beginning of its id.
fn title_of(Names { singular, row, .. }: &Names, title: Option<&Column>) -> String {
    match title {
        Some(column) => format!("{singular}.{}.clone()", column.name),
        None => {
            let row = names::label(row);
            format!("format!(\"{row} {{}}\", {singular}.id.chars().take(8).collect::<String>())")
        }
    }
}

/// An `Option<String>`: what a list says about a column. Long texts and times, which depend on the time zone, are left out.
fn detail(Names { singular, .. }: &Names, Column { name, kind, optional }: &Column) -> Option<String> {
    let words = name.replace('_', " ");
    match kind {
        Kind::Boolean => Some(format!("{singular}.{name}.then(|| \"{words}\".to_owned())")),
        Kind::Integer | Kind::Real if *optional => {
            Some(format!("{singular}.{name}.map(|{name}| format!(\"{words} {{{name}}}\"))"))
        }
        Kind::Integer | Kind::Real => Some(format!("Some(format!(\"{words} {{}}\", {singular}.{name}))")),
        Kind::Text | Kind::Timestamp => None,
    }
}

/// A signal of what a field shows before anything is typed.
fn shown(Column { name, kind, optional }: &Column) -> String {
    let read = match (kind, optional) {
        (Kind::Boolean, _) => format!("row.{name}"),
        (Kind::Timestamp, false) => format!("Some(row.{name}.clone())"),
        (Kind::Timestamp, true) => format!("row.{name}.clone()"),
        (Kind::Text, false) => format!("row.{name}.clone()"),
        (Kind::Text, true) => format!("row.{name}.clone().unwrap_or_default()"),
        (_, false) => format!("row.{name}.to_string()"),
        (_, true) => format!("row.{name}.map(|{name}| {name}.to_string()).unwrap_or_default()"),
    };
    match kind {
        Kind::Timestamp => format!("local_time::shown(column(&row, |row| {read}))"),
        _ => format!("column(&row, |row| {read})"),
    }
}

/// What was entered into a column's field, in a function that returns an `Option`.
fn entered(Column { name, kind, optional }: &Column) -> String {
    let field = format!("{name}_field.get_untracked()?");
    let required = if *optional { "" } else { "?" };
    match kind {
        Kind::Boolean => format!("{field}.checked()"),
        Kind::Text if *optional => {
            format!("Some({field}.value().trim().to_owned()).filter(|{name}| !{name}.is_empty())")
        }
        Kind::Text => format!("{field}.value().trim().to_owned()"),
        Kind::Real => format!("{field}.value().parse().ok(){required}"),
        // A number field also takes 1e3, which is no `i64` to Rust.
        Kind::Integer => {
            format!("{field}.value().parse::<f64>().ok().map(|{name}| {name} as i64){required}")
        }
        Kind::Timestamp => {
            let read = if *optional { "and_then" } else { "map" };
            format!(
                "local_time::entered(&{field}, before.as_ref().{read}(|before| before.{name}.clone())){required}"
            )
        }
    }
}

/// The attributes of a column's `<input>`.
fn attributes(Column { name, kind, optional }: &Column) -> Vec<String> {
    let own: &[&str] = match (kind, optional) {
        (Kind::Boolean, _) => &["type=\"checkbox\""],
        (Kind::Text, true) => &["type=\"text\""],
        // Not only spaces.
        (Kind::Text, false) => &["type=\"text\"", "pattern=r\".*\\S.*\""],
        (Kind::Real, _) => &["type=\"number\"", "step=\"any\""],
        // The whole numbers that JavaScript has.
        (Kind::Integer, _) => &["type=\"number\"", "min=\"-9007199254740991\"", "max=\"9007199254740991\""],
        (Kind::Timestamp, _) => &["type=\"datetime-local\""],
    };
    let required = (!optional && *kind != Kind::Boolean).then(|| "required".to_owned());
    let value = if *kind == Kind::Boolean { "checked" } else { "value" };
    let value = format!("{value}=move || {name}_shown.get()");
    own.iter().map(|text| (*text).to_owned()).chain(required).chain([value]).collect()
}

/// SQL as a Rust string literal that stands at an indentation, over several lines where it is long.
fn literal(sql: &str, indentation: usize) -> String {
    let mut text = String::new();
    let mut length = 0;
    for word in sql.split(' ') {
        if length + word.len() > LINE {
            text.push_str("\\\n");
            text.push_str(&" ".repeat(indentation + 1));
            length = 0;
        }
        text.push_str(word);
        text.push(' ');
        length += word.len() + 1;
    }
    format!("\"{}\"", text.trim_end())
}
