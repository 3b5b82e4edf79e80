//! From a position in a query to a position in the YAML text around it.

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
    /// YAML folds and re-indents white space but keeps every other character of a plain or block scalar. So the character
    /// with the same number of visible characters before it is the one that is meant.
    pub fn locate(&self, line: usize, column: usize) -> (usize, usize) {
        let before = self.query.split_inclusive('\n').take(line).enumerate().map(|(i, text)| {
            let end = if i + 1 == line { column.saturating_sub(1) } else { usize::MAX };
            visible(text.chars().take(end))
        });
        let mut left: usize = before.sum();
        let start = self.content();
        for (i, c) in self.text[start..].char_indices().filter(|(_, c)| !c.is_whitespace()) {
            if left == 0 {
                return line_and_column(self.text, start + i);
            }
            left -= visible([c]);
        }
        line_and_column(self.text, self.offset)
    }

    /// Byte offset of the first character behind a block header or an opening quote.
    fn content(&self) -> usize {
        let offset = (0..=self.offset.min(self.text.len())).rev().find(|i| self.text.is_char_boundary(*i));
        let offset = offset.unwrap_or(0);
        let scalar = &self.text[offset..];
        match scalar.chars().next() {
            Some('|' | '>') => offset + scalar.find('\n').unwrap_or(0),
            Some('"' | '\'') => offset + 1,
            _ => offset,
        }
    }
}

fn visible(chars: impl IntoIterator<Item = char>) -> usize {
    chars.into_iter().filter(|c| !c.is_whitespace()).count()
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
