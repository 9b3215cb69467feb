//! Sets of node indexes as words of 64 bits, as they cross into plugins.

use orch_plugin::calls::NodeSet;

pub(crate) fn insert(set: &mut NodeSet, index: u32) {
    let word = index as usize / 64;
    if set.len() <= word {
        set.resize(word + 1, 0);
    }
    set[word] |= 1 << (index % 64);
}

pub(crate) fn remove(set: &mut NodeSet, index: u32) {
    if let Some(word) = set.get_mut(index as usize / 64) {
        *word &= !(1 << (index % 64));
    }
}

pub(crate) fn count(set: &[u64]) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}

pub(crate) fn is_empty(set: &[u64]) -> bool {
    set.iter().all(|word| *word == 0)
}

/// Those of `a` that are also in `b`.
pub(crate) fn intersection(a: &[u64], b: &[u64]) -> NodeSet {
    a.iter().zip(b).map(|(a, b)| a & b).collect()
}

pub(crate) fn contains(set: &[u64], index: u32) -> bool {
    set.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

/// Takes `b` out of `a`.
pub(crate) fn subtract(a: &mut [u64], b: &[u64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a &= !b;
    }
}

/// Adds `b` to `a`, which is at least as long as the part of `b` that matters.
pub(crate) fn unite(a: &mut [u64], b: &[u64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a |= b;
    }
}

/// The indexes in ascending order.
pub(crate) fn indexes(set: &[u64]) -> impl Iterator<Item = u32> + '_ {
    set.iter().enumerate().flat_map(|(word, bits)| {
        let mut rest = *bits;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                word as u32 * 64 + bit
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_inserted() {
        let mut set = NodeSet::new();
        for index in [0, 63, 64, 200] {
            insert(&mut set, index);
        }
        remove(&mut set, 63);
        remove(&mut set, 9999);
        assert_eq!(indexes(&set).collect::<Vec<_>>(), [0, 64, 200]);
        assert_eq!(count(&set), 3);
    }

    #[test]
    fn sets_of_different_length_meet() {
        let mut a = vec![0b111, 0b1];
        subtract(&mut a, &[0b010]);
        assert_eq!(a, [0b101, 0b1]);
        assert_eq!(intersection(&a, &[0b100]), [0b100]);
        unite(&mut a, &[0b010, 0b110, 0b1]);
        assert_eq!(a, [0b111, 0b111]);
    }
}
