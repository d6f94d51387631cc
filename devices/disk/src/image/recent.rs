//! A cache with a limit: what was used longest ago goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks of bytes by key, as many as fit into a limit. Shared between threads.
#[derive(Debug)]
pub struct Recent<K> {
    limit: usize,
    inner: Mutex<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    blocks: HashMap<K, (Arc<[u8]>, u64)>,
    bytes: usize,
    /// Counts uses; a block's number is that of its last use.
    now: u64,
}

impl<K: Hash + Eq + Copy> Recent<K> {
    /// A cache of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::new(Inner { blocks: HashMap::new(), bytes: 0, now: 0 }) }
    }

    /// The block of `key`: from the cache, or made by `make`, during which others are not held up. Two threads that miss
    /// the same block at a time both make it.
    pub fn get<E>(&self, key: K, make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Arc<[u8]>, E> {
        if let Some(block) = self.lock().used(key) {
            return Ok(block);
        }
        let block: Arc<[u8]> = make()?.into();
        self.lock().insert(key, Arc::clone(&block), self.limit);
        Ok(block)
    }

    /// Forgets a block that has changed.
    pub fn forget(&self, key: K) {
        let mut inner = self.lock();
        if let Some((block, _)) = inner.blocks.remove(&key) {
            inner.bytes -= block.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<K>> {
        // Every change leaves the cache whole, also one that a panic cut short.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy> Inner<K> {
    fn used(&mut self, key: K) -> Option<Arc<[u8]>> {
        self.now += 1;
        let (block, last) = self.blocks.get_mut(&key)?;
        *last = self.now;
        Some(Arc::clone(block))
    }

    fn insert(&mut self, key: K, block: Arc<[u8]>, limit: usize) {
        self.bytes += block.len();
        if let Some((before, _)) = self.blocks.insert(key, (block, self.now)) {
            self.bytes -= before.len();
        }
        while self.bytes > limit {
            // There are few blocks, and each is dear to make: a search is cheap beside it.
            let Some(oldest) = self.blocks.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key) else {
                break;
            };
            if let Some((block, _)) = self.blocks.remove(&oldest) {
                self.bytes -= block.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(len: usize) -> Result<Vec<u8>, ()> {
        Ok(vec![1; len])
    }

    #[test]
    fn the_limit_holds_and_the_oldest_goes() {
        let cache = Recent::new(100);
        for key in 0..10 {
            cache.get(key, || make(30)).unwrap();
            cache.get(0, || -> Result<_, ()> { panic!("it was just used") }).unwrap();
            assert!(cache.lock().bytes <= 100);
        }
        assert_eq!(cache.lock().blocks.len(), 3);
        cache.forget(0);
        assert_eq!(cache.lock().bytes, 60);
        assert_eq!(cache.get(50, || make(200)).unwrap().len(), 200, "more than the limit is made and not kept");
        assert_eq!(cache.lock().bytes, 0);
        cache.get(1, || Err(())).unwrap_err();
    }
}
