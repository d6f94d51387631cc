//! Paths: what all file systems here have in common, above what each of them knows.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use super::{DirEntry, FileKind, FileSystem, FsError, MAX_ENTRIES, MAX_LINKS, Metadata, Subvolume};

/// The most names that one path may have, those of the links in it counted.
pub const MAX_NAMES: usize = 1024;
/// The longest target of a symbolic link, in bytes (Linux: PATH_MAX).
pub const MAX_TARGET: usize = 4096;
/// The most bytes that are read of one directory: more than [`MAX_ENTRIES`] names of any length need.
pub const MAX_DIRECTORY: u64 = 64 << 20;

/// What is said of a whole file system.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// As [`FileSystem::kind`].
    pub kind: &'static str,
    /// As [`FileSystem::uuid`].
    pub uuid: Option<String>,
    /// As [`FileSystem::label`].
    pub label: Option<String>,
    /// As [`FileSystem::notes`].
    pub notes: Vec<String>,
}

/// Is called with each name of a directory, what it stands for, and where that is; says whether to go on.
pub type Visit<'a, Id> = dyn FnMut(&[u8], FileKind, Id) -> ControlFlow<()> + 'a;

/// A format of file systems: what is at one place. Names and links are [`Tree`]'s.
pub trait Reader: Send + Sync + fmt::Debug + Sized + 'static {
    /// Where something is: an inode's number, or the place of a directory's entry.
    type Id: Copy + Send + Sync + fmt::Debug;

    /// The file system as a whole.
    fn about(&self) -> &About;

    /// What is at `id`; links are not followed.
    fn stat(&self, id: Self::Id) -> Result<Metadata, FsError>;

    /// Visits the names in the directory at `id`, without `.` and `..`.
    fn walk(&self, id: Self::Id, visit: &mut Visit<'_, Self::Id>) -> Result<(), FsError>;

    /// Where `name` in the directory at `dir` is.
    fn lookup(&self, dir: Self::Id, name: &str) -> Result<Option<Self::Id>, FsError> {
        let mut found = None;
        self.walk(dir, &mut |candidate, _, id| {
            if !is_called(candidate, name) {
                return ControlFlow::Continue(());
            }
            found = Some(id);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Where the link at `id` leads, at most [`MAX_TARGET`] bytes.
    fn target(&self, id: Self::Id) -> Result<Vec<u8>, FsError>;

    /// The bytes of the file at `id`, which is called `name` in messages.
    fn file(self: &Arc<Self>, id: Self::Id, name: &str) -> Result<Arc<dyn Storage>, FsError>;

    /// As [`FileSystem::subvolume`]: the place of its root.
    fn subvolume(&self, which: Subvolume<'_>) -> Result<Self::Id, FsError> {
        Err(FsError::Missing(format!("{which}, in a file system without subvolumes,")))
    }
}

/// Whether the bytes `candidate` are what listings show as `name`.
pub fn is_called(candidate: &[u8], name: &str) -> bool {
    candidate == name.as_bytes() || (!candidate.is_ascii() && String::from_utf8_lossy(candidate) == name)
}

/// A file system, from a root on.
#[derive(Debug)]
pub struct Tree<R: Reader> {
    reader: Arc<R>,
    root: R::Id,
}

impl<R: Reader> Tree<R> {
    /// What `reader` reads, with the directory at `root` as the root.
    pub fn new(reader: Arc<R>, root: R::Id) -> Arc<Self> {
        Arc::new(Self { reader, root })
    }

    /// What `path` leads to, all links followed.
    fn find(&self, path: &str) -> Result<(R::Id, Metadata), FsError> {
        let root = (self.root, self.reader.stat(self.root)?);
        let mut way = vec![root];
        let mut names: Vec<String> = Vec::new();
        push(&mut names, path)?;
        let mut links = 0;
        let mut steps = 0;
        while let Some(name) = names.pop() {
            steps += 1;
            if steps > MAX_NAMES {
                return Err(FsError::Limit(format!("{path} leads through more than {MAX_NAMES} names")));
            }
            let (dir, metadata) = *way.last().unwrap_or(&root);
            if metadata.kind != FileKind::Directory {
                return Err(FsError::NotADirectory(path.to_owned()));
            }
            match name.as_str() {
                "." => continue,
                // The root is above the root.
                ".." => way.truncate(way.len().saturating_sub(1).max(1)),
                name => {
                    let id = self.reader.lookup(dir, name)?.ok_or_else(|| FsError::Missing(path.to_owned()))?;
                    let metadata = self.reader.stat(id)?;
                    if metadata.kind != FileKind::Link {
                        way.push((id, metadata));
                        continue;
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FsError::Limit(format!("{path} leads through more than {MAX_LINKS} links")));
                    }
                    let target = self.reader.target(id)?;
                    if target.first() == Some(&b'/') {
                        way.truncate(1);
                    }
                    push(&mut names, &String::from_utf8_lossy(&target))?;
                }
            }
        }
        Ok(*way.last().unwrap_or(&root))
    }
}

/// Puts the names of `path` before those that are still to be walked.
fn push(names: &mut Vec<String>, path: &str) -> Result<(), FsError> {
    let mut new: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if path.ends_with('/') {
        // Only a directory may be called so.
        new.push(".".to_owned());
    }
    names.extend(new.into_iter().rev());
    if names.len() > MAX_NAMES {
        return Err(FsError::Limit(format!("a path or a link has more than {MAX_NAMES} names")));
    }
    Ok(())
}

impl<R: Reader> FileSystem for Tree<R> {
    fn kind(&self) -> &'static str {
        self.reader.about().kind
    }

    fn uuid(&self) -> Option<String> {
        self.reader.about().uuid.clone()
    }

    fn label(&self) -> Option<String> {
        self.reader.about().label.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.reader.about().notes.clone()
    }

    fn metadata(&self, path: &str) -> Result<Metadata, FsError> {
        self.find(path).map(|(_, metadata)| metadata)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, FsError> {
        let (id, metadata) = self.find(path)?;
        if metadata.kind != FileKind::Directory {
            return Err(FsError::NotADirectory(path.to_owned()));
        }
        let mut entries = Vec::new();
        self.reader.walk(id, &mut |name, kind, _| {
            // No path leads to what is called so.
            if name.is_empty() || name == b"." || name == b".." || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
                return ControlFlow::Continue(());
            }
            entries.push(DirEntry { name: String::from_utf8_lossy(name).into_owned(), kind });
            if entries.len() < MAX_ENTRIES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(entries)
    }

    fn open(&self, path: &str) -> Result<Arc<dyn Storage>, FsError> {
        let (id, metadata) = self.find(path)?;
        match metadata.kind {
            FileKind::File => self.reader.file(id, path),
            _ => Err(FsError::NotAFile(path.to_owned())),
        }
    }

    fn subvolume(&self, which: Subvolume<'_>) -> Result<Arc<dyn FileSystem>, FsError> {
        let root = self.reader.subvolume(which)?;
        Ok(Self::new(Arc::clone(&self.reader), root))
    }
}
