use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::*;

/// Held by tests that start programs, and by those that a copy of a descriptor in a new child process would disturb.
static CHILDREN: Mutex<()> = Mutex::new(());

/// A folder with an image of `size` bytes, each of which is the number of its sector.
fn image(size: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at / 512 % 256).unwrap()).collect();
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn rw(path: &Path) -> FileStorage {
    FileStorage::open(path, Access::ReadWrite).unwrap()
}

fn refusal(path: &Path, access: Access) -> OpenError {
    let error = FileStorage::open(path, access).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "the cause names the path: {error}");
    for line in [error.to_string(), error.remedy()] {
        assert!(!line.is_empty() && !line.contains('\n'), "one line: {line}");
    }
    error
}

fn read(disk: &FileStorage, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    disk.read_at(offset, &[VolatileSlice::from(bytes.as_mut_slice())]).unwrap();
    bytes
}

fn write(disk: &FileStorage, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut bytes = bytes.to_vec();
    disk.write_at(offset, &[VolatileSlice::from(bytes.as_mut_slice())])
}

#[test]
fn bytes_are_where_they_were_put() {
    let (_dir, path) = image(8192);
    let disk = rw(&path);
    assert_eq!((disk.size(), disk.topology().logical, disk.is_read_only()), (8192, 512, false));
    assert_eq!(read(&disk, 1024, 513), [&[2; 512][..], &[3]].concat());
    write(&disk, 1000, &[0xaa; 100]).unwrap();
    disk.flush().unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(file[1000..1100], [0xaa; 100]);
    assert_eq!((file[999], file[1100]), (1, 2));
    assert_eq!(file.len(), 8192);
}

#[test]
fn many_buffers_of_many_sizes_are_one_range() {
    let (_dir, path) = image(1 << 20);
    let disk = rw(&path);
    // More than one call takes, some of them of no length.
    let mut pieces: Vec<Vec<u8>> = (0..3000).map(|i| vec![u8::try_from(i % 256).unwrap(); i % 7 * 13]).collect();
    let all = pieces.concat();
    let slices: Vec<_> = pieces.iter_mut().map(|piece| VolatileSlice::from(piece.as_mut_slice())).collect();
    disk.write_at(77, &slices).unwrap();
    assert_eq!(read(&disk, 77, all.len()), all);
    for slice in &slices {
        slice.copy_from(&vec![0; slice.len()]);
    }
    disk.read_at(77, &slices).unwrap();
    drop(slices);
    assert_eq!(pieces.concat(), all);
    disk.read_at(0, &[]).unwrap();
}

#[test]
fn writes_past_the_end_make_it_longer_and_nothing_else_does() {
    let (_dir, path) = image(4096);
    let disk = rw(&path);
    let mut two = [0; 2];
    for offset in [4095, 4096, u64::MAX] {
        assert!(disk.read_at(offset, &[VolatileSlice::from(&mut two[..])]).is_err());
    }
    assert!(write(&disk, u64::MAX, &[1; 2]).is_err());
    for range in [4095..4097, 4096..4097, 0..u64::MAX] {
        assert!(disk.discard(range.clone()).is_err());
        assert!(disk.write_zeroes(range, true).is_err());
    }
    assert_eq!((fs::metadata(&path).unwrap().len(), disk.size()), (4096, 4096));
    write(&disk, 5000, &[1; 2]).unwrap();
    assert_eq!((fs::metadata(&path).unwrap().len(), disk.size()), (5002, 5002));
    disk.set_size(100).unwrap();
    assert_eq!((fs::metadata(&path).unwrap().len(), disk.size()), (100, 100));
}

#[test]
fn holes_are_seen() {
    let (_dir, path) = image(0);
    let disk = rw(&path);
    disk.set_size(1 << 20).unwrap();
    assert_eq!(disk.data_after(0).unwrap(), 1 << 20..1 << 20);
    write(&disk, 1 << 19, &[1; 4096]).unwrap();
    let data = disk.data_after(0).unwrap();
    assert!(data.start <= 1 << 19 && data.end > 1 << 19, "{data:?}");
    assert!(disk.data_after(1 << 30).unwrap().is_empty());
}

#[test]
fn a_file_without_a_name_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileStorage::unnamed(dir.path()).unwrap();
    write(&disk, 10, b"abc").unwrap();
    assert_eq!(read(&disk, 10, 3), b"abc");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn nothing_is_created_over_something() {
    let (dir, path) = image(4096);
    let error = FileStorage::create(&path).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Exists));
    write(&FileStorage::create(&dir.path().join("new")).unwrap(), 0, b"abc").unwrap();
}

#[test]
fn a_file_that_was_cut_is_an_error_and_not_a_hang() {
    let (_dir, path) = image(4096);
    let disk = rw(&path);
    File::options().write(true).open(&path).unwrap().set_len(1024).unwrap();
    let mut bytes = [0; 2048];
    let error = disk.read_at(0, &[VolatileSlice::from(&mut bytes[..])]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn zeroed_and_discarded_ranges_read_as_zero_and_keep_the_size() {
    for (offset, len) in [(0, 8192), (512, 512), (4096, 65536), (100, 1), (8191, 4098), (0, 0)] {
        for way in 0..4 {
            let (_dir, path) = image(1 << 18);
            let mut expected = fs::read(&path).unwrap();
            expected[offset..offset + len].fill(0);
            let disk = rw(&path);
            let range = offset as u64..(offset + len) as u64;
            match way {
                0 => disk.discard(range),
                1 => disk.write_zeroes(range, true),
                2 => disk.write_zeroes(range, false),
                _ => disk.zero_by_hand(range),
            }
            .unwrap();
            assert!(fs::read(&path).unwrap() == expected, "{len} bytes at {offset}, way {way}");
        }
    }
}

#[test]
fn zeroes_by_hand_go_over_many_buffers() {
    let size = ZERO_BUFFER * 1030;
    let (_dir, path) = image(0);
    let file = File::create(&path).unwrap();
    file.set_len(size as u64).unwrap();
    for at in [0, 1023, ZERO_BUFFER * 1023, size - 1] {
        file.write_all_at(&[1], at as u64).unwrap();
    }
    let disk = rw(&path);
    disk.zero_by_hand(1..size as u64 - 1).unwrap();
    let mut expected = vec![0; size];
    (expected[0], expected[size - 1]) = (1, 1);
    assert!(fs::read(&path).unwrap() == expected);
}

#[test]
fn a_read_only_disk_is_not_changed() {
    let (_dir, path) = image(4096);
    let before = fs::read(&path).unwrap();
    let disk = FileStorage::open(&path, Access::ReadOnly).unwrap();
    assert!(disk.is_read_only());
    for result in [write(&disk, 0, &[9; 512]), disk.discard(0..512), disk.write_zeroes(0..512, false)] {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }
    disk.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn one_writer_or_many_readers() {
    let (_dir, path) = image(4096);
    let writer = rw(&path);
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let error = refusal(&path, access);
        assert!(matches!(error.kind(), OpenErrorKind::Locked));
        assert!(error.to_string().ends_with("it is in use (by another VM or program, or given twice)"), "{error}");
    }
    drop(writer);
    let readers = [(); 3].map(|()| FileStorage::open(&path, Access::ReadOnly).unwrap());
    assert!(matches!(refusal(&path, Access::ReadWrite).kind(), OpenErrorKind::Locked));
    drop(readers);
    drop(rw(&path));
}

/// What a `fork` elsewhere in the process does to a descriptor until its `exec`.
#[test]
fn a_lock_ends_with_its_disk_even_where_a_copy_of_the_descriptor_lives_on() {
    let (_dir, path) = image(4096);
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let disk = FileStorage::open(&path, access).unwrap();
        let _copy = disk.file.try_clone().unwrap();
        drop(disk);
        drop(rw(&path));
    }
}

/// A block device whose bytes are those of a file. Goes away with this value.
struct Loop(PathBuf);

impl Loop {
    /// Nothing if the host gives this user none.
    fn on(file: &Path) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().ok()?;
        output.status.success().then(|| Self(String::from_utf8(output.stdout).unwrap().trim_end().into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn a_block_device_that_the_host_uses_is_not_written() {
    let (_dir, path) = image(1 << 20);
    let _alone = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(device) = Loop::on(&path) else {
        eprintln!("skipped: this host gives this user no loop device");
        return;
    };
    let disk = rw(&device.0);
    assert_eq!(disk.size(), 1 << 20);
    drop(disk);
    // What a mount does, too: it claims the device without a lock that a program could see.
    let claim = File::options().read(true).custom_flags(libc::O_EXCL).open(&device.0).unwrap();
    let error = refusal(&device.0, Access::ReadWrite);
    assert!(matches!(error.kind(), OpenErrorKind::Busy), "{error}");
    assert!(error.to_string().contains("in use by the host") && error.remedy().contains("unmount"));
    FileStorage::open(&device.0, Access::ReadOnly).unwrap();
    drop(claim);
    drop(rw(&device.0));
}

/// The locks that QEMU holds on an image: what it uses at 100, what it does not share at 200.
#[test]
fn the_locks_of_qemu_are_respected() {
    let (_dir, path) = image(4096);
    let (read, write, resize) = (0, 1, 3);
    let qemu = |used: &[i64], not_shared: &[i64]| {
        let file = File::options().read(true).write(true).open(&path).unwrap();
        for byte in used.iter().map(|n| 100 + n).chain(not_shared.iter().map(|n| 200 + n)) {
            sys::lock(&file, libc::F_RDLCK, byte, 1).unwrap();
        }
        file
    };
    let writer = qemu(&[read, write, resize], &[write, resize]);
    assert!(FileStorage::open(&path, Access::ReadOnly).is_err());
    assert!(FileStorage::open(&path, Access::ReadWrite).is_err());
    lock::release(&writer);
    let reader = qemu(&[read], &[write, resize]);
    let beside = FileStorage::open(&path, Access::ReadOnly).unwrap();
    assert!(FileStorage::open(&path, Access::ReadWrite).is_err());
    lock::release(&reader);
    // What QEMU looks at before it writes: does anybody not share that?
    let probe = File::options().read(true).write(true).open(&path).unwrap();
    assert!(sys::is_locked(&probe, 200 + write, 1).unwrap());
    assert!(sys::is_locked(&probe, 100 + read, 1).unwrap());
    assert!(!sys::is_locked(&probe, 100 + write, 1).unwrap());
    drop(beside);
}

#[test]
fn what_is_no_disk_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let fifo = dir.path().join("fifo");
    let _alone = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let cases = [
        (folder.as_path(), "a directory"),
        (&fifo, "a pipe"),
        (&socket, "a socket"),
        (Path::new("/dev/null"), "a character device"),
    ];
    for (path, what) in cases {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = refusal(path, access);
            assert!(matches!(error.kind(), OpenErrorKind::NotADisk(is) if *is == what), "{error}");
        }
    }
}

#[test]
fn missing_images_are_refused() {
    let (dir, path) = image(1000);
    for missing in [dir.path().join("nothing"), path.join("below-a-file"), PathBuf::from("/proc/self/nothing")] {
        assert!(matches!(refusal(&missing, Access::ReadOnly).kind(), OpenErrorKind::Missing));
    }
    let dangling = dir.path().join("dangling");
    std::os::unix::fs::symlink("nothing", &dangling).unwrap();
    assert!(matches!(refusal(&dangling, Access::ReadWrite).kind(), OpenErrorKind::Missing));
}

#[test]
fn permission_is_asked_of_the_host() {
    let (_dir, path) = image(4096);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    // Root may write anything, so there is nothing to see for root.
    if File::options().write(true).open(&path).is_err() {
        assert!(matches!(refusal(&path, Access::ReadWrite).kind(), OpenErrorKind::NoPermission));
    }
    FileStorage::open(&path, Access::ReadOnly).unwrap();
}

/// A host that moves a few bytes at a time, is interrupted, and comes to an end.
#[test]
fn short_and_interrupted_transfers_are_continued() {
    let mut pieces: Vec<Vec<u8>> = [3, 0, 5, 1, 0, 7].iter().map(|len| vec![0; *len]).collect();
    let slices: Vec<_> = pieces.iter_mut().map(|piece| VolatileSlice::from(piece.as_mut_slice())).collect();
    let mut turn = 0;
    let mut fill = |offset: u64, buffers: &[VolatileSlice<'_>], skip: usize| {
        turn += 1;
        if turn % 3 == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // Two buffers at most, and not to their end: each byte is its place on the disk.
        let mut moved = 0;
        for buffer in buffers.iter().take(2) {
            let skip = if moved == 0 { skip } else { 0 };
            for at in skip..buffer.len() {
                if moved == 4 {
                    return Ok(moved);
                }
                buffer
                    .subslice(at, 1)
                    .unwrap()
                    .copy_from(&[u8::try_from(offset).unwrap() + u8::try_from(moved).unwrap()]);
                moved += 1;
            }
        }
        Ok(moved)
    };
    transfer_all(Direction::Read, 100, &slices, &mut fill).unwrap();
    drop(slices);
    assert_eq!(pieces.concat(), (100..116).collect::<Vec<u8>>());
    let mut byte = [0];
    let byte = [VolatileSlice::from(&mut byte[..])];
    for (direction, kind) in
        [(Direction::Read, io::ErrorKind::UnexpectedEof), (Direction::Write, io::ErrorKind::WriteZero)]
    {
        assert_eq!(transfer_all(direction, 0, &byte, |_, _, _| Ok(0)).unwrap_err().kind(), kind);
    }
}
