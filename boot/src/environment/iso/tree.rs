//! Files and folders of an image, their names in both alphabets, and where they lie.

use std::collections::BTreeMap;

use super::{IsoError, MAX_DEPTH, MAX_FILES, MAX_FOLDERS, MAX_NAME, records, sectors, shortened};

/// A folder or file.
pub(super) struct Node<'f> {
    /// Its own name, in UTF-8.
    pub(super) name: String,
    /// Its name in ECMA-119's alphabet, with `;1` for a file.
    pub(super) identifier: String,
    pub(super) content: Content<'f>,
}

pub(super) enum Content<'f> {
    /// The number of a folder of the tree.
    Folder(usize),
    File(&'f [u8]),
}

/// A folder's entries, by identifier (ECMA-119, 9.3: that is the order of the records), and the folder that it lies in.
pub(super) struct Folder<'f> {
    pub(super) parent: usize,
    pub(super) depth: usize,
    pub(super) nodes: Vec<Node<'f>>,
}

/// All folders; the first is the root. Each stands behind its parent.
pub(super) struct Tree<'f> {
    pub(super) folders: Vec<Folder<'f>>,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Self { folders: vec![Folder { parent: 0, depth: 1, nodes: Vec::new() }] }
    }
}

/// Where things lie, in sectors.
pub(super) struct Places {
    /// The folders' numbers in the order of the path tables (ECMA-119, 6.9.1), the root first.
    pub(super) order: Vec<usize>,
    /// For each folder: its first sector and how many it has.
    pub(super) folders: BTreeMap<usize, (usize, usize)>,
    /// The first sector of each file, in the order of [`Tree::contents`].
    pub(super) files: Vec<usize>,
    /// The first sector past the image.
    pub(super) end: usize,
}

impl<'f> Tree<'f> {
    /// Adds a file and the folders that it lies in.
    pub(super) fn add(&mut self, path: &str, bytes: &'f [u8]) -> Result<(), IsoError> {
        let refused = |reason| IsoError::Path { path: shortened(path), reason };
        let parts: Vec<&str> = path.split('/').take(MAX_DEPTH + 1).collect();
        if parts.len() > MAX_DEPTH {
            return Err(refused("it has too many parts"));
        }
        for part in &parts {
            match *part {
                "" => return Err(refused("a part of it is empty")),
                "." | ".." => return Err(refused("it has . or .. in it")),
                part if part.len() > MAX_NAME => return Err(refused("a part of it is too long")),
                part if part.contains(char::is_control) => return Err(refused("it has a control character in it")),
                _ => {}
            }
        }
        let Some((file, above)) = parts.split_last() else { return Err(refused("it is empty")) };
        let mut folder = 0;
        for part in above {
            folder = self.folder(folder, part).ok_or_else(|| refused("a file has the name of one of its folders"))?;
        }
        if self.folders.len() > MAX_FOLDERS {
            return Err(IsoError::TooBig);
        }
        self.push(folder, file, Content::File(bytes)).ok_or_else(|| refused("the name is there already"))
    }

    /// The number of the folder `name` in `folder`, which is made if it is not there.
    fn folder(&mut self, folder: usize, name: &str) -> Option<usize> {
        let here = self.folders.get(folder)?;
        if let Some(node) = here.nodes.iter().find(|node| node.name == name) {
            return match node.content {
                Content::Folder(number) => Some(number),
                Content::File(_) => None,
            };
        }
        let (number, depth) = (self.folders.len(), here.depth.saturating_add(1));
        self.push(folder, name, Content::Folder(number))?;
        self.folders.push(Folder { parent: folder, depth, nodes: Vec::new() });
        Some(number)
    }

    /// Puts an entry where it belongs by its identifier; nothing if its name is taken.
    fn push(&mut self, folder: usize, name: &str, content: Content<'f>) -> Option<()> {
        let nodes = &mut self.folders.get_mut(folder)?.nodes;
        if nodes.iter().any(|node| node.name == name) {
            return None;
        }
        let place = |identifier: &str| nodes.binary_search_by(|node| node.identifier.as_str().cmp(identifier));
        let is_file = matches!(content, Content::File(_));
        let (identifier, at) = identifiers(name, is_file).find_map(|identifier| {
            let at = place(&identifier).err()?;
            Some((identifier, at))
        })?;
        nodes.insert(at, Node { name: name.to_owned(), identifier, content });
        Some(())
    }

    /// Gives every folder and file its sectors, from `first` on.
    pub(super) fn place(&self, first: usize) -> Places {
        let mut order: Vec<usize> = vec![0];
        let mut next = 0;
        // Breadth first, and by identifier in each folder: by depth, then by the parent's number, then by identifier.
        while let Some(folder) = order.get(next).and_then(|number| self.folders.get(*number)) {
            order.extend(folder.nodes.iter().filter_map(|node| match node.content {
                Content::Folder(number) => Some(number),
                Content::File(_) => None,
            }));
            next += 1;
        }
        let mut end = first;
        let mut take = |sectors: usize| {
            let start = end;
            end = end.saturating_add(sectors);
            start
        };
        let folders = order
            .iter()
            .filter_map(|number| {
                let length = records::folder_sectors(self.folders.get(*number)?);
                Some((*number, (take(length), length)))
            })
            .collect();
        let files = self.contents().map(|bytes| take(sectors(bytes.len()))).collect();
        Places { order, folders, files, end }
    }

    /// The files' bytes, folder by folder.
    pub(super) fn contents(&self) -> impl Iterator<Item = &'f [u8]> {
        self.folders.iter().flat_map(|folder| &folder.nodes).filter_map(|node| match node.content {
            Content::File(bytes) => Some(bytes),
            Content::Folder(_) => None,
        })
    }
}

/// Names in ECMA-119's alphabet (7.5.1, 7.6.1; level 2), best first: `OVF_ENV.XML;1`, `OVF_ENV_2.XML;1`, ... There are more than
/// an image has files.
fn identifiers(name: &str, is_file: bool) -> impl Iterator<Item = String> {
    let plain = |text: &str, most: usize| -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        text.chars().take(most).map(letter).collect()
    };
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if is_file && !stem.is_empty() => (plain(stem, 22), plain(extension, 3)),
        _ => (plain(name, 22), String::new()),
    };
    (1..=MAX_FILES.saturating_mul(2)).map(move |number| {
        let stem = if number == 1 { stem.clone() } else { format!("{stem}_{number}") };
        if is_file { format!("{stem}.{extension};1") } else { stem }
    })
}
