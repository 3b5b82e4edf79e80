//! From a position in a query to a position in the YAML text around it.

use std::iter::Peekable;
use std::str::CharIndices;

/// Where a query stands in the sync config.
pub(super) struct Place<'a> {
    pub text: &'a str,
    /// Byte offset of the YAML scalar that holds the query.
    pub offset: usize,
    pub query: &'a str,
}

impl Place<'_> {
    /// Line and column (both from 1) in the sync config of a line and column (both from 1) of the query.
    ///
    /// YAML folds and re-indents white space, and has escapes in quotes, but keeps every other character. So the character with
    /// the same number of visible characters before it is the one that is meant.
    pub fn locate(&self, line: usize, column: usize) -> (usize, usize) {
        let before = self.query.split_inclusive('\n').take(line).enumerate().map(|(i, text)| {
            let end = if i + 1 == line { column.saturating_sub(1) } else { usize::MAX };
            text.chars().take(end).filter(|c| !c.is_whitespace()).count()
        });
        let before: usize = before.sum();
        let (start, quote) = self.content();
        let mut visible = Visible { chars: self.text[start..].char_indices().peekable(), quote };
        match visible.nth(before) {
            Some(offset) => line_and_column(self.text, start + offset),
            None => line_and_column(self.text, start),
        }
    }

    /// Byte offset of the first character behind a block header or an opening quote, and the quote.
    fn content(&self) -> (usize, Option<char>) {
        let offset = (0..=self.offset.min(self.text.len())).rev().find(|i| self.text.is_char_boundary(*i));
        let offset = offset.unwrap_or(0);
        let scalar = &self.text[offset..];
        match scalar.chars().next() {
            Some('|' | '>') => (offset + scalar.find('\n').unwrap_or(0), None),
            Some(quote @ ('"' | '\'')) => (offset + 1, Some(quote)),
            _ => (offset, None),
        }
    }
}

/// The byte offsets of the visible characters of a scalar; one that is written as an escape is where the escape begins.
struct Visible<'a> {
    chars: Peekable<CharIndices<'a>>,
    quote: Option<char>,
}

impl Iterator for Visible<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let (offset, c) = self.chars.next()?;
            let visible = match (c, self.quote) {
                ('\\', Some('"')) => self.escape(),
                ('\'', Some('\'')) => {
                    self.chars.next_if(|(_, c)| *c == '\'');
                    true
                }
                (c, _) => !c.is_whitespace(),
            };
            if visible {
                return Some(offset);
            }
        }
    }
}

impl Visible<'_> {
    /// Reads what follows a backslash. Says whether it stands for a visible character.
    fn escape(&mut self) -> bool {
        let digits = match self.chars.next().map(|(_, c)| c) {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(c) => return !(c.is_whitespace() || "ntrvfN_LP".contains(c)),
            None => return false,
        };
        let digits: String = (0..digits)
            .filter_map(|_| self.chars.next_if(|(_, c)| c.is_ascii_hexdigit()))
            .map(|(_, c)| c)
            .collect();
        let c = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        c.is_none_or(|c| !c.is_whitespace())
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
