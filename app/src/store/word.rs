//! A row for the tests of the store, which are to hold whatever tables the app has.

use schema::Row;
use serde::{Deserialize, Serialize};

/// The first letter says which one it is, the others how it was edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word(pub String);

impl Row for Word {
    fn id(&self) -> &str {
        &self.0[..1]
    }
}

/// The words of a text.
pub fn words(text: &str) -> Vec<Word> {
    text.split_whitespace().map(|word| Word(word.to_owned())).collect()
}
