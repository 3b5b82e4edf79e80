//! Passwords, by argon2id.

use std::sync::LazyLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use schema::account::LONGEST_PASSWORD;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// How many are hashed at once. Each takes a core and 19 MiB, so a crowd that signs in waits here instead of taking them
/// all.
static TURNS: Semaphore = Semaphore::const_new(4);

/// What a password is compared with where there is no such user, so that it takes as long.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody's").ok());

/// Makes what the first comparison needs, so that it does not take longer than later ones.
pub(super) async fn prepare() -> Result<()> {
    in_turn(|| NOBODYS.as_ref().map(|_| ()).ok_or(Error::Internal)).await
}

/// The hash of a new password, as a PHC string with its own salt.
pub(super) async fn hash(password: String) -> Result<String> {
    in_turn(move || hash_now(shortened(&password))).await
}

/// Whether the password is the one with that hash. Without a hash it is wrong, and takes as long to be found so.
pub(super) async fn is_right(password: String, hash: Option<String>) -> Result<bool> {
    in_turn(move || compare(&password, hash)).await
}

fn compare(password: &str, hash: Option<String>) -> Result<bool> {
    let known = hash.is_some();
    let hash = hash.or_else(|| NOBODYS.clone()).ok_or(Error::Internal)?;
    let hash = PasswordHash::new(&hash).map_err(|error| unreadable(&error))?;
    // First, so that it is never left out.
    let fits = verify(password, &hash);
    Ok(fits && known)
}

fn verify(password: &str, hash: &PasswordHash) -> bool {
    #[cfg(test)]
    tests::VERIFICATIONS.with(|count| count.set(count.get() + 1));
    Argon2::default().verify_password(shortened(password).as_bytes(), hash).is_ok()
}

fn hash_now(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| unreadable(&error))
}

/// What is beyond the longest password does not count.
fn shortened(password: &str) -> &str {
    password.char_indices().nth(LONGEST_PASSWORD).map_or(password, |(end, _)| &password[..end])
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let turn = TURNS.acquire().await.map_err(|_| Error::Internal)?;
    // The work goes on when its client has gone, so it is the work that has the turn.
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Internal)?
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    tracing::error!("a password cannot be hashed or compared: {error}");
    Error::Internal
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How often a password was compared with a hash on this thread.
        pub(super) static VERIFICATIONS: Cell<usize> = const { Cell::new(0) };
    }

    #[tokio::test]
    async fn a_password_is_right_for_its_hash_only() {
        let hash = hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_right("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!is_right("correct horse ".to_owned(), Some(hash)).await.unwrap());
        assert!(!is_right("nobody's".to_owned(), None).await.unwrap());
    }

    #[test]
    fn an_unknown_name_costs_as_many_verifications_as_a_known_one() {
        let of_ann = hash_now("correct horse").unwrap();
        let verifications = |password: &str, hash: Option<&String>| {
            let before = VERIFICATIONS.get();
            compare(password, hash.cloned()).unwrap();
            VERIFICATIONS.get() - before
        };
        assert_eq!(verifications("correct horse", Some(&of_ann)), 1);
        assert_eq!(verifications("wrong horse", Some(&of_ann)), 1);
        assert_eq!(verifications("correct horse", None), 1);
        assert_eq!(verifications("nobody's", None), 1);
    }
}
