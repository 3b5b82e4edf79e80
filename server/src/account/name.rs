//! The names that people sign in with.

use axum::http::StatusCode;
use sqlx::PgPool;
use unicode_normalization::UnicodeNormalization;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection, skeleton};

use super::refused;
use crate::error::Result;

/// Characters of the longest name.
const LONGEST: usize = 60;

/// What may stand between the letters and digits of a name.
const PUNCTUATION: [char; 7] = [' ', '-', '.', '\'', '_', '@', '+'];

/// A name in the form in which it is stored and compared: NFKC, without spaces around it. Postgres cannot be asked for a text
/// with U+0000.
pub(super) fn normalized(name: &str) -> String {
    let name: String = name.nfkc().filter(|letter| *letter != '\0').collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A normalized name that somebody may take: visible, and of letters that belong together, "highly restrictive" as Unicode's
/// UTS 39 has it. So nobody writes a Latin name with a Cyrillic letter, or hides a character in it.
pub(super) fn check(name: &str) -> Result<()> {
    if !(1..=LONGEST).contains(&name.chars().count()) {
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "A name must have 1 to 60 characters."));
    }
    let letters: String = name.chars().filter(|letter| !PUNCTUATION.contains(letter)).collect();
    if letters.is_empty() || !letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive) {
        let sentence = "A name may have letters of one alphabet, digits, spaces and - . ' _ @ +, and nothing that cannot be seen.";
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, sentence));
    }
    Ok(())
}

/// What a name looks like. Two names with the same key could be taken for each other, by people at least.
pub(super) fn key(name: &str) -> String {
    skeleton(&name.to_lowercase()).collect::<String>().to_lowercase()
}

/// Gives names from before there were keys one, unless they look like another.
pub(super) async fn add_missing_keys(pool: &PgPool) -> sqlx::Result<()> {
    let names: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, name FROM users WHERE name IS NOT NULL AND name_key IS NULL ORDER BY created_at",
    )
    .fetch_all(pool)
    .await?;
    for (id, name) in names {
        sqlx::query(
            "UPDATE users SET name_key = $2
             WHERE id = $1 AND NOT EXISTS (SELECT FROM users AS other WHERE other.name_key = $2)",
        )
        .bind(id)
        .bind(key(&normalized(&name)))
        .execute(pool)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_everywhere_are_taken() {
        for name in [
            "Ann",
            "Änn Müller-Lüdenscheidt",
            "O'Brien",
            "ann.smith+2@example.com",
            "Анна",
            "安娜",
            "アンナ 安娜",
            "أنا",
            "Άννα",
            "R2",
        ] {
            assert!(check(&normalized(name)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn what_hides_or_pretends_is_not() {
        for name in [
            "",
            " \u{3000} ",
            "\u{200b}",
            "Ann\u{200b}",
            "Ann\u{202e}",
            "\u{2066}Ann",
            "Ann\u{ad}",
            "Аnn",
            "Ann🐎",
            "a\nb\u{7}",
            "--",
            &"x".repeat(61),
        ] {
            assert!(check(&normalized(name)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        for (one, other) in
            [("Ann", "aNN"), ("ann", "ａｎｎ"), ("coco", "сосо"), ("Bill", "Bi11"), ("Ann  Lee", "ann lee")]
        {
            assert_eq!(key(&normalized(one)), key(&normalized(other)), "{one} {other}");
        }
        assert_ne!(key("ann"), key("anna"));
    }
}
