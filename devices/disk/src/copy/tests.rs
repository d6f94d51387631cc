use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::raw::Raw;
use crate::storage::testing::{Faulty, Memory};
use crate::storage::{Storage, read_bytes};

/// Collects what is put, slowly.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    last: Option<u64>,
    finished: bool,
    fail_at: Option<u64>,
}

impl Writer for Sink {
    fn block_size(&self) -> usize {
        4096
    }

    fn encode(&self) -> Encode {
        |block| Ok(block.iter().map(|byte| byte ^ 0xff).collect())
    }

    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()> {
        assert!(self.last.is_none_or(|last| last < offset), "in order");
        self.last = Some(offset);
        if self.fail_at.is_some_and(|at| offset >= at) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let start = usize::try_from(offset).unwrap();
        self.bytes.resize(start, 0);
        self.bytes.extend(encoded.iter().map(|byte| byte ^ 0xff));
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }
}

fn image(storage: Arc<dyn Storage>) -> Image {
    Image::fixed(Arc::new(Raw::new(storage)), None)
}

/// 20 MiB and a bit, with zeroes here and there.
fn bytes() -> Vec<u8> {
    (0..20_u32 << 20)
        .map(|at| if at >> 13 & 3 == 1 { 0 } else { (at >> 12).to_le_bytes()[0] })
        .chain([7; 700])
        .collect()
}

#[test]
fn everything_arrives_in_order() {
    for threads in [1, 2, 7] {
        let bytes = bytes();
        let mut sink = Sink::default();
        let mut reports = Vec::new();
        let threads = NonZero::new(threads).unwrap();
        copy(&image(Memory::new(bytes.clone())), &mut sink, threads, &mut |at| reports.push(at)).unwrap();
        assert!(sink.bytes.starts_with(&bytes) && sink.finished);
        assert!(sink.bytes[bytes.len()..].iter().all(|byte| *byte == 0), "made up to a sector");
        assert!(reports.is_sorted() && reports.len() > 20);
    }
}

#[test]
fn the_first_error_ends_the_copy() {
    let threads = NonZero::new(3).unwrap();
    let broken = Faulty::new(Memory::new(bytes()), 10, libc::EIO, true);
    let mut sink = Sink::default();
    let error = copy(&image(broken), &mut sink, threads, &mut |_| ()).unwrap_err();
    assert!(matches!(error, CopyError::Read(error) if error.raw_os_error() == Some(libc::EIO)));
    let mut sink = Sink { fail_at: Some(5 << 20), ..Sink::default() };
    let error = copy(&image(Memory::new(bytes())), &mut sink, threads, &mut |_| ()).unwrap_err();
    assert!(matches!(error, CopyError::Write(error) if error.kind() == io::ErrorKind::StorageFull));
    assert!(!sink.finished);
}

/// Counts what is read ahead of a writer that does not get on.
#[derive(Debug)]
struct Counting(Arc<Memory>, AtomicUsize);

impl Storage for Counting {
    fn name(&self) -> String {
        "counting".into()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.read_at(offset, into)
    }
}

struct Slow<'c>(&'c Counting, usize);

impl Writer for Slow<'_> {
    fn block_size(&self) -> usize {
        usize::try_from(PIECE).unwrap()
    }

    fn put(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        thread::sleep(std::time::Duration::from_millis(2));
        self.1 += 1;
        let ahead = self.0.1.load(Ordering::SeqCst) - self.1;
        assert!(ahead <= 8, "{ahead} pieces were read ahead");
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn readers_do_not_run_away() {
    let counting = Arc::new(Counting(Memory::new(bytes()), AtomicUsize::new(0)));
    let image = image(Arc::<Counting>::clone(&counting));
    copy(&image, &mut Slow(&counting, 0), NonZero::new(2).unwrap(), &mut |_| ()).unwrap();
    let mut byte = [0];
    read_bytes(counting.as_ref(), 0, &mut byte).unwrap();
}
