//! `ovum run` on packages, with bare-metal guests that run on any `/dev/kvm`; see tests/tests/payloads.rs. Packages are made
//! by `ovum pack` and by hand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test ends where its expectation does not hold"
)]

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ovum_payloads::Payload;
use tempfile::TempDir;

const MIB: usize = 1 << 20;
const READ: &str = "status 00000000\nsector 0 is here\n";

/// A folder with kernels and a disk that says what its first sector is, and the command run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for payload in [Payload::Hello, Payload::BlkRead, Payload::Halt, Payload::Panic] {
            fs::write(place.path(payload.name()), payload.elf()).unwrap();
        }
        fs::write(place.path("disk.img"), disk()).unwrap();
        place
    }

    /// The same, where there is a host to run machines; `None` with a message where there is none.
    fn with_kvm() -> Option<Self> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
        opened.inspect_err(|error| eprintln!("skipped: /dev/kvm: {error}")).ok()?;
        Some(Self::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovum"));
        command.args(line).current_dir(self.0.path()).env_remove("OVUM_LOG").stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    fn run(&self, line: &[&str]) -> Output {
        let small = [&["run", "--timeout", "60s"], line].concat();
        self.command(&small).output().unwrap()
    }

    fn pack(&self, line: &[&str]) {
        let output = self.command(&[&["pack"], line].concat()).output().unwrap();
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the guest says, and what the command says, when it ends well.
    fn done(&self, line: &[&str]) -> (String, String) {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line:?}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }

    /// Cause and remedy: the last two lines when it does not.
    fn refused(&self, status: i32, line: &[&str]) -> (String, String) {
        let output = self.run(line);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{line:?}: {errors}");
        let mut lines = errors.lines().rev();
        let remedy = lines.next().and_then(|line| line.strip_prefix("ovum: remedy: ")).unwrap().to_owned();
        let cause = lines.next().and_then(|line| line.strip_prefix("ovum: error: ")).unwrap().to_owned();
        (cause, remedy)
    }

    /// Writes a descriptor of these files, disks and contents.
    fn ovf(&self, name: &str, files: &str, disks: &str, content: &str) {
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>{files}</References>
  <DiskSection><Info>Disks</Info>{disks}</DiskSection>
  {content}
</Envelope>"#
        );
        fs::write(self.path(name), text).unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn disk() -> Vec<u8> {
    let mut bytes = b"sector 0 is here, and more".to_vec();
    bytes.resize(MIB, 7);
    bytes
}

fn item(parts: &str) -> String {
    let names = ["AddressOnParent", "Description", "ElementName", "HostResource", "InstanceID", "Parent"];
    let mut text = String::from("<Item>");
    for part in parts.split(' ').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap();
        assert!(names.contains(&name) || matches!(name, "ResourceType" | "VirtualQuantity" | "AllocationUnits"));
        let _ = write!(text, "<rasd:{name}>{value}</rasd:{name}>");
    }
    text + "</Item>"
}

/// A machine with these disks, and whatever else is said of it.
fn system(id: &str, disks: &[&str], more: &str) -> String {
    let mut hardware = item("ElementName=cpu InstanceID=1 ResourceType=3 VirtualQuantity=1");
    hardware += &item("AllocationUnits=byte*2^20 ElementName=memory InstanceID=2 ResourceType=4 VirtualQuantity=64");
    hardware += &item("ElementName=scsi InstanceID=3 ResourceType=6");
    for (number, disk) in disks.iter().enumerate() {
        let place = format!("AddressOnParent={number} ElementName=disk{number}");
        let what = format!("HostResource=ovf:/disk/{disk} InstanceID={} Parent=3 ResourceType=17", number + 10);
        hardware += &item(&format!("{place} {what}"));
    }
    format!(
        r#"<VirtualSystem ovf:id="{id}"><Info>A machine</Info>{more}
        <VirtualHardwareSection><Info>Hardware</Info>{hardware}</VirtualHardwareSection></VirtualSystem>"#
    )
}

fn disk_element(id: &str, attributes: &str) -> String {
    format!(r#"<Disk ovf:diskId="{id}" ovf:capacity="1048576" {attributes}/>"#)
}

#[test]
fn a_package_with_a_kernel_runs_as_it_is() {
    let Some(place) = Place::with_kvm() else { return };
    place.pack(&["-o", "hello.ova", "--kernel", "hello", "--network", "none", "--memory", "64M"]);
    let before = fs::read(place.path("hello.ova")).unwrap();
    let (said, _) = place.done(&["hello.ova"]);
    assert_eq!(said, "hello from the guest\n");
    assert!(fs::read(place.path("hello.ova")).unwrap() == before);
    let (said, errors) = place.done(&["hello.ova", "--verify", "full", "--kernel", "blk-read"]);
    assert_eq!((said.as_str(), errors.as_str()), ("no disk\n", ""));
}

#[test]
fn a_disk_is_read_where_it_lies_in_an_archive() {
    let Some(place) = Place::with_kvm() else { return };
    place.pack(&["-o", "blk.ova", "--disk", "disk.img"]);
    let (said, errors) = place.done(&["blk.ova", "--kernel", "blk-read", "--verify", "full"]);
    assert_eq!(said, READ);
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].contains("Network adapter 1") && lines[1].contains("discarded"), "{errors}");
    for _ in 0..2 {
        let (said, errors) = place.done(&["blk.ova", "--kernel", "blk-read", "--overlay", "mine.qcow2"]);
        assert!(said == READ && !errors.contains("discarded"), "{errors}");
    }
    fs::rename(place.path("blk.ova"), place.path("other.ova")).unwrap();
    let (cause, _) = place.refused(2, &["other.ova", "--kernel", "blk-read", "--overlay", "mine.qcow2"]);
    assert!(cause.contains("mine.qcow2"), "{cause}");
}

#[test]
fn images_of_every_packing_and_chain_are_read_in_place() {
    let Some(place) = Place::with_kvm() else { return };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&disk()).unwrap();
    fs::write(place.path("packed.img.gz"), gzip.finish().unwrap()).unwrap();
    for (number, chunk) in disk().chunks(300_000).enumerate() {
        fs::write(place.path(&format!("cut.img.{number:09}")), chunk).unwrap();
    }
    // An image that has changed nothing.
    let made = place.command(&["disk", "create", "--base", "disk.img", "child.qcow2"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let files = r#"<File ovf:id="a" ovf:href="packed.img.gz" ovf:compression="gzip"/>
        <File ovf:id="b" ovf:href="cut.img" ovf:chunkSize="300000"/>
        <File ovf:id="c" ovf:href="child.qcow2"/><File ovf:id="d" ovf:href="disk.img"/>"#;
    for (disk, others) in [("packed", r#"ovf:fileRef="a""#), ("cut", r#"ovf:fileRef="b""#)] {
        place.ovf("packed.ovf", files, &disk_element(disk, others), &system("vm", &[disk], ""));
        assert_eq!(place.done(&["packed.ovf", "--kernel", "blk-read"]).0, READ, "{disk}");
    }
    let child = disk_element("child", r#"ovf:fileRef="c" ovf:parentRef="base""#);
    let disks = child + &disk_element("base", r#"ovf:fileRef="d""#);
    place.ovf("chain.ovf", files, &disks, &system("vm", &["child"], ""));
    assert_eq!(place.done(&["chain.ovf", "--kernel", "blk-read"]).0, READ);
    place.ovf("empty.ovf", "", &disk_element("empty", ""), &system("vm", &["empty"], ""));
    let (said, _) = place.done(&["empty.ovf", "--kernel", "blk-read"]);
    assert!(said.starts_with("status 00000000\n\0"), "{said:?}");
}

/// Three machines on one kernel, of which one never ends by itself, or none.
fn collection(place: &Place) {
    let startup = r#"<StartupSection><Info>Order</Info>
        <Item ovf:id="web" ovf:order="2" ovf:startDelay="30" ovf:waitingForGuest="true"/>
        <Item ovf:id="db" ovf:order="1" ovf:startDelay="30" ovf:waitingForGuest="true"/></StartupSection>"#;
    let machines: String = ["web", "db", "log"].map(|id| system(id, &[], "")).concat();
    let content = format!(
        r#"<VirtualSystemCollection ovf:id="all"><Info>All</Info>{startup}{machines}</VirtualSystemCollection>"#
    );
    place.ovf("all.ovf", "", "", &content);
}

#[test]
fn a_collection_starts_in_its_order_and_each_line_has_its_machine() {
    let Some(place) = Place::with_kvm() else { return };
    collection(&place);
    let (said, _) = place.done(&["all.ovf", "--kernel", "hello"]);
    let lines = ["db ", "web", "log"].map(|name| format!("{name} | hello from the guest\n"));
    assert_eq!(said, lines.concat());
    let (said, _) = place.done(&["all.ovf", "--kernel", "hello", "--vm", "web"]);
    assert_eq!(said, "hello from the guest\n");

    let output = place.run(&["all.ovf", "--kernel", "panic", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let errors = text(&output.stderr);
    let json: serde_json::Value = serde_json::from_str(errors.lines().last().unwrap()).unwrap();
    assert_eq!(json["machines"].as_array().unwrap().len(), 3);
    assert_eq!((json["machines"][1]["name"].as_str(), json["status"].as_i64()), (Some("db"), Some(4)));
}

#[test]
fn a_signal_stops_all_machines() {
    let Some(place) = Place::with_kvm() else { return };
    collection(&place);
    let mut ovum = place
        .command(&["run", "all.ovf", "--kernel", "halt"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let pid = ovum.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let began = Instant::now();
    assert_eq!(ovum.wait().unwrap().code(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_damaged_disk_ends_the_machine() {
    let Some(place) = Place::with_kvm() else { return };
    place.pack(&["-o", "p.ovf", "--disk", "disk.img", "--kernel", "halt", "--network", "none"]);
    let mut kernel = OpenOptions::new().append(true).open(place.path("p-vmlinuz")).unwrap();
    kernel.write_all(b"x").unwrap();
    drop(kernel);
    let (cause, _) = place.refused(2, &["p.ovf"]);
    assert!(cause.contains("ovf:size"), "a size that differs is seen at once: {cause}");

    place.pack(&["-o", "q.ovf", "--disk", "disk.img", "--kernel", "halt", "--network", "none"]);
    let image = place.path("q-disk1.vmdk");
    let mut bytes = fs::read(&image).unwrap();
    let last = bytes.len() - 600;
    bytes[last] ^= 1;
    fs::write(&image, bytes).unwrap();
    for verify in [&[][..], &["--verify", "full"]] {
        let (cause, remedy) = place.refused(2, &[&["q.ovf"], verify].concat());
        assert!(cause.contains("q-disk1.vmdk") && cause.contains("digest"), "{cause}");
        assert!(!remedy.is_empty());
    }
    let timed = place.command(&["run", "q.ovf", "--verify", "none", "--timeout", "300ms"]).output().unwrap();
    assert_eq!(timed.status.code(), Some(124), "{}", text(&timed.stderr));
    let descriptor = fs::read_to_string(place.path("q.ovf")).unwrap();
    fs::write(place.path("q.ovf"), descriptor + "\n").unwrap();
    let (cause, _) = place.refused(2, &["q.ovf", "--verify", "none"]);
    assert!(cause.contains("q.ovf"), "the descriptor is compared always: {cause}");
}

#[test]
fn what_cannot_be_started_is_refused_by_name() {
    let place = Place::new();
    let os = r#"<OperatingSystemSection ovf:id="103"><Info>OS</Info>
        <Description>Microsoft Windows Server 2008</Description></OperatingSystemSection>"#;
    place.ovf("windows.ovf", "", "", &system("vm", &[], os));
    let (cause, remedy) = place.refused(2, &["windows.ovf", "--kernel", "hello"]);
    assert!(cause.contains("Windows"), "{cause}");
    assert!(remedy.contains("--ignore-section OperatingSystemSection"), "{remedy}");
    let planned =
        place.run(&["windows.ovf", "--kernel", "hello", "--ignore-section", "OperatingSystemSection", "--dry-run"]);
    assert_eq!(planned.status.code(), Some(0), "{}", text(&planned.stderr));

    place.ovf("plain.ovf", "", "", &system("vm", &[], ""));
    let (_, remedy) = place.refused(2, &["plain.ovf"]);
    assert!(remedy.contains("--kernel"), "{remedy}");
    let (_, remedy) = place.refused(2, &["plain.ovf", "--kernel", "hello", "--vm", "other"]);
    assert!(remedy.contains("vm"), "{remedy}");
    let (cause, _) = place.refused(2, &["--kernel", "hello", "--hostname", "x"]);
    assert!(cause.contains("--hostname"), "{cause}");
    let (cause, _) = place.refused(2, &["plain.ovf", "--kernel", "hello", "--verify", "full"]);
    assert!(cause.contains("manifest"), "{cause}");
}

#[test]
fn properties_and_licences_are_settled_before_the_start() {
    let Some(place) = Place::with_kvm() else { return };
    let product = r#"<ProductSection><Info>Product</Info>
        <Property ovf:key="admin" ovf:type="string" ovf:userConfigurable="true" ovf:qualifiers="MinLen(3)"/>
        </ProductSection><EulaSection><Info>Licence</Info><License>Do no evil.</License></EulaSection>"#;
    place.ovf("asks.ovf", "", "", &system("vm", &[], product));
    let (cause, remedy) = place.refused(2, &["asks.ovf", "--kernel", "hello", "--set", "admin=root"]);
    assert!(cause.contains("licence") && remedy.contains("--accept-eula"), "{cause}");
    let (cause, remedy) = place.refused(2, &["asks.ovf", "--kernel", "hello", "--accept-eula"]);
    assert!(cause.contains("admin") && remedy.contains("--set admin=VALUE"), "{cause}: {remedy}");
    // The licence was accepted, and is remembered.
    let (said, _) = place.done(&["asks.ovf", "--kernel", "hello", "--set", "admin=root"]);
    assert_eq!(said, "hello from the guest\n");
    let planned = place.run(&[
        "asks.ovf",
        "--kernel",
        "hello",
        "--set",
        "admin=root",
        "--hostname",
        "box",
        "--dry-run",
        "--json",
    ]);
    let json: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    let notes = json["machines"][0]["mapping"]["notes"].to_string();
    assert!(notes.contains("OVF ENV") && notes.contains("cidata"), "{notes}");
}

#[test]
fn a_path_is_taken_for_what_its_bytes_are() {
    let Some(place) = Place::with_kvm() else { return };
    assert_eq!(place.done(&["hello"]).0, "hello from the guest\n");
    let (cause, _) = place.refused(2, &["hello", "--kernel", "hello"]);
    assert!(cause.contains("two kernels"), "{cause}");
    let made = place.command(&["disk", "convert", "disk.img", "disk.vmdk"]).output().unwrap();
    assert!(made.status.success());
    assert_eq!(place.done(&["disk.vmdk", "--kernel", "blk-read"]).0, READ);
    let (_, remedy) = place.refused(2, &["disk.vmdk"]);
    assert!(remedy.contains("--kernel"), "{remedy}");
    let (cause, _) = place.refused(2, &["nowhere.ova"]);
    assert!(cause.contains("nowhere.ova"), "{cause}");
}

/// A member of 10 GiB takes no longer than one of 10 MiB, and no memory.
#[test]
fn a_large_package_starts_at_once() {
    let Some(place) = Place::with_kvm() else { return };
    let size: u64 = 10 << 30;
    let files = format!(r#"<File ovf:id="a" ovf:href="disk.img" ovf:size="{size}"/>"#);
    place.ovf("large.ovf", &files, &disk_element("d", r#"ovf:fileRef="a""#), &system("vm", &["d"], ""));
    let descriptor = fs::read(place.path("large.ovf")).unwrap();
    let mut ova = File::create(place.path("large.ova")).unwrap();
    ova.write_all(&header("large.ovf", descriptor.len() as u64)).unwrap();
    ova.write_all(&descriptor).unwrap();
    ova.write_all(&vec![0; descriptor.len().next_multiple_of(512) - descriptor.len()]).unwrap();
    ova.write_all(&header("disk.img", size)).unwrap();
    ova.write_all(&disk()).unwrap();
    let start = (512 + descriptor.len().next_multiple_of(512) + 512) as u64;
    ova.set_len(start + size + 1024).unwrap();
    drop(ova);
    let began = Instant::now();
    let (said, errors) = place.done(&["large.ova", "--kernel", "blk-read", "--json"]);
    assert_eq!(said, READ);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let json: serde_json::Value = serde_json::from_str(errors.lines().last().unwrap()).unwrap();
    let moments = json["timeline"].as_array().unwrap();
    let open = moments.iter().find(|moment| moment["event"] == "inputs_open").unwrap();
    assert!(open["cpu_us"].as_u64().unwrap() < 300_000, "{errors}");
}

/// The header of a tar archive's member (POSIX, pax, "ustar Interchange Format"), with its size in base 256 as GNU writes it.
fn header(name: &str, size: u64) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, &[0x80, 0, 0, 0]);
    put(128, &size.to_be_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
