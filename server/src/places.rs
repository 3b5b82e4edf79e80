//! Places of which each key has only so many at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many places each key has taken. Who has none is not remembered.
pub(crate) struct Places<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K: Clone + Eq + Hash> Places<K> {
    /// With nobody in them.
    pub(crate) fn new() -> Places<K> {
        Places(Arc::default())
    }

    /// One more place for `key`, unless it has `limit` already.
    pub(crate) fn take(&self, key: K, limit: usize) -> Option<Place<K>> {
        let mut taken = lock(&self.0);
        let own = taken.entry(key.clone()).or_default();
        if *own >= limit {
            return None;
        }
        *own += 1;
        Some(Place { taken: Arc::clone(&self.0), key })
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

/// A place; free again when it is dropped.
pub(crate) struct Place<K: Clone + Eq + Hash> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut own) = lock(&self.taken).entry(self.key.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
