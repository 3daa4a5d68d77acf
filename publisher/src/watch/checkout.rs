//! A `git checkout` at work: half of its files are of one branch, half of the other.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::debounce::PATIENCE;

/// The lock that git holds while it changes a working tree.
/// Source: <https://git-scm.com/docs/api-lockfile>.
#[derive(Debug)]
pub(crate) struct Checkout {
    lock: Option<PathBuf>,
}

impl Checkout {
    /// That of the working tree in which `folder` lies, if it lies in one.
    pub(crate) fn around(folder: &Path) -> Self {
        let git = folder.ancestors().find_map(git_folder);
        Self {
            lock: git.map(|git| git.join("index.lock")),
        }
    }

    /// Whether git is changing files. A lock that is old is of a git that died, or that
    /// waits for somebody to write a message.
    pub(crate) fn is_at_work(&self) -> bool {
        let Some(lock) = &self.lock else {
            return false;
        };
        let since = std::fs::metadata(lock).and_then(|metadata| metadata.modified());
        since.is_ok_and(|since| {
            let age = SystemTime::now().duration_since(since);
            age.is_ok_and(|age| age < PATIENCE)
        })
    }
}

fn git_folder(tree: &Path) -> Option<PathBuf> {
    let git = tree.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    // In a linked working tree it is a file that says where: `gitdir: /path`.
    let text = snapshot_store::read_to_string(&git).ok()?;
    let path = text.strip_prefix("gitdir: ")?.trim_end();
    Some(tree.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_counts_while_it_is_young() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let source = tree.path().join("app/json-source");
        std::fs::create_dir_all(&source).expect("made");
        let lock = tree.path().join(".git/index.lock");
        std::fs::create_dir(tree.path().join(".git")).expect("made");
        let checkout = Checkout::around(&source);
        assert!(!checkout.is_at_work());
        let file = std::fs::File::create(&lock).expect("made");
        assert!(checkout.is_at_work());
        let old = SystemTime::now() - 2 * PATIENCE;
        file.set_modified(old).expect("set");
        assert!(!checkout.is_at_work());
    }

    #[test]
    fn a_linked_working_tree_has_its_lock_elsewhere() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (git, tree) = (
            folder.path().join("git/worktrees/a"),
            folder.path().join("a"),
        );
        std::fs::create_dir_all(&git).expect("made");
        std::fs::create_dir_all(&tree).expect("made");
        std::fs::write(tree.join(".git"), "gitdir: ../git/worktrees/a\n").expect("written");
        let checkout = Checkout::around(&tree);
        std::fs::File::create(git.join("index.lock")).expect("made");
        assert!(checkout.is_at_work());
    }
}
