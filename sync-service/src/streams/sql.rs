//! The text of a query and its syntax.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{Expr, Query};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Tokenizer};

/// Reads one query.
pub(super) fn parse(sql: &str) -> Result<Box<Query>, Refused> {
    if let Some(at) = sql.find('\0') {
        return refuse(place_of(&sql[..at]), "a query does not contain the character 0");
    }
    let dialect = SyncSql { operators: Cell::new(0) };
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| syntax_error(error.into()))?;
    if let Some(token) = tokens.get(MAX_TOKENS) {
        return refuse(token.span, format!("a query has at most {MAX_TOKENS} words and signs"));
    }
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(syntax_error)?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(query);
    }
    refuse(next.span, format!("expected the end of the query, found `{}`", next.token))
}

/// Why a query is not taken, and the place in it (line and column from 1).
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub line: usize,
    pub column: usize,
    pub reason: String,
}

/// Refuses what is at a place.
pub(super) fn refuse<T>(at: Span, reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::at(at, reason))
}

impl Refused {
    /// With the place where something begins.
    pub fn at(at: Span, reason: impl Into<String>) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
        Self { line: number(at.start.line), column: number(at.start.column), reason: reason.into() }
    }
}

/// A query is walked through recursively, and a chain of operators is as deep as it is long. So both have an end.
const MAX_TOKENS: usize = 4000;
const MAX_OPERATORS: usize = 300;

fn place_of(before: &str) -> Span {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |n: usize| u64::try_from(n).unwrap_or(1);
    let place = sqlparser::tokenizer::Location::new(number(line), number(column));
    Span::new(place, place)
}

/// The parser has the place only in its message: `… at Line: 1, Column: 8`.
fn syntax_error(error: ParserError) -> Refused {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
    };
    let (reason, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, "1, Column: 1"));
    let (line, column) = place.split_once(", Column: ").unwrap_or(("1", "1"));
    let number = |text: &str| text.trim().parse().unwrap_or(1).max(1);
    Refused { line: number(line), column: number(column), reason: format!("syntax error: {reason}") }
}

/// Postgres's SQL, and `IN` with an array that has no parentheses around it: `x IN auth.parameter('ids')`.
///
/// Such an `IN` becomes [`Expr::InUnnest`].
#[derive(Debug)]
struct SyncSql {
    /// How many operators were read.
    operators: Cell<usize>,
}

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

impl Dialect for SyncSql {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        self.operators.set(self.operators.get() + 1);
        if self.operators.get() > MAX_OPERATORS {
            let at = parser.peek_token_ref().span.start;
            let message = format!("a query has at most {MAX_OPERATORS} operators{at}");
            return Some(Err(ParserError::ParserError(message)));
        }
        let keyword = |parser: &Parser, n| match &parser.peek_nth_token_ref(n).token {
            Token::Word(word) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        let negated = keyword(parser, 0) == Keyword::NOT;
        let skipped = usize::from(negated);
        if keyword(parser, skipped) != Keyword::IN
            || parser.peek_nth_token_ref(skipped + 1).token == Token::LParen
        {
            return None;
        }
        for _ in 0..=skipped {
            parser.advance_token();
        }
        let array = parser.parse_subexpr(self.prec_value(Precedence::Between));
        Some(array.map(|array| Expr::InUnnest {
            expr: Box::new(expr.clone()),
            array_expr: Box::new(array),
            negated,
        }))
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        POSTGRES.is_table_alias(keyword, parser)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn supports_string_escape_constant(&self) -> bool {
        POSTGRES.supports_string_escape_constant()
    }

    fn supports_nested_comments(&self) -> bool {
        POSTGRES.supports_nested_comments()
    }
}
