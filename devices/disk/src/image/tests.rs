use super::layout::Run;
use super::*;

/// A disk that is one packed block of a single value.
#[derive(Debug)]
struct Block(u8);

const LEN: u32 = 4096;

impl Layout for Block {
    fn size(&self) -> u64 {
        LEN.into()
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &[]
    }

    fn map(&self, _: u64, limit: u64) -> io::Result<Run> {
        let packed = Packed { start: 0, len: LEN, storage: 0, offset: 0, packed_len: 1 };
        Ok(Run { piece: Piece::Packed(packed), len: limit })
    }

    fn unpack(&self, _: &Packed) -> io::Result<Vec<u8>> {
        Ok(vec![self.0; LEN as usize])
    }
}

#[test]
fn images_above_the_same_one_do_not_see_each_others_blocks() {
    let base = Arc::new(Image::fixed(Arc::new(Block(0)), None));
    let above = [1, 2].map(|value| Image::fixed(Arc::new(Block(value)), Some(Arc::clone(&base))));
    for (image, value) in above.iter().chain([&*base]).zip([1, 2, 0]) {
        let mut bytes = [9; 16];
        image.read_at(0, &[VolatileSlice::from(&mut bytes[..])]).unwrap();
        assert_eq!(bytes, [value; 16]);
    }
}
