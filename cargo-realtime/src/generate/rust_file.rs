//! Insertions into a Rust file that people edit: everything else in it stays as it is, letter by letter.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Item, ItemUse, UseTree, Visibility};

use super::changes::FileChange;
use super::rustfmt;

/// A Rust file of the app with what is to be inserted.
pub struct RustFile {
    root: PathBuf,
    path: PathBuf,
    text: String,
    file: syn::File,
    /// Where, and what. Of several at one place the first comes first.
    insertions: Vec<(usize, String)>,
}

impl RustFile {
    /// Reads the file at `path` below the app's `root`.
    pub fn read(root: &Path, path: &str) -> Result<Self> {
        let text = fs::read_to_string(root.join(path)).with_context(|| {
            format!("{path} cannot be read. It is one of the files that a new table is written into; put it back first.")
        })?;
        let file = parse(&text, path)?;
        Ok(Self { root: root.to_owned(), path: path.into(), text, file, insertions: Vec::new() })
    }

    /// The change, checked and formatted. A file that was not formatted before is left so.
    pub fn change(mut self) -> Result<FileChange> {
        self.insertions.sort_by_key(|(place, _)| *place);
        let mut text = self.text.clone();
        for (place, insertion) in self.insertions.iter().rev() {
            text.insert_str(*place, insertion);
        }
        parse(&text, &self.path.display().to_string())?;
        if rustfmt::format(&self.root, &self.path, &self.text)? == self.text {
            text = rustfmt::format(&self.root, &self.path, &text)?;
        }
        Ok(FileChange::changed(self.path, text))
    }

    /// The items at the top of the file.
    pub fn items(&self) -> &[Item] {
        &self.file.items
    }

    /// Adds text at the end.
    pub fn append(&mut self, text: &str) {
        self.insert(self.text.len(), text.to_owned());
    }

    /// Adds text on its own lines after the last of the items that `is` accepts, or before all items where there is none.
    pub fn after_last(&mut self, is: impl Fn(&Item) -> bool, text: &str) {
        match self.items().iter().rev().find(|item| is(item)) {
            Some(item) => self.insert(range(item).end, format!("\n{text}")),
            None => {
                let first = self.items().first().map_or(self.text.len(), |item| range(item).start);
                self.insert(first, format!("{text}\n"));
            }
        }
    }

    /// Makes `use {module}::{name};` hold, with the visibility `pub` if it is asked for.
    pub fn import(&mut self, public: bool, module: &str, name: &str) {
        if self.uses(public).any(|item| imports(&item.tree, name)) {
            return;
        }
        let group = self.uses(public).find_map(|item| match &item.tree {
            UseTree::Path(path) if path.ident == module => match path.tree.as_ref() {
                UseTree::Group(group) => Some(group.brace_token.span.open().byte_range().end),
                _ => None,
            },
            _ => None,
        });
        match group {
            Some(place) => self.insert(place, format!("{name}, ")),
            None => {
                let public = if public { "pub " } else { "" };
                self.after_last(
                    |item| matches!(item, Item::Use(_)),
                    &format!("{public}use {module}::{name};"),
                );
            }
        }
    }

    /// Adds an element to the array in the constant `name`, such as `const PAGES: &[&str] = &["/"];`.
    pub fn add_to_array(&mut self, name: &str, element: &str) -> Result<()> {
        let array = self.items().iter().find_map(|item| match item {
            Item::Const(item) if item.ident == name => match item.expr.as_ref() {
                Expr::Reference(reference) => match reference.expr.as_ref() {
                    Expr::Array(array) => Some(array),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        let array = array.with_context(|| {
            self.missing(&format!("a constant {name} of the form `&[…]`"), &format!("{element} in {name}"))
        })?;
        let comma = if needs_comma(&array.elems) { ", " } else { "" };
        let place = array.bracket_token.span.close().byte_range().start;
        self.insert(place, format!("{comma}{element}"));
        Ok(())
    }

    /// Adds lines before the closing tag `</tag>` of the one `<tag>` in the function's view, indented as its children.
    pub fn add_to_tag(&mut self, function: &str, tag: &str, lines: &[String]) -> Result<()> {
        let tokens = TokenStream::from_str(&self.text)
            .map_err(|error| anyhow::anyhow!("{} is not Rust: {error}", self.path.display()))?;
        let body = body_of(tokens, function);
        let closings = body.map(|body| closing_tags(body.stream(), tag)).unwrap_or_default();
        let place = match closings.as_slice() {
            [place] => *place,
            _ => {
                let expected = format!("exactly one </{tag}> in the function {function}");
                anyhow::bail!(self.missing(&expected, &lines.join("\n")))
            }
        };
        let line = self.text[..place].rfind('\n').map_or(0, |end| end + 1);
        let indent = &self.text[line..place];
        ensure!(
            indent.trim().is_empty(),
            self.missing(
                &format!("</{tag}> on a line of its own in the function {function}"),
                &lines.join("\n")
            )
        );
        let text =
            lines.iter().flat_map(|text| text.lines()).map(|text| format!("{indent}    {text}\n")).collect();
        self.insert(line, text);
        Ok(())
    }

    /// The sentence for a file that people have made different from what a new table can be inserted into.
    fn missing(&self, expected: &str, by_hand: &str) -> String {
        format!(
            "{} lacks {expected}, where this belongs:\n{by_hand}\nNothing was changed. Bring the file into that form, and run the command \
             again.",
            self.path.display()
        )
    }

    fn insert(&mut self, place: usize, text: String) {
        self.insertions.push((place, text));
    }

    fn uses(&self, public: bool) -> impl Iterator<Item = &ItemUse> {
        self.items().iter().filter_map(move |item| match item {
            Item::Use(item) if public == matches!(item.vis, Visibility::Public(_)) => Some(item),
            _ => None,
        })
    }
}

fn parse(text: &str, path: &str) -> Result<syn::File> {
    syn::parse_file(text).map_err(|error| {
        let at = error.span().start();
        anyhow::anyhow!(
            "{path} is not Rust: {error} (line {}). Correct it, and run the command again.",
            at.line
        )
    })
}

fn range(item: &Item) -> Range<usize> {
    item.span().byte_range()
}

fn needs_comma<T, P>(elements: &Punctuated<T, P>) -> bool {
    !elements.empty_or_trailing()
}

/// Whether a `use` brings in this name.
fn imports(tree: &UseTree, name: &str) -> bool {
    match tree {
        UseTree::Path(path) => imports(&path.tree, name),
        UseTree::Name(import) => import.ident == name,
        UseTree::Rename(import) => import.rename == name,
        UseTree::Group(group) => group.items.iter().any(|tree| imports(tree, name)),
        UseTree::Glob(_) => false,
    }
}

/// The body of the function of this name.
fn body_of(tokens: TokenStream, function: &str) -> Option<Group> {
    let mut tokens = tokens.into_iter().skip_while({
        let mut after_fn = false;
        move |token| {
            let found = after_fn && is_ident(token, function);
            after_fn = is_ident(token, "fn");
            !found
        }
    });
    tokens.find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    })
}

/// Where the closing tags `</tag>` begin, at any depth.
fn closing_tags(tokens: TokenStream, tag: &str) -> Vec<usize> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let inner = tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(closing_tags(group.stream(), tag)),
        _ => None,
    });
    let own = tokens.windows(4).filter_map(|window| match window {
        [open, slash, name, close]
            if is_sign(open, '<') && is_sign(slash, '/') && is_ident(name, tag) && is_sign(close, '>') =>
        {
            Some(open.span().byte_range().start)
        }
        _ => None,
    });
    own.chain(inner.flatten()).collect()
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == name)
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}
