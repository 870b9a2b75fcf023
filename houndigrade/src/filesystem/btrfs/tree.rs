//! Trees of items, sorted by key. Each block is checked against its pointer, so no tree has a loop or a block twice: a walk ends
//! after at most as many blocks as the disk has.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::checksum;
use super::chunks::Chunks;
use super::damaged;
use crate::bytes::{le32, le64};
use crate::filesystem::FileSystemError;

const HEADER: usize = 101;
const KEY: usize = 17;
/// An item of a leaf: key, offset and size of its data. One of an inner node: key, address, generation.
const LEAF_ENTRY: usize = 25;
const INNER_ENTRY: usize = 33;
/// Linux has no higher trees.
const MAX_LEVEL: u8 = 7;
/// Nodes that are kept: 4 MiB of the largest, and the paths to a handful of places in the usual ones.
const CACHED: usize = 64;

/// The key of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) id: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

impl Key {
    pub(super) fn new(id: u64, kind: u8, offset: u64) -> Self {
        Self { id, kind, offset }
    }

    /// Parses the key at `offset` in `bytes`.
    pub(super) fn parse(bytes: &[u8], offset: usize) -> Option<Self> {
        Some(Self {
            id: le64(bytes, offset)?,
            kind: *bytes.get(offset + 8)?,
            offset: le64(bytes, offset + 9)?,
        })
    }
}

/// Address of a node, and the contents expected there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pointer {
    logical: u64,
    generation: u64,
    level: u8,
    /// Its first key, unless it is a root.
    first: Option<Key>,
    /// All its keys are below this.
    below: Option<Key>,
}

impl Pointer {
    /// Returns a pointer to the root of a tree.
    pub(super) fn root(logical: u64, generation: u64, level: u8) -> Self {
        Self {
            logical,
            generation,
            level,
            first: None,
            below: None,
        }
    }

    #[cfg(test)]
    pub(super) fn logical(&self) -> u64 {
        self.logical
    }
}

/// A block of a tree. Its keys ascend, and the data of its items lie within it.
struct TreeNode {
    bytes: Vec<u8>,
    keys: Vec<Key>,
}

impl TreeNode {
    fn parse(bytes: Vec<u8>, at: &Pointer) -> Result<Self, FileSystemError> {
        let logical = at.logical;
        let wrong = |what: &str| damaged(format!("the tree block at {logical} {what}"));
        if !checksum::is_right(&bytes) {
            return wrong("has a wrong checksum");
        }
        if (le64(&bytes, 0x30), le64(&bytes, 0x50)) != (Some(logical), Some(at.generation)) {
            return wrong("is another one");
        }
        if bytes.get(0x64) != Some(&at.level) || at.level > MAX_LEVEL {
            return wrong("is of another level");
        }
        let entry = if at.level == 0 {
            LEAF_ENTRY
        } else {
            INNER_ENTRY
        };
        let count = le32(&bytes, 0x60).map_or(usize::MAX, |count| count as usize);
        if count > (bytes.len() - HEADER) / entry {
            return wrong("has more items than room");
        }
        let keys: Vec<Key> = (0..count)
            .filter_map(|index| Key::parse(&bytes, HEADER + index * entry))
            .collect();
        if !keys.is_sorted_by(|one, next| one < next) {
            return wrong("is not sorted");
        }
        let node = Self { bytes, keys };
        if at.level == 0 && (0..count).any(|index| node.data(index).is_none()) {
            return wrong("has an item beyond its end");
        }
        Ok(node)
    }

    /// Returns whether the keys are those that the pointer claims.
    fn fits(&self, at: &Pointer) -> bool {
        match (self.keys.first(), self.keys.last()) {
            (Some(first), Some(last)) => {
                at.first.is_none_or(|promised| promised == *first)
                    && at.below.is_none_or(|below| *last < below)
            }
            // Only a tree without items has an empty block.
            _ => at.first.is_none() && at.level == 0,
        }
    }

    /// Returns the child at `index` of the inner node at `at`.
    fn child(&self, at: &Pointer, index: usize) -> Option<Pointer> {
        let entry = HEADER + index * INNER_ENTRY;
        Some(Pointer {
            logical: le64(&self.bytes, entry + KEY)?,
            generation: le64(&self.bytes, entry + KEY + 8)?,
            level: at.level.checked_sub(1)?,
            first: Some(*self.keys.get(index)?),
            below: self.keys.get(index + 1).copied().or(at.below),
        })
    }

    /// Returns the data of the item at `index` of a leaf.
    fn data(&self, index: usize) -> Option<&[u8]> {
        let entry = HEADER + index * LEAF_ENTRY;
        let field = |offset| usize::try_from(le32(&self.bytes, entry + offset)?).ok();
        let start = HEADER + field(KEY)?;
        self.bytes.get(start..start.checked_add(field(KEY + 4)?)?)
    }
}

/// An item, with its leaf kept in memory.
#[derive(Clone)]
pub(super) struct TreeItem {
    pub(super) key: Key,
    leaf: Rc<TreeNode>,
    index: usize,
}

impl TreeItem {
    pub(super) fn data(&self) -> &[u8] {
        self.leaf.data(self.index).unwrap_or_default()
    }

    /// Returns whether both items are in one leaf.
    pub(super) fn shares_leaf(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.leaf, &other.leaf)
    }
}

/// All trees of a file system.
pub(super) struct Trees {
    pub(super) chunks: Chunks,
    pub(super) node_size: usize,
    /// Nodes by address, the last used at the end.
    cache: RefCell<VecDeque<(u64, Rc<TreeNode>)>>,
}

impl Trees {
    pub(super) fn new(chunks: Chunks, node_size: usize) -> Self {
        Self {
            chunks,
            node_size,
            cache: RefCell::default(),
        }
    }

    /// Returns the item with this key.
    ///
    /// # Errors
    /// If a block on the way is damaged or can't be read; so for all methods.
    pub(super) fn get(
        &self,
        root: &Pointer,
        key: Key,
    ) -> Result<Option<TreeItem>, FileSystemError> {
        let item = self.at_or_before(root, key)?;
        Ok(item.filter(|item| item.key == key))
    }

    /// Returns the last item with a key not above this one.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(super) fn at_or_before(
        &self,
        root: &Pointer,
        key: Key,
    ) -> Result<Option<TreeItem>, FileSystemError> {
        let (_, leaf) = self.descend(root, key, |_, _| {})?;
        let after = leaf.keys.partition_point(|here| *here <= key);
        Ok(after.checked_sub(1).and_then(|index| {
            let key = *leaf.keys.get(index)?;
            Some(TreeItem { key, leaf, index })
        }))
    }

    /// Returns the items from `key` on, in order.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(super) fn from(&self, root: &Pointer, key: Key) -> Result<TreeItems<'_>, FileSystemError> {
        let mut siblings = Vec::new();
        let (_, leaf) = self.descend(root, key, |pointer, next| siblings.push((pointer, next)))?;
        let index = leaf.keys.partition_point(|here| *here < key);
        Ok(TreeItems {
            trees: self,
            inner: siblings,
            leaf,
            index,
        })
    }

    /// Returns the items of one kind and id, in order of their offsets.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(super) fn all(
        &self,
        root: &Pointer,
        id: u64,
        kind: u8,
    ) -> Result<impl Iterator<Item = Result<TreeItem, FileSystemError>> + '_, FileSystemError> {
        let items = self.from(root, Key::new(id, kind, 0))?;
        Ok(items.take_while(move |item| {
            item.as_ref()
                .map_or(true, |item| (item.key.id, item.key.kind) == (id, kind))
        }))
    }

    /// Descends from the root to the leaf for `key`. `visit` gets each inner node, and the index of the child after
    /// the one that is taken.
    fn descend(
        &self,
        root: &Pointer,
        key: Key,
        mut visit: impl FnMut((Pointer, Rc<TreeNode>), usize),
    ) -> Result<(Pointer, Rc<TreeNode>), FileSystemError> {
        let (mut at, mut node) = (*root, self.node(root)?);
        while at.level > 0 {
            let after = node.keys.partition_point(|here| *here <= key).max(1);
            let Some(child) = node.child(&at, after - 1) else {
                return damaged(format!("the tree block at {} is empty", at.logical));
            };
            visit((at, node), after);
            node = self.node(&child)?;
            at = child;
        }
        Ok((at, node))
    }

    fn node(&self, at: &Pointer) -> Result<Rc<TreeNode>, FileSystemError> {
        let node = match self.cached(at) {
            Some(node) => node,
            None => self.read(at)?,
        };
        if !node.fits(at) {
            return damaged(format!(
                "the tree block at {} is in the wrong place",
                at.logical
            ));
        }
        Ok(node)
    }

    fn cached(&self, at: &Pointer) -> Option<Rc<TreeNode>> {
        let mut cache = self.cache.borrow_mut();
        let index = cache.iter().position(|(logical, node)| {
            *logical == at.logical
                && node.bytes.get(0x64) == Some(&at.level)
                && le64(&node.bytes, 0x50) == Some(at.generation)
        })?;
        let entry = cache.remove(index)?;
        let node = Rc::clone(&entry.1);
        cache.push_back(entry);
        Some(node)
    }

    /// Reads the first intact copy of a node.
    fn read(&self, at: &Pointer) -> Result<Rc<TreeNode>, FileSystemError> {
        let mut result = damaged(format!("the tree block at {} is nowhere", at.logical));
        for copy in self.chunks.locate(at.logical, self.node_size)? {
            let mut bytes = vec![0; self.node_size];
            self.chunks.read_copy(copy, &mut bytes)?;
            result = TreeNode::parse(bytes, at);
            if result.is_ok() {
                break;
            }
        }
        let node = Rc::new(result?);
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= CACHED {
            cache.pop_front();
        }
        cache.push_back((at.logical, Rc::clone(&node)));
        Ok(node)
    }
}

/// Items of a tree, in order. Ends after the first error.
pub(super) struct TreeItems<'a> {
    trees: &'a Trees,
    /// The inner nodes above the leaf, from the root on, each with the index of the next child.
    inner: Vec<((Pointer, Rc<TreeNode>), usize)>,
    leaf: Rc<TreeNode>,
    index: usize,
}

impl TreeItems<'_> {
    fn next_leaf(&mut self) -> Result<Option<()>, FileSystemError> {
        while let Some(((at, node), next)) = self.inner.last_mut() {
            let Some(child) = node.child(at, *next) else {
                self.inner.pop();
                continue;
            };
            *next += 1;
            let first = Key::new(0, 0, 0);
            let inner = &mut self.inner;
            let below = self
                .trees
                .descend(&child, first, |node, next| inner.push((node, next)))?;
            self.leaf = below.1;
            self.index = 0;
            return Ok(Some(()));
        }
        Ok(None)
    }
}

impl Iterator for TreeItems<'_> {
    type Item = Result<TreeItem, FileSystemError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(&key) = self.leaf.keys.get(self.index) {
                let item = TreeItem {
                    key,
                    leaf: Rc::clone(&self.leaf),
                    index: self.index,
                };
                self.index += 1;
                return Some(Ok(item));
            }
            match self.next_leaf() {
                Ok(Some(())) => {}
                Ok(None) => return None,
                Err(error) => {
                    self.inner.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}
