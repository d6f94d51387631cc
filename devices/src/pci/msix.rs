//! Message-signalled interrupts with a table in a function's memory (PCI Local Bus 3.0, 6.8.2, MSI-X).
//!
//! Each vector is an address and a value that the guest chose. A message that may not be sent, because its vector or the
//! whole function is masked, is pending and goes out when that ends.

use std::sync::Arc;

use crate::interrupt::MessageSink;

/// Bytes of a table entry.
pub const ENTRY_LEN: u64 = 16;
/// 6.8.2.3: bits of Message Control that a guest changes: MSI-X Enable, Function Mask.
pub const CONTROL_WRITABLE: u16 = ENABLE | FUNCTION_MASK;
const ENABLE: u16 = 1 << 15;
const FUNCTION_MASK: u16 = 1 << 14;
/// 6.8.2.9: Mask Bit of Vector Control.
const MASKED: u32 = 1;

/// A row of vectors.
#[derive(Debug)]
pub struct Msix {
    sink: Arc<dyn MessageSink>,
    control: u16,
    vectors: Vec<Vector>,
}

/// 6.8.2.6 to 6.8.2.9: an entry of the table; each is masked at first.
#[derive(Debug, Clone, Copy)]
struct Vector {
    /// Address low, address high, data, control.
    words: [u32; 4],
    pending: bool,
}

impl Msix {
    /// `count` vectors, whose messages go to `sink`.
    #[must_use]
    pub fn new(count: usize, sink: Arc<dyn MessageSink>) -> Self {
        Self { sink, control: 0, vectors: vec![Vector { words: [0, 0, 0, MASKED], pending: false }; count] }
    }

    /// How many vectors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.vectors.len()
    }

    /// Takes what the guest wrote to Message Control.
    pub fn set_control(&mut self, control: u16) {
        self.control = control;
        self.send_pending();
    }

    /// Whether the guest uses these interrupts.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.control & ENABLE != 0
    }

    /// Sends the message of vector `index`, or keeps it for later.
    pub fn signal(&mut self, index: u16) {
        let may_send = self.is_enabled() && self.control & FUNCTION_MASK == 0;
        let Some(vector) = self.vectors.get_mut(usize::from(index)) else { return };
        if may_send && !vector.is_masked() {
            vector.send(self.sink.as_ref());
        } else {
            vector.pending = true;
        }
    }

    /// Nothing is pending any more, as after a reset of the function.
    pub fn forget_pending(&mut self) {
        self.vectors.iter_mut().for_each(|vector| vector.pending = false);
    }

    /// Fills `data` from the table; what is no word of it reads as zero.
    pub fn read_table(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        for (index, word) in (0..).zip(data.chunks_exact_mut(4)) {
            let value = offset.checked_add(4 * index).and_then(|at| self.word(at)).unwrap_or(0);
            word.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Takes words of the table; 6.8.2: they are written in four or eight bytes at once, and not otherwise.
    pub fn write_table(&mut self, offset: u64, data: &[u8]) {
        if !matches!(data.len(), 4 | 8) {
            return;
        }
        for (index, word) in (0..).zip(data.as_chunks::<4>().0) {
            if let Some(place) = offset.checked_add(4 * index).and_then(|at| self.word_mut(at)) {
                *place = u32::from_le_bytes(*word);
            }
        }
        self.send_pending();
    }

    /// Fills `data` from the array of pending bits (6.8.2.10).
    pub fn read_pending(&self, offset: u64, data: &mut [u8]) {
        for (index, byte) in (0..).zip(data) {
            let at = offset.checked_add(index).and_then(|at| usize::try_from(at).ok());
            let first = at.and_then(|at| at.checked_mul(8)).unwrap_or(usize::MAX);
            let eight = self.vectors.iter().skip(first).take(8).enumerate();
            *byte = eight.fold(0, |bits, (bit, vector)| bits | u8::from(vector.pending) << bit);
        }
    }

    fn send_pending(&mut self) {
        if !self.is_enabled() || self.control & FUNCTION_MASK != 0 {
            return;
        }
        for vector in self.vectors.iter_mut().filter(|vector| vector.pending && !vector.is_masked()) {
            vector.send(self.sink.as_ref());
        }
    }

    fn word(&self, offset: u64) -> Option<u32> {
        let (vector, word) = place(offset)?;
        self.vectors.get(vector)?.words.get(word).copied()
    }

    fn word_mut(&mut self, offset: u64) -> Option<&mut u32> {
        let (vector, word) = place(offset)?;
        self.vectors.get_mut(vector)?.words.get_mut(word)
    }
}

/// The vector, and the word of it, at an offset of the table.
fn place(offset: u64) -> Option<(usize, usize)> {
    let vector = usize::try_from(offset / ENTRY_LEN).ok()?;
    let word = usize::try_from(offset % ENTRY_LEN / 4).ok()?;
    offset.is_multiple_of(4).then_some((vector, word))
}

impl Vector {
    fn is_masked(&self) -> bool {
        let [.., control] = self.words;
        control & MASKED != 0
    }

    fn send(&mut self, sink: &dyn MessageSink) {
        let [low, high, data, _] = self.words;
        self.pending = false;
        sink.send(u64::from(high) << 32 | u64::from(low), data);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Mutex;

    use super::*;

    /// Notes all messages.
    #[derive(Debug, Default)]
    pub(crate) struct Notes(pub(crate) Mutex<Vec<(u64, u32)>>);

    impl Notes {
        pub(crate) fn take(&self) -> Vec<(u64, u32)> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl MessageSink for Notes {
        fn send(&self, address: u64, data: u32) {
            self.0.lock().unwrap().push((address, data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Notes;
    use super::*;

    #[test]
    fn what_is_masked_is_sent_later_and_once() {
        let notes = Arc::new(Notes::default());
        let mut msix = Msix::new(3, Arc::<Notes>::clone(&notes));
        msix.write_table(16, &0xfee0_1000_u64.to_le_bytes());
        msix.write_table(24, &0x41u32.to_le_bytes());
        msix.signal(1);
        assert_eq!(notes.take(), [], "not enabled");
        let mut pending = [9; 8];
        msix.read_pending(0, &mut pending);
        assert_eq!(pending, [2, 0, 0, 0, 0, 0, 0, 0]);
        msix.set_control(ENABLE);
        assert_eq!(notes.take(), [], "masked");
        msix.write_table(28, &0u32.to_le_bytes());
        assert_eq!(notes.take(), [(0xfee0_1000, 0x41)]);
        msix.signal(1);
        msix.set_control(ENABLE | FUNCTION_MASK);
        msix.signal(1);
        msix.signal(1);
        assert_eq!(notes.take().len(), 1);
        msix.set_control(ENABLE);
        assert_eq!(notes.take().len(), 1);
    }

    #[test]
    fn nothing_outside_of_the_table_is_touched() {
        let notes = Arc::new(Notes::default());
        let mut msix = Msix::new(2, Arc::<Notes>::clone(&notes));
        msix.set_control(ENABLE);
        for (offset, len) in [(32, 4), (u64::MAX, 8), (u64::MAX - 3, 4), (30, 8), (1, 4), (0, 1), (0, 64)] {
            msix.write_table(offset, &vec![0xff; len]);
            let mut data = vec![1; len];
            msix.read_table(offset, &mut data);
            msix.read_pending(offset, &mut data);
        }
        msix.signal(u16::MAX);
        assert_eq!(notes.take(), []);
        let mut entry = [1; 16];
        msix.read_table(16, &mut entry);
        assert_eq!(entry, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "as at first");
    }
}
