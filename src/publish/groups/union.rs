//! What hangs together: union–find with path halving and union by size.
//!
//! R. E. Tarjan, J. van Leeuwen: "Worst-case analysis of set union algorithms", JACM 31 (1984).

use std::collections::BTreeMap;

/// Numbers from 0, some of them joined.
pub(super) struct Union {
    parents: Vec<usize>,
    sizes: Vec<usize>,
}

impl Union {
    /// So many numbers, each alone.
    pub(super) fn new(count: usize) -> Self {
        Self { parents: (0..count).collect(), sizes: vec![1; count] }
    }

    /// The number that stands for all that hangs together with this one.
    fn root(&mut self, mut number: usize) -> usize {
        loop {
            let parent = self.parents.get(number).copied().unwrap_or(number);
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if parent == above {
                return parent;
            }
            if let Some(own) = self.parents.get_mut(number) {
                *own = above;
            }
            number = above;
        }
    }

    /// Joins what hangs together with two numbers.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let size = |number: usize| self.sizes.get(number).copied().unwrap_or(0);
        let (large, small) = if size(a) >= size(b) { (a, b) } else { (b, a) };
        let both = size(a) + size(b);
        if let (Some(parent), Some(size)) = (self.parents.get_mut(small), self.sizes.get_mut(large)) {
            (*parent, *size) = (large, both);
        }
    }

    /// All that hang together with another one, in no order that means anything.
    pub(super) fn groups(&mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in 0..self.parents.len() {
            let root = self.root(number);
            if self.sizes.get(root).is_some_and(|size| *size > 1) {
                groups.entry(root).or_default().push(number);
            }
        }
        groups.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plainest way: a number's group is all that can be reached from it.
        #[test]
        fn groups_are_what_can_be_reached(pairs in prop::collection::vec((0_usize..30, 0_usize..30), 0..40)) {
            let mut union = Union::new(30);
            pairs.iter().for_each(|(a, b)| union.join(*a, *b));
            let mut found = union.groups();
            found.iter_mut().for_each(|group| group.sort_unstable());
            found.sort();
            let mut expected = Vec::new();
            for start in 0..30 {
                let mut group = vec![start];
                loop {
                    let more = pairs.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
                    let next = more.filter(|(a, b)| group.contains(a) && !group.contains(b)).map(|(_, b)| *b).next();
                    let Some(next) = next else { break };
                    group.push(next);
                }
                group.sort_unstable();
                if group.len() > 1 && group[0] == start {
                    expected.push(group);
                }
            }
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
