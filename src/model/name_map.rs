//! A map by owner name for many names: looked up by their hashes, and told in order when order matters.

use hashbrown::HashMap;

use super::name::Name;

/// A map by owner name, which compares without case.
///
/// It cannot be walked through by accident: a plan, and whatever else is told to people, must not depend on how a hash
/// table happens to lie in memory.
#[derive(Debug, Clone)]
pub struct NameMap<V>(HashMap<Name, V>);

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> NameMap<V> {
    /// What is at a name.
    pub fn get(&self, name: &Name) -> Option<&V> {
        self.0.get(name)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &Name) -> Option<&mut V> {
        self.0.get_mut(name)
    }

    /// What is at a name, made first when nothing is.
    pub fn get_or_default(&mut self, name: &Name) -> &mut V
    where
        V: Default,
    {
        self.0.entry_ref(name).or_default()
    }

    /// Puts something at a name, in place of what was there.
    pub fn insert(&mut self, name: Name, value: V) {
        self.0.insert(name, value);
    }

    /// Takes away what is at a name.
    pub fn remove(&mut self, name: &Name) -> Option<V> {
        self.0.remove(name)
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether something is at a name.
    pub fn contains(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything in canonical order of names.
    pub fn sorted(&self) -> Vec<(&Name, &V)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Everything in no order: for what is counted, or sorted afterwards.
    pub fn unsorted(&self) -> impl Iterator<Item = (&Name, &V)> {
        self.0.iter()
    }
}
