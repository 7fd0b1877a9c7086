//! The folders of the simulated disk: the names that programs see, those that are durable, and the
//! steps between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Survival;
use super::rng::Rng;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    /// The number of a file's contents.
    File(usize),
}

/// One step that is not durable yet.
#[derive(Clone, Debug)]
enum Change {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

type Tree = BTreeMap<PathBuf, Node>;

#[derive(Clone)]
pub(super) struct Names {
    seen: Tree,
    durable: Tree,
    /// In the order in which they were done.
    pending: Vec<Change>,
}

impl Change {
    /// The folders that it changes.
    fn dirs(&self) -> Vec<PathBuf> {
        let paths = match self {
            Change::Add(path, _) | Change::Remove(path) => vec![path],
            Change::Rename(from, to) => vec![from, to],
        };
        paths.into_iter().filter_map(|path| path.parent().map(Path::to_path_buf)).collect()
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Change::Add(path, node) => {
                tree.insert(path.clone(), *node);
            }
            Change::Rename(from, to) => {
                if let Some(node) = tree.remove(from) {
                    tree.insert(to.clone(), node);
                }
            }
            Change::Remove(path) => {
                tree.remove(path);
            }
        }
    }
}

impl Names {
    /// The folder `/`, and nothing in it.
    pub(super) fn new() -> Self {
        let tree = Tree::from([(PathBuf::from("/"), Node::Dir)]);
        Self { seen: tree.clone(), durable: tree, pending: Vec::new() }
    }

    pub(super) fn get(&self, path: &Path) -> io::Result<Node> {
        self.seen.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check_dir(dir)?;
        let within = self.seen.keys().filter(|path| path.parent() == Some(dir));
        Ok(within.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    pub(super) fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.check_dir(path.parent().unwrap_or(path))?;
        self.change(Change::Add(path.to_path_buf(), node));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.get(from)?;
        self.check_dir(to.parent().unwrap_or(to))?;
        self.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.get(path)?;
        self.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    /// Makes the steps on one folder durable, with the earlier ones that they need.
    pub(super) fn sync(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        let mut dirs = BTreeSet::from([dir.to_path_buf()]);
        let mut is_durable = vec![false; self.pending.len()];
        for (is_durable, change) in is_durable.iter_mut().zip(&self.pending).rev() {
            *is_durable = change.dirs().iter().any(|dir| dirs.contains(dir));
            if *is_durable {
                dirs.extend(change.dirs());
            }
        }
        let (durable, mut is_durable) = (&mut self.durable, is_durable.into_iter());
        self.pending.retain(|change| {
            let is_durable = is_durable.next() == Some(true);
            if is_durable {
                change.apply(durable);
            }
            !is_durable
        });
        Ok(())
    }

    /// The names after a loss of power.
    pub(super) fn survived(&self, survival: Survival, rng: &mut Rng) -> Self {
        let mut tree = self.durable.clone();
        // Folders of which a step was lost, so that all later ones are.
        let mut lost = BTreeSet::new();
        for change in &self.pending {
            let survives = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Some | Survival::Torn => {
                    rng.below(4) > 0 && change.dirs().iter().all(|dir| !lost.contains(dir))
                }
            };
            if survives {
                change.apply(&mut tree);
            } else {
                lost.extend(change.dirs());
            }
        }
        // What is in a folder is gone with the folder.
        let dirs: BTreeSet<PathBuf> = tree
            .iter()
            .filter(|(_, node)| **node == Node::Dir)
            .map(|(path, _)| path.clone())
            .collect();
        tree.retain(|path, _| path.ancestors().skip(1).all(|dir| dirs.contains(dir)));
        Self { seen: tree.clone(), durable: tree, pending: Vec::new() }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        match self.get(dir)? {
            Node::Dir => Ok(()),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}
