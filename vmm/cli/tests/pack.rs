//! `ovum pack` as a user meets it, with others as judges: GNU tar, sha256sum, xmllint, qemu-img.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use ovum_boot::testkernel::TestElf;
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A folder with a raw disk `a.raw`, half of it data, a kernel, and the command run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut bytes: Vec<u8> = (0..MIB / 2).map(|n| u8::try_from(n * 7 % 251 + 1).unwrap()).collect();
        bytes.resize(3 * MIB / 2 + 512, 0);
        fs::write(place.path("a.raw"), bytes).unwrap();
        fs::write(place.path("vmlinux"), TestElf::flat(1 << 20, vec![0xf4; 64]).bytes()).unwrap();
        fs::write(place.path("initrd"), "initrd").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovum"));
        command.arg("pack").args(line).current_dir(self.0.path()).env_remove("SOURCE_DATE_EPOCH").stdin(Stdio::null());
        command
    }

    /// What it prints when it succeeds.
    fn done(&self, line: &[&str]) -> String {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Cause and remedy when it does not.
    fn refused(&self, line: &[&str]) -> (String, String) {
        refusal(&self.command(line).output().unwrap(), 2)
    }

    /// What a judge says, who must be content.
    fn judge(&self, script: &str) -> String {
        let output = Command::new("sh").args(["-ec", script]).current_dir(self.0.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn refusal(output: &Output, status: i32) -> (String, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    let mut lines = text.lines();
    let cause = lines.next().and_then(|line| line.strip_prefix("ovum: error: ")).unwrap().to_owned();
    let remedy = lines.next().and_then(|line| line.strip_prefix("ovum: remedy: ")).unwrap().to_owned();
    assert_eq!(lines.next(), None, "two lines: {text}");
    (cause, remedy)
}

#[test]
fn others_read_an_ova_and_find_the_disk_in_it() {
    let place = Place::new();
    place.judge("qemu-img convert -O qcow2 a.raw b.qcow2");
    let line = ["-o", "my.ova", "--disk", "a.raw", "--disk", "b.qcow2", "--kernel", "vmlinux", "--initrd", "initrd"];
    assert_eq!(place.done(&[&line[..], &["--append", "quiet", "--property", "hostname=<box>"]].concat()), "");
    let list = "my.ovf\nmy.mf\nmy-disk1.vmdk\nmy-disk2.vmdk\nmy-vmlinuz\nmy-initrd\n";
    assert_eq!(place.judge("tar -tf my.ova 2>&1"), list);
    // tar has nothing to say about the times of the files, or their end.
    assert_eq!(place.judge("mkdir x && tar -C x -xf my.ova 2>&1"), "");
    let checked = place.judge("cd x && sha256sum -c --strict my.mf");
    assert_eq!(checked.matches(": OK").count(), 5, "{checked}");
    place.judge("xmllint --noout x/my.ovf");
    for number in [1, 2] {
        place.judge(&format!("qemu-img check x/my-disk{number}.vmdk"));
        place.judge(&format!("qemu-img compare -f vmdk -F raw x/my-disk{number}.vmdk a.raw"));
    }
    place.judge("cmp x/my-vmlinuz vmlinux && cmp x/my-initrd initrd");
    let value = |path: &str| place.judge(&format!("xmllint --xpath 'string({path})' x/my.ovf")).trim_end().to_owned();
    let named = |name: &str| format!("//*[local-name()=\"{name}\"]");
    assert_eq!(value(&format!("{}/@*[local-name()=\"value\"]", named("Property"))), "<box>");
    assert_eq!(value(&named("CommandLine")), "quiet");
    let size = fs::metadata(place.path("x/my-disk1.vmdk")).unwrap().len().to_string();
    assert_eq!(value(&format!("{}[1]/@*[local-name()=\"size\"]", named("File"))), size);
    assert_eq!(value(&format!("{}[1]/@*[local-name()=\"capacity\"]", named("Disk"))), (3 * MIB / 2 + 512).to_string());
}

#[test]
fn a_package_in_a_folder_is_read_as_well() {
    let place = Place::new();
    fs::create_dir(place.path("x")).unwrap();
    place.done(&["-o", "x/my.ovf", "--disk", "a.raw"]);
    assert_eq!(place.judge("ls x"), "my-disk1.vmdk\nmy.mf\nmy.ovf\n");
    place.judge("cd x && sha256sum -c --strict my.mf && xmllint --noout my.ovf");
    place.judge("qemu-img compare -f vmdk -F raw x/my-disk1.vmdk a.raw");
}

#[test]
fn packing_again_gives_the_same_bytes_and_the_time_that_is_asked_for() {
    let place = Place::new();
    let line = ["-o", "my.ova", "--disk", "a.raw"];
    place.done(&line);
    place.judge("mv my.ova first.ova");
    place.done(&[&line[..], &["--threads", "3"]].concat());
    place.judge("cmp my.ova first.ova");
    let output =
        place.command(&["-o", "my.ova", "--disk", "a.raw", "--force"]).env("SOURCE_DATE_EPOCH", "86400").output();
    assert!(output.unwrap().status.success());
    assert!(place.judge("TZ=UTC tar -tvf my.ova 2>&1").contains("1970-01-02 00:00 my.ovf"));
    let output = place.command(&["-o", "x.ova", "--disk", "a.raw"]).env("SOURCE_DATE_EPOCH", "now").output();
    assert!(refusal(&output.unwrap(), 2).0.contains("SOURCE_DATE_EPOCH"));
}

#[test]
fn what_cannot_be_packed_is_named_with_what_to_do() {
    let place = Place::new();
    fs::write(place.path("binary"), [0xff, 0xfe]).unwrap();
    fs::write(place.path("bell"), "\u{7}").unwrap();
    let before = place.names();
    let disk = ["--disk", "a.raw"];
    for (line, said, advised) in [
        (&["-o", "x.ova"][..], "nothing to pack", "--disk"),
        (&["-o", "x.zip", "--disk", "a.raw"], "does not say what to make", ".ova"),
        (&["-o", "x y.ovf", "--disk", "a.raw"], "x y.ovf", "letters"),
        (&["-o", "no/x.ova", "--disk", "a.raw"], "folder", "make the folder"),
        (&["-o", "x.ova", "--disk", "missing.raw"], "missing.raw: there is no such file", "check the path"),
        (&["-o", "x.ova", "--disk", "initrd"], "nothing says what its format is", "format=raw"),
        (&["-o", "x.ova", "--kernel", "initrd"], "kernel initrd", "bzImage"),
        (&["-o", "x.ova", "--kernel", "vmlinux", "--initrd", "none"], "initramfs none", "check the path"),
        (&["-o", "x.ova", "--disk", "a.raw", "--memory", "1000K"], "1024000 bytes of memory", "MiB"),
        (&["-o", "x.ova", "--disk", "a.raw", "--eula", "binary"], "licence binary", "UTF-8"),
        (&["-o", "x.ova", "--disk", "a.raw", "--eula", "bell"], "licence", "plain text"),
        (&["-o", "x.ova", "--disk", "a.raw", "--property", "a:uint8=256"], "256", "another value"),
        (&["-o", "a.raw", "--disk", "a.raw", "--force"], "a.raw would be replaced", "another name"),
    ] {
        let (cause, remedy) = place.refused(line);
        assert!(cause.contains(said), "{line:?}: {cause}");
        assert!(remedy.contains(advised), "{line:?}: {remedy}");
    }
    let wrong = [&["-o", "x.ova", "--os", "windows"][..], &["-o", "x.ova", "--initrd", "initrd"], &["--cpus", "0"]];
    for line in wrong {
        let output = place.command(&[line, &disk].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
    }
    assert_eq!(place.names(), before);
}

#[test]
fn a_signed_package_is_confirmed_by_ovum_verify() {
    let place = Place::new();
    let ovum = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovum"));
        command.args(line.split(' ')).current_dir(place.0.path()).output().unwrap()
    };
    place.judge("openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=me -days 9 -out cert 2>&1");
    let sign = ["-o", "my.ova", "--disk", "a.raw", "--sign-key", "key", "--sign-cert", "cert"];
    place.done(&sign);
    assert_eq!(place.judge("tar -tf my.ova"), "my.ovf\nmy.mf\nmy.cert\nmy-disk1.vmdk\n");
    assert!(ovum("verify my.ova --trust cert").status.success());
    // The certificate and the signature are what OpenSSL takes for such.
    place.judge("mkdir x && tar -C x -xf my.ova && openssl x509 -in x/my.cert -pubkey -noout > public");
    let text = fs::read_to_string(place.path("x/my.cert")).unwrap();
    let digits = text.lines().next().unwrap().strip_prefix("SHA256(my.mf)= ").unwrap();
    let bytes = digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
    fs::write(place.path("signature"), bytes.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
    place.judge("openssl dgst -sha256 -verify public -signature signature x/my.mf");
    let (cause, remedy) =
        place.refused(&["-o", "b.ova", "--disk", "a.raw", "--sign-key", "cert", "--sign-cert", "cert"]);
    assert!(cause.contains("cannot sign") && remedy.contains("PRIVATE KEY"), "{cause}; {remedy}");
    assert_eq!(place.command(&sign[..6]).output().unwrap().status.code(), Some(2), "a key without its certificate");
    assert!(!place.path("b.ova").exists());
}

#[test]
fn nothing_is_replaced_unless_it_is_asked_for() {
    let place = Place::new();
    fs::write(place.path("my.ova"), "mine").unwrap();
    fs::write(place.path("my-disk1.vmdk"), "mine").unwrap();
    for to in ["my.ova", "my.ovf"] {
        let (cause, remedy) = place.refused(&["-o", to, "--disk", "a.raw"]);
        assert!(cause.contains("exists already") && remedy.contains("--force"), "{cause}");
    }
    assert_eq!(fs::read(place.path("my.ova")).unwrap(), b"mine");
    place.done(&["-o", "my.ova", "--disk", "a.raw", "--force"]);
    place.done(&["-o", "my.ovf", "--disk", "a.raw", "--force"]);
    place.judge("sha256sum -c --strict my.mf && tar -tf my.ova");
    let names = place.names();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    fs::create_dir(place.path("folder.ova")).unwrap();
    place.refused(&["-o", "folder.ova", "--disk", "a.raw", "--force"]);
}

#[test]
fn nothing_is_left_when_the_file_cannot_grow() {
    let place = Place::new();
    let before = place.names();
    for (name, file) in [("my.ova", "my.ova"), ("my.ovf", "my-disk1.vmdk")] {
        // As a full disk: blocks of 1 KiB, and an error in place of the signal.
        let script =
            format!("trap '' XFSZ; ulimit -f 20; exec {} pack -o {name} --disk a.raw", env!("CARGO_BIN_EXE_ovum"));
        let output = Command::new("bash").args(["-c", &script]).current_dir(place.0.path()).output().unwrap();
        let (cause, remedy) = refusal(&output, 3);
        assert!(
            cause.starts_with(&format!("cannot write {file}: ")) && remedy.contains("file system"),
            "{cause}; {remedy}"
        );
        assert_eq!(place.names(), before);
    }
}

#[test]
fn ctrl_c_leaves_nothing() {
    let place = Place::new();
    // Enough work for seconds.
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    });
    fs::write(place.path("noise.raw"), noise.take(64 * MIB).collect::<Vec<_>>()).unwrap();
    let before = place.names();
    for name in ["my.ova", "my.ovf"] {
        let mut child = place.command(&["-o", name, "--disk", "noise.raw", "--threads", "1"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(250));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(2));
        assert_eq!(place.names(), before);
    }
}

#[test]
fn programs_read_what_was_made() {
    let place = Place::new();
    let text = place.done(&["-o", "my.ova", "--disk", "a.raw", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["size"], fs::metadata(place.path("my.ova")).unwrap().len());
    assert_eq!(report["files"][0]["name"], "my.ovf");
    let output = place.command(&["-o", "my.ova", "--disk", "a.raw", "--json"]).output().unwrap();
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((error["status"].as_i64(), output.status.code()), (Some(2), Some(2)));
}
