//! What is known of something at a provider, written down as often as it changes.

use std::ops::Deref;

use anyhow::Result;

/// A value that can be changed only by saving it too.
pub struct Kept<'a, T> {
    value: T,
    save: Save<'a, T>,
}

type Save<'a, T> = Box<dyn FnMut(&T) -> Result<()> + Send + 'a>;

impl<'a, T> Kept<'a, T> {
    /// `value` as it is saved now, and how to save it anew.
    pub fn new(value: T, save: impl FnMut(&T) -> Result<()> + Send + 'a) -> Self {
        Self { value, save: Box::new(save) }
    }

    /// Changes the value, and returns when it is saved.
    pub fn change(&mut self, change: impl FnOnce(&mut T)) -> Result<()> {
        change(&mut self.value);
        (self.save)(&self.value)
    }
}

impl<T> Deref for Kept<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
