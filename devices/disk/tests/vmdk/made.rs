//! How images are written, beyond what the judge sees.

use std::io;
use std::sync::{Arc, Mutex};

use ovum_disk::storage::Storage;
use ovum_disk::storage::testing::{Faulty, Memory};
use ovum_disk::vmdk::create_stream;
use ovum_disk::write::Writer;
use ovum_disk::{Disk, check};
use vm_memory::{Bytes, VolatileSlice};

use super::begin;
use super::hostile::open_bytes;

const GRAIN: usize = 65536;

/// A storage that only takes what follows what it has, as a pipe does.
#[derive(Debug, Default)]
struct Pipe(Mutex<Vec<u8>>);

impl Storage for Pipe {
    fn name(&self) -> String {
        "a folder/a \"disk\"\n.vmdk".into()
    }

    fn size(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        assert_eq!(offset, bytes.len() as u64);
        for slice in from {
            let mut part = vec![0; slice.len()];
            slice.read_slice(&mut part, 0).unwrap();
            bytes.extend(part);
        }
        Ok(())
    }
}

/// Grains 0, 3 and the last one, which is short, of a disk of three tables.
fn fill(writer: &mut dyn Writer, size: u64) -> io::Result<()> {
    let encode = writer.encode();
    for (offset, byte) in [(0, 1), (3 * 65536, 2), ((size - 1) / 65536 * 65536, 3)] {
        let len = GRAIN.min(usize::try_from(size - offset).unwrap());
        writer.put(offset, &encode(vec![byte; len])?)?;
    }
    writer.finish()
}

const SIZE: u64 = (70 << 20) + 512 * 3;

fn assert_filled(image: &dyn Disk) {
    assert_eq!(image.size(), SIZE);
    let last = (SIZE - 1) / 65536 * 65536;
    for (offset, byte) in [(0, 1), (65535, 1), (65536, 0), (3 * 65536, 2), (33 << 20, 0), (last, 3), (SIZE - 1, 3)] {
        assert_eq!(crate::judge::read(image, offset, 1), [byte], "{offset}");
    }
}

#[test]
fn a_stream_is_written_from_front_to_back() {
    let pipe = Arc::new(Pipe::default());
    let mut writer = create_stream(pipe.clone(), SIZE, u32::MAX).unwrap();
    fill(&mut writer, SIZE).unwrap();
    let bytes = pipe.0.lock().unwrap().clone();
    assert_eq!(bytes.len() % 512, 0);
    let text = String::from_utf8_lossy(&bytes[512..4096]).into_owned();
    assert!(text.contains("RW 143363 SPARSE \"a _disk__.vmdk\"\n"), "{text}");
    assert!(text.contains("CID=fffffffe\nparentCID=ffffffff\n"), "{text}");
    assert_filled(open_bytes(bytes).unwrap().as_ref());
}

#[test]
fn blocks_come_in_order() {
    for stream in [true, false] {
        let mut writer = begin(Memory::new(Vec::new()), SIZE, stream);
        let block = writer.encode()(vec![1; GRAIN]).unwrap();
        writer.put(65536, &block).unwrap();
        for wrong in [0, 65536, 65537, 2 * 65536 + 512, SIZE, SIZE / 65536 * 65536 + 65536, u64::MAX] {
            assert_eq!(writer.put(wrong, &block).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{wrong}");
        }
        writer.put(2 * 65536, &block).unwrap();
    }
}

/// When the host fails, the error is handed on, and what was written so far is not taken for an image.
#[test]
fn what_is_cut_off_is_no_image() {
    for stream in [true, false] {
        let mut cuts = 0;
        for calls in 0.. {
            let memory = Memory::new(Vec::new());
            let faulty = Faulty::new(memory.clone(), calls, libc::ENOSPC, false);
            let result = std::panic::AssertUnwindSafe(|| -> io::Result<()> {
                let mut writer: Box<dyn Writer> = if stream {
                    Box::new(create_stream(faulty, SIZE, 1).map_err(|_| io::ErrorKind::StorageFull)?)
                } else {
                    let made = ovum_disk::vmdk::create_sparse(faulty, SIZE, 1);
                    Box::new(made.map_err(|_| io::ErrorKind::StorageFull)?)
                };
                fill(writer.as_mut(), SIZE)
            })();
            let image = open_bytes(memory.bytes());
            match result {
                Ok(()) => {
                    let image = image.unwrap();
                    assert_filled(image.as_ref());
                    assert_eq!(check::check(image.layout()).unwrap().count, 0);
                    break;
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                    cuts += 1;
                    // All of it may be written when the host fails to keep it.
                    if let Ok(image) = image {
                        assert_filled(image.as_ref());
                    }
                }
            }
        }
        assert!(cuts >= 8, "{cuts}");
    }
}
