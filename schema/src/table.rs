//! What a table is, and the macro that defines one together with its row type.

use crate::column::Column;
use crate::tables::TABLES;

/// A synced table. Besides its columns it has an `id`, a text primary key that the browser chooses.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, the same in SQLite and in Postgres.
    pub name: &'static str,
    /// Its columns without `id`, in the order of the row type's fields.
    pub columns: &'static [Column],
    /// Whether browsers send, with each change of a row, the row as they saw it before. Strategies against conflicts
    /// other than "the last write wins" compare it with the row as it is.
    pub track_previous: bool,
}

impl Table {
    /// A table of that name, with those columns besides `id`.
    pub const fn new(name: &'static str, columns: &'static [Column]) -> Table {
        Table { name, columns, track_previous: false }
    }

    /// The same table with [`Table::track_previous`] set.
    pub const fn track_previous(self) -> Table {
        Table { track_previous: true, ..self }
    }

    /// The synced table of that name, or `None` where a client named something that is not ours to write.
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.iter().copied().find(|table| table.name == name)
    }

    /// The column of that name; `id` is not one of them.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Defines a table and its row type at once.
///
/// The fields are the columns. The row type gets an `id: String` before them, and reads from a map of columns
/// or from a plain array in the same order, which is how rows arrive from SQLite.
///
/// `pub struct Item in "items", track_previous { … }` makes browsers send previous values ([`Table::track_previous`]).
macro_rules! table {
    (
        $(#[$row_doc:meta])*
        pub struct $Row:ident in $name:literal $(, $option:ident)? {
            $( $(#[$column_doc:meta])* pub $column:ident: $Type:ty, )+
        }
    ) => {
        $(#[$row_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $Row {
            /// The primary key, a UUID chosen by the browser that made the row.
            pub id: String,
            $( $(#[$column_doc])* #[serde(with = "crate::column::cell")] pub $column: $Type, )+
        }

        impl $crate::Row for $Row {
            fn id(&self) -> &str {
                &self.id
            }
        }

        impl $crate::TableRow for $Row {
            const TABLE: &'static $crate::Table = &$crate::Table::new(
                $name,
                &[ $( $crate::Column::of::<$Type>(stringify!($column)), )+ ],
            )$( .$option() )?;
        }
    };
}

pub(crate) use table;

#[cfg(test)]
mod tests {
    use crate::{TableRow, Timestamp};

    table! {
        /// Goods in a store.
        pub struct Good in "goods", track_previous {
            /// How many there are.
            pub amount: i64,
        }
    }

    table! {
        /// What somebody wrote down.
        pub struct Note in "notes" {
            /// The text.
            pub text: String,
            /// How much it matters.
            pub priority: i64,
            /// How long it is.
            pub length: f64,
            /// Whether it is read.
            pub read: bool,
            /// Who wrote it.
            pub author: Option<String>,
            /// When it was written.
            pub written_at: Timestamp,
        }
    }

    #[test]
    fn a_row_that_was_sent_before_its_columns_were_added_is_read() {
        let read = serde_json::from_str::<Note>(r#"["a", null, null, null, null, null, null]"#).unwrap();
        let empty = Note {
            id: "a".to_owned(),
            text: String::new(),
            priority: 0,
            length: 0.0,
            read: false,
            author: None,
            written_at: Timestamp(String::new()),
        };
        assert_eq!(read, empty);
        let wrong = serde_json::from_str::<Note>(r#"["a", "", "one", 0, 0, null, ""]"#).unwrap_err();
        assert!(wrong.to_string().starts_with(r#"expected bigint, found "one""#), "{wrong}");
    }

    #[test]
    fn a_table_may_track_previous_values() {
        assert!(Good::TABLE.track_previous);
        assert_eq!(Good::TABLE.name, "goods");
        assert!(!crate::List::TABLE.track_previous, "only where it is asked for");
    }
}
