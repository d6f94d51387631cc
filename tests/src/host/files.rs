//! Files that are copied to the agent's side and back. Blocks of zeroes are not sent and become holes.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::PoisonError;

use super::Connection;
use super::connection::{Place, done};
use crate::agent::protocol::{BLOCK, Event, Request};
use crate::failure::{Context as _, Failure, Result};

impl Connection {
    /// Writes a file on the agent's side.
    ///
    /// # Errors
    /// When the agent cannot write it.
    pub fn write(&self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let blocks = bytes.chunks(BLOCK).map(|block| Ok(block.to_vec()));
        self.upload(path, mode, bytes.len() as u64, blocks).map_err(|failure| failed("writing", path, &failure))
    }

    /// Reads a small file of the agent's side, such as one of /proc.
    ///
    /// # Errors
    /// When the agent cannot read it.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.ask(|id| Request::Read { id, path: path.to_owned() }).map_err(|failure| failed("reading", path, &failure))
    }

    /// Copies the file `source` of this machine to `path` on the agent's side. Nothing happens when it is the same
    /// file, or when it was copied before and has not changed since.
    ///
    /// # Errors
    /// When the file cannot be read here or written there.
    pub fn put(&self, source: &Path, path: &str) -> Result<()> {
        if self.place == Place::Here && Path::new(path) == source {
            return Ok(());
        }
        let doing = || format!("copying {} to the lab", source.display());
        let file = File::open(source).doing(doing())?;
        let metadata = file.metadata().doing(doing())?;
        let version = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let known = self.copied.lock().unwrap_or_else(PoisonError::into_inner).get(path) == Some(&version);
        if known {
            return Ok(());
        }
        let size = metadata.len();
        let blocks = (0..size).step_by(BLOCK).map(|offset| {
            let length = usize::try_from(size - offset).map_or(BLOCK, |rest| rest.min(BLOCK));
            let mut block = vec![0; length];
            file.read_exact_at(&mut block, offset).doing(doing())?;
            Ok(block)
        });
        self.upload(path, metadata.mode() & 0o777, size, blocks)?;
        self.copied.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), version);
        Ok(())
    }

    fn upload(&self, path: &str, mode: u32, size: u64, blocks: impl Iterator<Item = Result<Vec<u8>>>) -> Result<()> {
        let (id, answers) = self.number();
        let result = (|| {
            self.send(&Request::Create { id, path: path.to_owned(), mode, size }, &[])?;
            done(&answers)?;
            for (index, block) in blocks.enumerate() {
                let block = block?;
                if !crate::agent::is_zero(&block) {
                    self.send(&Request::Block { id, offset: (index * BLOCK) as u64 }, &block)?;
                }
            }
            self.send(&Request::Close { id }, &[])?;
            done(&answers).map(drop)
        })();
        self.forget(id);
        result
    }

    /// Copies the file `path` of the agent's side to `destination` on this machine, in place of what was there.
    ///
    /// # Errors
    /// When the file cannot be read there or written here.
    pub fn get(&self, path: &str, destination: &Path) -> Result<()> {
        if self.place == Place::Here && Path::new(path) == destination {
            return Ok(());
        }
        let doing = || format!("copying {} from the lab", destination.display());
        // Written under another name first: an interrupted copy must not leave half a file under the real one.
        let mut draft = destination.as_os_str().to_owned();
        draft.push(".draft");
        let draft = Path::new(&draft);
        let file = File::create(draft).doing(doing())?;
        let result = self.download(path, &file).map_err(|failure| failed("copying", path, &failure)).and_then(|()| {
            if let Ok(old) = fs::metadata(destination) {
                file.set_permissions(old.permissions()).doing(doing())?;
            }
            fs::rename(draft, destination).doing(doing())
        });
        if result.is_err() {
            let _ = fs::remove_file(draft);
        }
        result
    }

    fn download(&self, path: &str, file: &File) -> Result<()> {
        let (id, answers) = self.number();
        let result = (|| {
            self.send(&Request::Fetch { id, path: path.to_owned() }, &[])?;
            loop {
                match answers.recv() {
                    Ok((Event::Block { offset, .. }, block)) => file.write_all_at(&block, offset).doing("writing")?,
                    Ok((Event::Done { .. }, size)) => {
                        let size = String::from_utf8_lossy(&size).parse().doing("reading the file's size")?;
                        return file.set_len(size).doing("writing");
                    }
                    Ok((Event::Failed { why, .. }, _)) => return Err(Failure::new(why)),
                    Ok((event, _)) => return Err(Failure::new(format!("the agent answered {event:?}"))),
                    Err(_) => return Err(Failure::new("the agent has gone")),
                }
            }
        })();
        self.forget(id);
        result
    }
}

fn failed(doing: &str, path: &str, failure: &Failure) -> Failure {
    Failure::new(format!("{doing} {path}: {failure}"))
}
