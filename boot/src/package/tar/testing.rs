//! Archives made by hand, block by block, for tests.

/// A header with a right checksum: of `flag`, with `size` in octal, in ustar's form.
pub(crate) fn header(name: &[u8], flag: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sum(&mut block);
    block
}

/// Writes the checksum of a header that was changed.
pub(crate) fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// `bytes`, filled up to whole blocks.
pub(crate) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut blocks = bytes.to_vec();
    blocks.resize(bytes.len().next_multiple_of(512), 0);
    blocks
}

/// A member with its bytes.
pub(crate) fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    typed(name, b'0', bytes)
}

/// The same, of another kind.
pub(crate) fn typed(name: &str, flag: u8, bytes: &[u8]) -> Vec<u8> {
    [header(name.as_bytes(), flag, bytes.len() as u64), padded(bytes)].concat()
}

/// A record of an extended header.
pub(crate) fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    format!("{length}{rest}")
}

/// All of it, with the two blocks at its end.
pub(crate) fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}
