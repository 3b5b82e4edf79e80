//! Splits a migration into its statements.
//!
//! What the parser does not know is left out, never an error: Postgres decides what is SQL, not this program. Of such a
//! statement the words are still there.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// One statement of a migration.
pub struct Part {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its words and signs without spaces and comments; unquoted words in lower case.
    pub words: Vec<String>,
    /// What it says, where the parser knows it.
    pub statement: Option<Statement>,
}

/// The statements of a migration, in order.
pub fn split(sql: &str) -> Vec<Part> {
    let mut tokens = Vec::new();
    // What is before the place where the tokenizer gives up is as good as ever.
    let _ = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location_into_buf(&mut tokens);
    let mut parts = Vec::new();
    let mut current = Vec::new();
    for token in tokens {
        if token.token == Token::SemiColon && !in_function_body(&current) {
            parts.extend(part(std::mem::take(&mut current)));
        } else if !matches!(token.token, Token::Whitespace(_)) {
            current.push(token);
        }
    }
    parts.extend(part(current));
    parts
}

/// Whether the tokens end inside the body of a function in standard SQL, whose statements are not run by the migration.
fn in_function_body(tokens: &[TokenWithSpan]) -> bool {
    let words: Vec<_> = tokens.iter().map(|token| word(&token.token)).collect();
    let begins = words.windows(2).any(|pair| pair == ["begin", "atomic"]);
    begins && words.last().is_none_or(|last| last != "end")
}

fn part(tokens: Vec<TokenWithSpan>) -> Option<Part> {
    let line = tokens.first()?.span.start.line;
    let words = tokens.iter().map(|token| word(&token.token)).collect();
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement().ok().filter(|_| parser.peek_token().token == Token::EOF);
    Some(Part { line, words, statement })
}

fn word(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
        token => token.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(sql: &str) -> Vec<String> {
        let parsed = |part: &Part| if part.statement.is_some() { "" } else { " (not parsed)" };
        split(sql).iter().map(|part| format!("{}: {}{}", part.line, part.words[0], parsed(part))).collect()
    }

    #[test]
    fn semicolons_within_a_statement_do_not_end_it() {
        let sql = "
            -- A comment; with a semicolon.
            ALTER TABLE todos ADD note text DEFAULT ';';
            DO $$ BEGIN UPDATE todos SET id = id; END $$;
            CREATE FUNCTION touch() RETURNS void LANGUAGE sql
            BEGIN ATOMIC
                UPDATE todos SET id = id;
                DELETE FROM todos;
            END;
            CREATE PUBLICATION powersync FOR TABLE todos;
            UPDATE todos SET id = id";
        assert_eq!(
            shapes(sql),
            [
                "3: alter",
                "4: do (not parsed)",
                "5: create (not parsed)",
                "10: create (not parsed)",
                "11: update"
            ]
        );
    }

    #[test]
    fn what_comes_before_an_unfinished_string_is_read() {
        assert_eq!(shapes("UPDATE todos SET id = id; SELECT 'oh").first().unwrap(), "1: update");
    }
}
