//! A storage on a host that may lose power.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use ovum_disk::SECTOR;
use ovum_disk::storage::Storage;
use vm_memory::VolatileSlice;

use crate::judge::Random;

/// A file on a host that loses power.
#[derive(Debug, Default)]
pub struct Power(Mutex<Bytes>);

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    stable: Vec<u8>,
    /// What was written since the last flush, by sectors.
    epoch: Vec<(u64, Vec<u8>)>,
}

impl Bytes {
    fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        let end = usize::try_from(offset).unwrap() + bytes.len();
        self.now.resize(self.now.len().max(end), 0);
        self.now[end - bytes.len()..end].copy_from_slice(bytes);
        while !bytes.is_empty() {
            let len = usize::try_from(SECTOR - offset % SECTOR).unwrap().min(bytes.len());
            let (sector, rest) = bytes.split_at(len);
            self.epoch.push((offset, sector.to_vec()));
            (offset, bytes) = (offset + len as u64, rest);
        }
    }
}

impl Power {
    /// A file that holds `bytes`, and has for long.
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Bytes { now: bytes.clone(), stable: bytes, epoch: Vec::new() })))
    }

    /// What is found when the power is back: some of what was written since the last flush, in any order.
    pub fn lose(&self, random: &mut Random) -> Vec<u8> {
        let bytes = self.0.lock().unwrap();
        let mut found = bytes.stable.clone();
        let share = random.below(5);
        let mut epoch: Vec<_> = bytes.epoch.iter().filter(|_| random.below(4) < share).collect();
        for last in (1..epoch.len()).rev() {
            epoch.swap(last, usize::try_from(random.below(last as u64 + 1)).unwrap());
        }
        for (offset, sector) in epoch {
            let start = usize::try_from(*offset).unwrap();
            found.resize(found.len().max(start + sector.len()), 0);
            found[start..start + sector.len()].copy_from_slice(sector);
        }
        found
    }
}

impl Storage for Power {
    fn name(&self) -> String {
        "power".into()
    }

    fn size(&self) -> u64 {
        self.0.lock().unwrap().now.len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap();
        let mut at = usize::try_from(offset).unwrap();
        for slice in into {
            let Some(part) = bytes.now.get(at..at + slice.len()) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            slice.copy_from(part);
            at += slice.len();
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for slice in from {
            let mut part = vec![0; slice.len()];
            slice.copy_to(&mut part[..]);
            bytes.extend(part);
        }
        self.0.lock().unwrap().write(offset, &bytes);
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.lock().unwrap().now.resize(usize::try_from(size).unwrap(), 0);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let size = bytes.now.len();
        bytes.stable.resize(size, 0);
        for (offset, sector) in std::mem::take(&mut bytes.epoch) {
            let start = usize::try_from(offset).unwrap();
            bytes.stable[start..start + sector.len()].copy_from_slice(&sector);
        }
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.write_zeroes(range, true)
    }

    fn write_zeroes(&self, range: Range<u64>, _: bool) -> io::Result<()> {
        let zeroes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        self.0.lock().unwrap().write(range.start, &zeroes);
        Ok(())
    }
}
