//! The comparison of a table with what Postgres has.

use crate::{Column, Table};

/// A column as Postgres' `information_schema.columns` describes it.
#[derive(Clone, Debug)]
pub struct PostgresColumn {
    /// `column_name`.
    pub name: String,
    /// `data_type`.
    pub data_type: String,
    /// `is_nullable = 'YES'`.
    pub nullable: bool,
}

impl Table {
    /// What differs between this table and the columns that Postgres has for it; empty where nothing does.
    /// Each difference is a sentence for the developer who changed one side and not yet the other.
    pub fn differences(&self, in_postgres: &[PostgresColumn]) -> Vec<String> {
        if in_postgres.is_empty() {
            return vec![format!(
                "table {} is in the schema crate, but not in Postgres: write a migration",
                self.name
            )];
        }
        let id = Column::of::<String>("id");
        let ours = || std::iter::once(&id).chain(self.columns);
        let missing =
            ours().filter_map(|column| match in_postgres.iter().find(|theirs| theirs.name == column.name) {
                None => Some(format!(
                    "column {}.{} is in the schema crate, but not in Postgres: write a migration",
                    self.name, column.name
                )),
                Some(theirs) => self.difference(column, theirs),
            });
        let unknown = in_postgres.iter().filter(|theirs| ours().all(|column| column.name != theirs.name)).map(
            |theirs| {
                format!(
                    "column {}.{} is in Postgres, but not in the schema crate: add it to schema/src/tables.rs",
                    self.name, theirs.name
                )
            },
        );
        missing.chain(unknown).collect()
    }

    fn difference(&self, ours: &Column, theirs: &PostgresColumn) -> Option<String> {
        let nullable = |nullable| if nullable { "" } else { " not null" };
        let (our_type, our_null) = (ours.kind.postgres(), nullable(ours.nullable));
        let (their_type, their_null) = (theirs.data_type.as_str(), nullable(theirs.nullable));
        ((our_type, our_null) != (their_type, their_null)).then(|| {
            format!(
                "column {}.{} is {our_type}{our_null} in the schema crate, but {their_type}{their_null} in Postgres",
                self.name, ours.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const GOODS: Table = Table::new(
        "goods",
        &[Column::of::<String>("name"), Column::of::<bool>("sold"), Column::of::<Timestamp>("made_at")],
    );

    fn goods_in_postgres() -> Vec<PostgresColumn> {
        let column = |name: &str, data_type: &str| PostgresColumn {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            nullable: false,
        };
        vec![
            column("id", "text"),
            column("name", "text"),
            column("sold", "boolean"),
            column("made_at", "timestamp with time zone"),
        ]
    }

    #[test]
    fn equal_tables_have_no_differences() {
        assert_eq!(GOODS.differences(&goods_in_postgres()), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_named() {
        let mut columns = goods_in_postgres();
        columns[1].nullable = true;
        columns[2].data_type = "integer".to_owned();
        columns[3].name = "baked_at".to_owned();
        assert_eq!(
            GOODS.differences(&columns),
            [
                "column goods.name is text not null in the schema crate, but text in Postgres",
                "column goods.sold is boolean not null in the schema crate, but integer not null in Postgres",
                "column goods.made_at is in the schema crate, but not in Postgres: write a migration",
                "column goods.baked_at is in Postgres, but not in the schema crate: add it to schema/src/tables.rs",
            ]
        );
    }

    #[test]
    fn a_missing_table_is_one_difference() {
        assert_eq!(
            GOODS.differences(&[]),
            ["table goods is in the schema crate, but not in Postgres: write a migration"]
        );
    }
}
