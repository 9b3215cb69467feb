/// A set of node indexes, one bit each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSet {
    words: Vec<u64>,
}

impl NodeSet {
    pub fn new() -> Self {
        NodeSet::default()
    }

    /// Empty, with room for indexes below `nodes`.
    pub fn with_capacity(nodes: usize) -> Self {
        NodeSet { words: vec![0; nodes.div_ceil(64)] }
    }

    pub fn from_words(words: Vec<u64>) -> Self {
        NodeSet { words }
    }

    /// Bit i of word i / 64 is index i.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    pub fn insert(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
    }

    pub fn remove(&mut self, index: usize) {
        if let Some(word) = self.words.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
    }

    pub fn contains(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many nodes are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// One more than the highest index in the set.
    pub fn len(&self) -> usize {
        let last = self.words.iter().rposition(|word| *word != 0);
        last.map_or(0, |word| word * 64 + 64 - self.words[word].leading_zeros() as usize)
    }

    /// The nodes in both sets.
    pub fn intersection(&self, other: &NodeSet) -> NodeSet {
        let words = self.words.iter().zip(&other.words).map(|(own, other)| own & other);
        NodeSet { words: words.collect() }
    }

    pub fn intersects(&self, other: &NodeSet) -> bool {
        self.words.iter().zip(&other.words).any(|(own, other)| own & other != 0)
    }

    /// Those that are not in the other set.
    pub fn difference(&self, other: &NodeSet) -> NodeSet {
        let other = other.words.iter().copied().chain(std::iter::repeat(0));
        NodeSet { words: self.words.iter().zip(other).map(|(own, other)| own & !other).collect() }
    }

    /// Takes those of the other set in.
    pub fn extend(&mut self, other: &NodeSet) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// In ascending order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { words: self.words.iter(), base: 0, rest: 0 }
    }
}

/// The indexes of a set: what policies spend their time in, so it is a plain loop.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    words: std::slice::Iter<'a, u64>,
    /// One past the last index of the current word.
    base: usize,
    /// The bits of the current word that are still to come.
    rest: u64,
}

impl Iterator for Iter<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.rest == 0 {
            self.rest = *self.words.next()?;
            self.base += 64;
        }
        let bit = self.rest.trailing_zeros() as usize;
        self.rest &= self.rest - 1;
        Some(self.base - 64 + bit)
    }

    /// Exact, so that a list of answers is allocated once.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let ones = |word: &u64| word.count_ones() as usize;
        let left = ones(&self.rest) + self.words.as_slice().iter().map(ones).sum::<usize>();
        (left, Some(left))
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        let mut set = NodeSet::new();
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_go_in_and_come_out_in_order() {
        let set: NodeSet = [200, 3, 64].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 200]);
        assert_eq!((set.len(), set.count()), (201, 3));
        assert!(set.contains(64) && !set.contains(65) && !set.contains(100_000));
        assert_eq!(NodeSet::new().len(), 0);
    }

    #[test]
    fn iterators_know_how_many_are_left() {
        let set: NodeSet = [3, 64, 200].into_iter().collect();
        let mut indexes = set.iter();
        for left in (0..=3).rev() {
            assert_eq!(indexes.size_hint(), (left, Some(left)));
            indexes.next();
        }
        assert_eq!(indexes.next(), None);
    }

    #[test]
    fn intersections_hold_what_both_hold() {
        let (small, large): (NodeSet, NodeSet) =
            ([1, 3].into_iter().collect(), [3, 400].into_iter().collect());
        assert_eq!(small.intersection(&large).iter().collect::<Vec<_>>(), [3]);
        assert_eq!(large.intersection(&small).iter().collect::<Vec<_>>(), [3]);
        assert!(large.intersection(&NodeSet::new()).is_empty());
        assert!(small.intersects(&large) && !small.intersects(&[400].into_iter().collect()));
    }
    #[test]
    fn differences_and_unions_whatever_the_lengths() {
        let indexes = |set: &NodeSet| set.iter().collect::<Vec<_>>();
        let (short, long): (NodeSet, NodeSet) =
            ([1, 2].into_iter().collect(), [2, 3, 200].into_iter().collect());
        assert_eq!(indexes(&short.difference(&long)), [1]);
        assert_eq!(indexes(&long.difference(&short)), [3, 200]);
        for (mut one, other) in [(short.clone(), &long), (long.clone(), &short)] {
            one.extend(other);
            assert_eq!(indexes(&one), [1, 2, 3, 200]);
        }
    }
}
