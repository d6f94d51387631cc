//! `ovum disk` as a user meets it: what it prints, its exit status, and what is left in the folder.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A folder with a raw disk `a.raw`, half of it data, and the command run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut bytes: Vec<u8> = (0..MIB / 2).map(|n| u8::try_from(n * 7 % 251 + 1).unwrap()).collect();
        bytes.resize(MIB, 0);
        fs::write(place.path("a.raw"), bytes).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovum"));
        command.arg("disk").args(line).current_dir(self.0.path()).env_remove("OVUM_LOG").stdin(Stdio::null());
        command
    }

    fn run(&self, line: &[&str]) -> Output {
        self.command(line).output().unwrap()
    }

    /// What it prints when it succeeds.
    fn done(&self, line: &[&str]) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Cause and remedy when it does not.
    fn refused(&self, status: i32, line: &[&str]) -> (String, String) {
        let output = self.run(line);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{line:?}: {text}");
        let mut lines = text.lines();
        let cause = lines.next().and_then(|line| line.strip_prefix("ovum: error: ")).unwrap().to_owned();
        let remedy = lines.next().and_then(|line| line.strip_prefix("ovum: remedy: ")).unwrap().to_owned();
        assert_eq!(lines.next(), None, "{line:?}: two lines: {text}");
        (cause, remedy)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn same(&self, one: &str, other: &str) {
        assert!(fs::read(self.path(one)).unwrap() == fs::read(self.path(other)).unwrap(), "{one} and {other} differ");
    }
}

#[test]
fn a_disk_goes_through_every_format_and_comes_back() {
    let place = Place::new();
    let mut from = "a.raw".to_owned();
    for to in ["b.qcow2", "c.vmdk", "d.vhd", "e.img"] {
        place.done(&["convert", &from, to]);
        assert_eq!(place.done(&["check", to]), "nothing is damaged\n", "{to}");
        from = to.to_owned();
    }
    place.done(&["convert", "--to", "vmdk-stream", "e.img", "f.vmdk"]);
    place.done(&["convert", "f.vmdk", "g.raw"]);
    place.same("a.raw", "g.raw");
}

#[test]
fn everything_that_prints_prints_json() {
    let place = Place::new();
    let json = |line: &[&str]| -> serde_json::Value { serde_json::from_str(&place.done(line)).unwrap() };
    assert_eq!(json(&["convert", "a.raw", "b.qcow2", "--json"])["disk_size"], MIB);
    assert_eq!(json(&["info", "b.qcow2", "--json"])["format"], "qcow2");
    assert_eq!(json(&["check", "b.qcow2", "--json"])["damage"], 0);
    let map = json(&["map", "b.qcow2", "--json"]);
    let lengths = map.as_array().unwrap().iter().map(|range| range["length"].as_u64().unwrap());
    assert_eq!(lengths.sum::<u64>(), MIB as u64);
    let output = place.run(&["info", "missing.raw", "--json"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((error["status"].as_i64(), output.status.code()), (Some(2), Some(2)));
}

#[test]
fn what_is_not_a_disk_is_named_with_what_to_do() {
    let place = Place::new();
    fs::write(place.path("empty.vmdk"), b"").unwrap();
    fs::create_dir(place.path("folder.raw")).unwrap();
    fs::copy(place.path("a.raw"), place.path("unsaid")).unwrap();
    fs::copy(place.path("a.raw"), place.path("s.vmdk.000000001")).unwrap();
    place.done(&["create", "q.qcow2", "1M"]);
    fs::copy(place.path("q.qcow2"), place.path("guest.raw")).unwrap();
    for (name, said, advised) in [
        ("missing.vmdk", "there is no such file", "check the path"),
        ("empty.vmdk", "it is empty", "copied whole"),
        ("folder.raw", "it is a directory", "name a disk image"),
        ("/dev/null", "it is a character device", "name a disk image"),
        ("unsaid", "nothing says what its format is", "--format raw"),
        ("s.vmdk.000000001", "nothing says", "first chunk"),
        ("guest.raw", "its bytes are those of qcow2", "--format qcow2"),
    ] {
        let (cause, remedy) = place.refused(2, &["info", name]);
        assert!(cause.contains(name) && cause.contains(said), "{cause}");
        assert!(remedy.contains(advised), "{name}: {remedy}");
    }
    place.done(&["info", "unsaid", "--format", "raw"]);
    place.done(&["info", "guest.raw", "--format", "qcow2"]);
}

#[test]
fn nothing_is_replaced_and_nothing_is_left_of_a_failure() {
    let place = Place::new();
    symlink("a.raw", place.path("link.raw")).unwrap();
    symlink("nowhere", place.path("loose.raw")).unwrap();
    let before = place.names();
    for to in ["a.raw", "./a.raw", "link.raw", "loose.raw"] {
        let (cause, _) = place.refused(2, &["convert", "a.raw", to]);
        assert!(cause.contains("exists already"), "{to}: {cause}");
    }
    place.refused(2, &["convert", "a.raw", "no/folder.raw"]);
    let (_, remedy) = place.refused(2, &["convert", "a.raw", "b.vhdx"]);
    assert!(remedy.contains("--to"), "{remedy}");
    let (_, remedy) = place.refused(2, &["create", "b", "1M"]);
    assert!(remedy.contains("--format"), "{remedy}");
    place.refused(2, &["create", "b.vhd", "3T"]);
    place.refused(2, &["create", "b.qcow2", "1000"]);
    assert_eq!(place.names(), before);
}

#[test]
fn wrong_usage_is_status_2() {
    let place = Place::new();
    for line in [
        &["inf", "a.raw"][..],
        &["info"],
        &["info", "a.raw", "--jsn"],
        &["info", "a.raw", "--format", "vmx"],
        &["create", "b.raw"],
        &["create", "b.raw", "0"],
        &["create", "b.raw", "-5"],
        &["create", "b.raw", "5Q"],
        &["convert", "a.raw", "b.raw", "--threads", "0"],
        &["convert", "a.raw", "b.raw", "--threads", "100000"],
        &["convert", "a.raw", "b.raw", "--to", "vhdx"],
    ] {
        assert_eq!(place.run(line).status.code(), Some(2), "{line:?}");
    }
    assert_eq!(place.names(), ["a.raw"]);
    for command in ["info", "check", "map", "create", "convert", "resize"] {
        assert!(place.done(&[command, "--help"]).contains("\nExample"), "{command}");
    }
}

#[test]
fn overlays_know_their_base_and_take_no_other() {
    let place = Place::new();
    fs::rename(place.path("a.raw"), place.path("my base.raw")).unwrap();
    fs::copy(place.path("my base.raw"), place.path("other.raw")).unwrap();
    symlink("my base.raw", place.path("link.raw")).unwrap();
    fs::create_dir(place.path("sub")).unwrap();
    place.done(&["create", "one.qcow2", "--base", "link.raw"]);
    place.done(&["create", "sub/two.qcow2", "--base", "one.qcow2"]);
    assert!(place.done(&["info", "one.qcow2"]).contains("below it:"));
    place.done(&["convert", "one.qcow2", "--base", "link.raw", "whole.raw"]);
    place.same("whole.raw", "my base.raw");

    let (cause, remedy) = place.refused(2, &["info", "sub/two.qcow2"]);
    assert!(cause.contains("outside") && remedy.contains("--base"), "{cause}: {remedy}");
    place.done(&["convert", "sub/two.qcow2", "--base", "one.qcow2", "again.raw"]);
    place.same("again.raw", "my base.raw");

    let (cause, _) = place.refused(2, &["info", "one.qcow2", "--base", "other.raw"]);
    assert!(cause.contains("other.raw") && cause.contains("not the one"), "{cause}");
    place.refused(2, &["info", "other.raw", "--base", "link.raw"]);
    let (cause, _) = place.refused(2, &["create", "three.vmdk", "--base", "link.raw"]);
    assert!(cause.contains("an overlay is qcow2"), "{cause}");
    place.refused(2, &["create", "three.qcow2", "--base", "three.qcow2"]);
    fs::remove_file(place.path("my base.raw")).unwrap();
    let (cause, _) = place.refused(2, &["info", "one.qcow2"]);
    assert!(cause.contains("my base.raw"), "{cause}");
}

/// A qcow2 overlay whose header names `name` instead of its base, of as many bytes.
fn renamed(place: &Place, image: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(place.path("overlay.qcow2")).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    fs::write(place.path(image), bytes).unwrap();
}

#[test]
fn an_image_reaches_nothing_outside_and_says_nothing_to_the_terminal() {
    let place = Place::new();
    let name = "eleven.raw1";
    fs::copy(place.path("a.raw"), place.path(name)).unwrap();
    let output = place.run(&["create", "overlay.qcow2", "--base", name]);
    assert_eq!(output.status.code(), Some(2), "no ending declares it");
    fs::rename(place.path(name), place.path("elevenx.raw")).unwrap();
    place.done(&["create", "overlay.qcow2", "--base", "elevenx.raw"]);
    symlink("a.raw", place.path("linking.raw")).unwrap();
    for (to, said) in [("/etc/passwd", "outside"), ("../../../.a", "outside"), ("linking.raw", "symbolic link")] {
        renamed(&place, "hostile.qcow2", "elevenx.raw", to);
        let (cause, _) = place.refused(2, &["info", "hostile.qcow2"]);
        assert!(cause.contains(said), "{to}: {cause}");
    }
    renamed(&place, "hostile.qcow2", "elevenx.raw", "e\u{1b}[31m\n.raw");
    let (cause, _) = place.refused(2, &["info", "hostile.qcow2"]);
    assert!(!cause.contains('\u{1b}'), "{cause:?}");
    fs::copy(place.path("a.raw"), place.path("e\u{1b}[31m\n.raw")).unwrap();
    for command in ["info", "map"] {
        let text = place.done(&[command, "hostile.qcow2"]);
        assert!(text.contains(r"e\u{1b}[31m\n.raw") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn chunks_are_one_disk_and_a_missing_one_is_named() {
    let place = Place::new();
    place.done(&["convert", "--to", "vmdk-stream", "a.raw", "s.vmdk"]);
    let whole = fs::read(place.path("s.vmdk")).unwrap();
    let parts = whole.chunks(whole.len().div_ceil(3).next_multiple_of(512));
    for (number, part) in parts.enumerate() {
        fs::write(place.path(&format!("s.vmdk.{number:09}")), part).unwrap();
    }
    fs::remove_file(place.path("s.vmdk")).unwrap();
    place.done(&["convert", "s.vmdk.000000000", "back.raw"]);
    place.same("a.raw", "back.raw");
    fs::remove_file(place.path("s.vmdk.000000001")).unwrap();
    let (cause, _) = place.refused(2, &["info", "s.vmdk.000000000"]);
    assert!(cause.contains("s.vmdk.000000001"), "{cause}");
}

#[test]
fn damage_is_found_and_counted() {
    let place = Place::new();
    place.done(&["convert", "a.raw", "b.vmdk"]);
    let size = fs::metadata(place.path("b.vmdk")).unwrap().len();
    fs::File::options().write(true).open(place.path("b.vmdk")).unwrap().set_len(size - 100_000).unwrap();
    let output = place.run(&["check", "b.vmdk", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(report["damage"], findings.len());
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding["file"] == "b.vmdk"), "{report}");
    let (cause, remedy) = place.refused(2, &["convert", "b.vmdk", "c.raw"]);
    assert_eq!(cause.matches("b.vmdk").count(), 1, "{cause}");
    assert!(remedy.contains("ovum disk check"), "{remedy}");
    assert!(!place.path("c.raw").exists());
}

#[test]
fn images_grow_and_never_shrink() {
    let place = Place::new();
    place.done(&["convert", "a.raw", "b.qcow2"]);
    for name in ["a.raw", "b.qcow2"] {
        place.done(&["resize", name, "3M"]);
        assert!(place.done(&["info", name]).contains("3M (3145728 bytes)"));
        place.refused(2, &["resize", name, "1M"]);
        let (_, remedy) = place.refused(2, &["resize", name, "8191P"]);
        assert!(remedy.contains("smaller"), "{remedy}");
    }
    place.done(&["create", "c.vhd", "1M"]);
    place.refused(2, &["resize", "c.vhd", "2M"]);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let place = Place::new();
    // More than a pipe holds: data and holes by turns.
    let disk = fs::File::create(place.path("holes.raw")).unwrap();
    disk.set_len(32 * MIB as u64).unwrap();
    for at in (0..32 * MIB as u64).step_by(16 << 10) {
        disk.write_all_at(&[1], at).unwrap();
    }
    let mut child = place.command(&["map", "holes.raw", "--json"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!((first, output.status.code()), (*b"[", Some(141)), "as SIGPIPE ends a program");
}

#[test]
fn a_full_output_is_the_hosts_fault() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let place = Place::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["info", "a.raw"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("make room"));
}
