//! Which rows lie in one bucket.

use super::{Source, Streams, Variant};

/// The variants of a stream whose queries are being read, each with the rows that it brings.
#[derive(Default)]
pub(super) struct Draft(Vec<(Variant, Vec<Source>)>);

impl Draft {
    /// Adds the rows of an alternative. Where another query of the stream asks just the same of a request, who gets its rows
    /// gets these, too: they share a bucket, as at the official service.
    ///
    /// Only rows that clients know by the same name of a table do not. The two queries may select the same row, and what one of
    /// them withdraws would be gone for the other.
    pub fn add(&mut self, variant: Variant, source: Source) {
        let fits = |sources: &[Source]| {
            sources.contains(&source) || sources.iter().all(|known| known.object_type != source.object_type)
        };
        match self.0.iter_mut().find(|(known, sources)| *known == variant && fits(sources)) {
            Some((_, sources)) if sources.contains(&source) => {}
            Some((_, sources)) => sources.push(source),
            None => self.0.push((variant, vec![source])),
        }
    }

    /// How many alternatives the queries have so far.
    pub fn alternatives(&self) -> usize {
        self.0.iter().map(|(_, sources)| sources.len()).sum()
    }

    /// The variants, with their sources among those of all streams.
    pub fn finish(self, stream: &str, streams: &mut Streams) -> Vec<Variant> {
        let variants = self.0.into_iter().enumerate();
        let variants = variants.map(|(number, (variant, sources))| {
            let sources = known(&streams.sources, &sources).unwrap_or_else(|| {
                let first = streams.sources.len();
                let bucket = format!("{stream}|{number}");
                let sources = sources.into_iter().map(|source| Source { bucket: bucket.clone(), ..source });
                streams.sources.extend(sources);
                (first..streams.sources.len()).collect()
            });
            Variant { sources, ..variant }
        });
        variants.collect()
    }
}

/// The sources of a bucket that has exactly these rows.
fn known(all: &[Source], wanted: &[Source]) -> Option<Vec<usize>> {
    let mut first = 0;
    for bucket in all.chunk_by(|one, next| one.bucket == next.bucket) {
        let sources = first..first + bucket.len();
        first = sources.end;
        let is_wanted = |source: &Source| wanted.iter().any(|wanted| wanted.has_the_rows_of(source));
        if bucket.len() == wanted.len() && bucket.iter().all(is_wanted) {
            return Some(sources.collect());
        }
    }
    None
}

impl Source {
    fn has_the_rows_of(&self, other: &Self) -> bool {
        let Self { bucket: _, table, object_type, columns, rows } = self;
        (table, object_type, columns, rows) == (&other.table, &other.object_type, &other.columns, &other.rows)
    }
}
