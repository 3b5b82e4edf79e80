//! A small random number generator, so that a seed gives the same steps everywhere.

/// SplitMix64.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// Whether something happens that happens once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Text of every kind that has ever gone wrong somewhere.
    pub fn text(&mut self) -> String {
        const PIECES: [&str; 14] =
            ["a", "B", " ", "\"", "\\", "\n", "'", "ü", "日本", "🦀", "\u{2028}", "{\"k\":1}", "\t", "%s"];
        let pieces = if self.once_in(200) { 4000 } else { self.below(12) };
        (0..pieces).map(|_| *self.pick(&PIECES)).collect()
    }
}
