//! Who may upload at this moment. Nobody can keep others from it: neither one user, nor many who send a lot.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::limits;
use crate::{
    error::{Error, Result},
    places::{Place, Places},
};

/// The turns there are.
pub(crate) struct Turns {
    users: Places<String>,
    small: Semaphore,
    large: Semaphore,
    /// Room for bodies, in KiB.
    memory: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    /// As many as the limits say, and nobody has one.
    pub(crate) fn new() -> Turns {
        Turns {
            users: Places::new(),
            small: Semaphore::new(limits::SMALL_TURNS),
            large: Semaphore::new(limits::LARGE_TURNS),
            memory: Arc::new(Semaphore::new(limits::MEMORY_KIB)),
            patience: limits::PATIENCE,
        }
    }

    /// The right of a user to upload, as long as what this gives lives.
    pub(super) fn of_user(&self, user_id: &str) -> Result<Place<String>> {
        self.users.take(user_id.to_owned(), limits::PER_USER).ok_or(Error::TooMany(Duration::ZERO))
    }

    /// Waits for the turn of an upload of so many bytes. Those of a size take turns in the order in which they have arrived.
    pub(super) async fn next(&self, bytes: usize) -> Result<SemaphorePermit<'_>> {
        let turns = if bytes <= limits::SMALL { &self.small } else { &self.large };
        let turn = tokio::time::timeout(self.patience, turns.acquire()).await;
        turn.ok().and_then(|turn| turn.ok()).ok_or(Error::Busy)
    }

    /// Room for so many bytes, besides what `taken` already has.
    pub(super) fn room(&self, bytes: usize, taken: &mut Option<OwnedSemaphorePermit>) -> Result<()> {
        let has = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(1024).saturating_sub(has)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.memory).try_acquire_many_owned(more).map_err(|_| Error::Busy)?;
        match taken {
            Some(taken) => taken.merge(room),
            None => *taken = Some(room),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns for which nobody waits.
    fn impatient() -> Turns {
        Turns { patience: Duration::ZERO, ..Turns::new() }
    }

    #[test]
    fn a_user_has_two_uploads_and_others_have_theirs() {
        let turns = Turns::new();
        let ends = turns.of_user("ann").unwrap();
        let goes_on = turns.of_user("ann").unwrap();
        assert!(matches!(turns.of_user("ann"), Err(Error::TooMany(_))));
        assert!(turns.of_user("bob").is_ok());
        drop(ends);
        let third = turns.of_user("ann").unwrap();
        assert!(turns.of_user("ann").is_err());
        drop((third, goes_on));
        assert!(turns.users.is_empty(), "no user without an upload is remembered");
    }

    #[tokio::test]
    async fn large_uploads_take_no_turn_of_small_ones() {
        let turns = impatient();
        let mut large = Vec::new();
        for _ in 0..limits::LARGE_TURNS {
            large.push(turns.next(limits::SMALL + 1).await.unwrap());
        }
        assert!(matches!(turns.next(limits::SMALL + 1).await, Err(Error::Busy)));
        let mut small = Vec::new();
        for _ in 0..limits::SMALL_TURNS {
            small.push(turns.next(limits::SMALL).await.unwrap());
        }
        assert!(matches!(turns.next(1).await, Err(Error::Busy)));
        large.clear();
        assert!(turns.next(limits::SMALL + 1).await.is_ok());
    }

    #[test]
    fn bodies_have_so_much_memory_and_no_more() {
        let turns = Turns::new();
        let (mut one, mut other) = (None, None);
        turns.room(1, &mut one).unwrap();
        turns.room(limits::MEMORY_KIB * 1024 - 1024, &mut one).unwrap();
        turns.room(1024, &mut other).unwrap();
        assert!(matches!(turns.room(1025, &mut other), Err(Error::Busy)));
        drop(one);
        assert!(turns.room(1025, &mut other).is_ok());
    }
}
