#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use ovum_boot::ovf::appliance::{
    Collection, Compression, Controller, ControllerKind, DeclaredFormat, Dialect, DirectBoot, Disk, Drive, Firmware,
    Install, LeftOut, Nic, Source, Startup, StopAction,
};
use ovum_boot::ovf::os::{GuestOs, OsArchitecture, OsFamily};
use ovum_disk::{Access, Disk as _, Format, Image, overlay};
use tempfile::TempDir;
use vm_memory::VolatileSlice;

use super::*;
use crate::config::BootFile;
use crate::failure::Explain;

const MIB: usize = 1 << 20;

/// A folder with a descriptor that nobody reads, and what it would have said.
struct Trial {
    folder: TempDir,
    appliance: Appliance,
}

impl Trial {
    fn new(systems: Vec<System>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("test.ovf"), "<?xml version=\"1.0\"?><Envelope/>").unwrap();
        let mut systems: Vec<_> = systems.into_iter().map(|system| Content::System(Box::new(system))).collect();
        let content = match systems.len() {
            1 => systems.remove(0),
            _ => Content::Collection(Collection { id: "all".into(), contents: systems, ..Collection::default() }),
        };
        let appliance = Appliance {
            dialect: Dialect::Ovf1,
            content,
            disks: Vec::new(),
            networks: Vec::new(),
            configurations: Vec::new(),
            configuration: None,
            files: Vec::new(),
            warnings: Vec::new(),
        };
        Self { folder, appliance }
    }

    /// A file in the package, and its reference.
    fn file(mut self, id: &str, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).unwrap();
        self.appliance.files.push(reference(id, name));
        self
    }

    fn disk(mut self, id: &str, file: Option<&str>, format: DeclaredFormat, parent: Option<&str>) -> Self {
        self.appliance.disks.push(Disk {
            id: id.into(),
            file: file.map(Into::into),
            format,
            capacity_bytes: MIB as u64,
            populated_bytes: None,
            parent: parent.map(Into::into),
            line: 1,
        });
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wishes(&self) -> Wishes<'static> {
        let base = MachineConfig { scratch: self.folder.path().to_owned(), ..MachineConfig::new("") };
        Wishes { kernel: Some("vmlinuz".into()), ..Wishes::new(base) }
    }

    fn prepare(&self, wishes: &Wishes<'_>) -> Result<Prepared, ApplianceError> {
        prepare(&Package::open(self.folder.path()).unwrap(), &self.appliance, wishes)
    }

    fn refusal(&self, wishes: &Wishes<'_>) -> ApplianceError {
        let error = self.prepare(wishes).unwrap_err();
        assert!(!error.remedy().is_empty() && !error.remedy().contains('\n'));
        error
    }

    /// The image of the first machine's disk.
    fn image(&self, number: usize) -> Arc<Image> {
        let prepared = self.prepare(&self.wishes()).unwrap_or_else(|error| panic!("{error}"));
        match &prepared.members[0].config.disks[number].source {
            DiskSource::Image { image, .. } => Arc::clone(image),
            other => panic!("{other}"),
        }
    }
}

fn reference(id: &str, href: &str) -> FileReference {
    let (size, compression, chunk_size) = (None, Compression::Identity, None);
    FileReference { id: id.into(), href: href.into(), size, compression, chunk_size, line: 1 }
}

fn system(id: &str) -> System {
    System { id: id.into(), cpus: 1, memory_bytes: 64 << 20, serials: 1, ..System::default() }
}

fn drive(source: Source) -> Drive {
    Drive { instance: "7".into(), name: None, source, controller: None, unit: None, line: 1 }
}

fn with_disks(ids: &[&str]) -> System {
    let disks = ids.iter().map(|id| drive(Source::Disk((*id).into()))).collect();
    System { disks, ..system("vm") }
}

fn known(format: Format) -> DeclaredFormat {
    DeclaredFormat::Known(format)
}

fn content(seed: u8) -> Vec<u8> {
    (0..MIB).map(|at| u8::try_from(at / 512 % 251).unwrap() ^ seed).collect()
}

fn read(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(image.size()).unwrap()];
    image.read_at(0, &[VolatileSlice::from(bytes.as_mut_slice())]).unwrap();
    bytes
}

#[test]
fn numbers_become_what_a_machine_can_have() {
    let of = |cpus, memory_bytes| {
        let mapping = Mapping::of(&System { cpus, memory_bytes, ..system("vm") }, &Limits { cpus: 4 });
        (mapping.cpus, mapping.memory_bytes, mapping.notes.len())
    };
    assert_eq!(of(2, 64 << 20), (2, 64 << 20, 0));
    assert_eq!(of(8, (64 << 20) + 1), (4, (64 << 20) + 4096, 2));
    assert_eq!(of(0, 0), (1, 256 << 20, 2));
    assert_eq!(of(1, u64::MAX).1 % 4096, 0);
}

#[test]
fn drives_keep_their_order_and_what_is_left_out_is_said() {
    let controller = Controller { instance: "3".into(), kind: ControllerKind::Scsi, model: None, address: 1 };
    let scsi = Drive { controller: Some(controller), unit: Some(5), ..drive(Source::Disk("data".into())) };
    let nic = Nic {
        instance: "9".into(),
        name: Some("eth0".into()),
        network: Some("LAN".into()),
        model: None,
        mac: None,
        connected: true,
    };
    let system = System {
        disks: vec![drive(Source::Disk("root".into())), scsi],
        cdroms: vec![drive(Source::Empty), drive(Source::File("iso".into()))],
        nics: vec![nic],
        serials: 3,
        firmware: Some(Firmware::Efi),
        install: Some(Install { initial_boot_stop_delay: 0 }),
        left_out: vec![LeftOut { what: "sound card".into(), why: "there is none".into(), line: 4 }],
        ..system("vm")
    };
    let mapping = Mapping::of(&system, &Limits { cpus: 4 });
    let drives: Vec<_> =
        mapping.drives.iter().map(|d| (d.device.as_str(), d.image.as_str(), d.was.as_deref(), d.read_only)).collect();
    let expected = [("vda", "root", None, false), ("vdb", "data", Some("scsi 1:5"), false), ("vdc", "iso", None, true)];
    assert_eq!(drives, expected);
    let left_out: Vec<_> = mapping.left_out.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(left_out, ["CD-ROM drive 7", "eth0 on LAN", "2 more serial ports", "sound card"]);
    assert_eq!(mapping.notes.len(), 2, "{:?}", mapping.notes);
}

#[test]
fn disks_have_linuxs_names() {
    let names = [0, 25, 26, 51, 52, 701, 702].map(mapping::device_name);
    assert_eq!(names, ["vda", "vdz", "vdaa", "vdaz", "vdba", "vdzz", "vdaaa"]);
}

#[test]
fn guests_that_cannot_run_are_refused_by_name() {
    let with = |family, architecture| {
        let description = Some("Microsoft Windows Server 2019".into());
        let os = GuestOs { cim: None, vendor: None, description, family, architecture };
        Trial::new(vec![System { os: Some(os), ..system("vm") }])
    };
    let windows = with(OsFamily::Other("Windows"), None);
    let error = windows.refusal(&windows.wishes());
    assert!(error.to_string().contains("Microsoft Windows Server 2019"), "{error}");
    assert!(windows.prepare(&Wishes { any_system: true, ..windows.wishes() }).is_ok());
    let power = with(OsFamily::Linux, Some(OsArchitecture::Ppc64));
    assert!(matches!(power.refusal(&power.wishes()), ApplianceError::OtherArchitecture { .. }));
    for (family, architecture) in
        [(OsFamily::Linux, Some(OsArchitecture::Amd64)), (OsFamily::Unknown, None), (OsFamily::Linux, None)]
    {
        let trial = with(family, architecture);
        assert!(trial.prepare(&trial.wishes()).is_ok());
    }
}

#[test]
fn the_kernel_is_the_users_or_the_packages_or_missing() {
    let boot = DirectBoot { kernel: "k".into(), initrd: Some("i".into()), cmdline: "quiet".into() };
    let trial = Trial::new(vec![System { direct_boot: Some(boot), ..system("vm") }])
        .file("k", "vmlinuz", b"kernel")
        .file("i", "initrd", b"initramfs");
    let none = Wishes { kernel: None, ..trial.wishes() };
    let append = Wishes { cmdline: CmdlineChoice::Append("debug".into()), ..none };
    let config = trial.prepare(&append).unwrap().members.remove(0).config;
    assert!(config.kernel.name().ends_with("/vmlinuz") && matches!(config.kernel, BootFile::Storage(_)));
    assert!(config.initramfs.unwrap().name().ends_with("/initrd"));
    assert_eq!(config.cmdline, CmdlineChoice::Append("quiet debug".into()));

    let config = trial.prepare(&Wishes { kernel: Some("/mine".into()), ..append }).unwrap().members.remove(0).config;
    assert_eq!((config.kernel.name().as_str(), config.initramfs.is_none()), ("/mine", true));
    assert_eq!(config.cmdline, CmdlineChoice::Append("debug".into()));

    let plain = Trial::new(vec![system("vm")]);
    let error = plain.refusal(&Wishes { kernel: None, ..plain.wishes() });
    assert!(matches!(error, ApplianceError::NoKernel { .. }) && error.remedy().contains("--kernel"));
}

#[test]
fn images_are_read_where_they_lie_however_they_are_packed() {
    let bytes = content(0);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let packed = gzip.finish().unwrap();
    let mut trial = Trial::new(vec![with_disks(&["plain", "gzip", "chunks", "both"])])
        .file("a", "a.img", &bytes)
        .file("b", "b.img.gz", &packed)
        .file("c", "c.img.000000000", &bytes[..700_000])
        .file("d", "d.gz.000000000", &packed[..1000])
        .disk("plain", Some("a"), DeclaredFormat::Undeclared, None)
        .disk("gzip", Some("b"), known(Format::Raw), None)
        .disk("chunks", Some("c"), known(Format::Raw), None)
        .disk("both", Some("d"), known(Format::Raw), None);
    fs::write(trial.path("c.img.000000001"), &bytes[700_000..]).unwrap();
    for (number, chunk) in packed[1000..].chunks(1000).enumerate() {
        fs::write(trial.path(&format!("d.gz.{:09}", number + 1)), chunk).unwrap();
    }
    trial.appliance.files[1].compression = Compression::Gzip;
    let whole = |name: &str, size| FileReference { href: name.into(), chunk_size: Some(size), ..reference("", "") };
    trial.appliance.files[2] = FileReference { id: "c".into(), ..whole("c.img", 700_000) };
    trial.appliance.files[3] = FileReference { id: "d".into(), compression: Compression::Gzip, ..whole("d.gz", 1000) };
    for number in 0..4 {
        assert!(read(&trial.image(number)) == bytes, "disk {number}");
    }
    assert_eq!(trial.prepare(&trial.wishes()).unwrap().files.len(), 4);
}

/// Makes `name` in the folder: an image above `below` whose first sector is nines.
fn child(trial: &Trial, name: &str, below: &str) {
    let base = ovum_disk::open(&trial.path(below), None, Access::ReadOnly).unwrap();
    let path = trial.path(name);
    overlay::create(&path, &trial.path(below), &base, None).unwrap();
    let image = overlay::open(&path, &trial.path(below), base).unwrap();
    image.write_at(0, &[VolatileSlice::from(&mut [9_u8; 512][..])]).unwrap();
    image.close().unwrap();
}

#[test]
fn a_child_shows_what_it_has_not_changed_of_its_parent() {
    let mut trial = Trial::new(vec![with_disks(&["top"])])
        .file("base", "base.img", &content(3))
        .disk("top", Some("top"), known(Format::Qcow2), Some("middle"))
        .disk("middle", None, DeclaredFormat::Undeclared, Some("base"))
        .disk("base", Some("base"), known(Format::Raw), None);
    child(&trial, "top.qcow2", "base.img");
    trial.appliance.files.push(reference("top", "top.qcow2"));
    let bytes = read(&trial.image(0));
    assert!(bytes[..512] == [9; 512] && bytes[512..] == content(3)[512..]);
    let prepared = trial.prepare(&trial.wishes()).unwrap();
    let used: Vec<_> = prepared.files.iter().map(|file| file.id.as_str()).collect();
    assert_eq!(used, ["base", "top"]);

    // A child of nothing but zeroes.
    trial.appliance.disks[2].file = None;
    let bytes = read(&trial.image(0));
    // The child has a whole cluster.
    assert!(bytes[..512] == [9; 512] && bytes[65_536..].iter().all(|byte| *byte == 0));

    // A chain without an end, and one that leads nowhere.
    trial.appliance.disks[2].parent = Some("top".into());
    assert!(matches!(trial.refusal(&trial.wishes()), ApplianceError::EndlessChain { id } if id == "top"));
    trial.appliance.disks[2].parent = Some("nothing".into());
    assert!(matches!(trial.refusal(&trial.wishes()), ApplianceError::Dangling { id, .. } if id == "nothing"));
}

#[test]
fn an_image_is_what_its_descriptor_says_or_refused() {
    let trial = |format| {
        let trial = Trial::new(vec![with_disks(&["d"])]).file("f", "disk.bin", &content(0));
        trial.disk("d", Some("f"), format, None)
    };
    let vmdk = trial(known(Format::Vmdk));
    let error = vmdk.refusal(&vmdk.wishes());
    assert!(error.to_string().starts_with("disk d: ") && error.to_string().contains("disk.bin"), "{error}");
    let unknown = trial(DeclaredFormat::Unknown("http://example.com/mine".into()));
    assert!(matches!(unknown.refusal(&unknown.wishes()), ApplianceError::UnknownFormat { .. }));
    let undeclared = trial(DeclaredFormat::Undeclared);
    assert!(undeclared.refusal(&undeclared.wishes()).to_string().contains("nothing says"));

    let mut other_size = trial(known(Format::Raw));
    other_size.appliance.disks[0].capacity_bytes = 5 << 20;
    let prepared = other_size.prepare(&other_size.wishes()).unwrap();
    assert!(prepared.mappings[0].notes[0].how.contains("1048576 bytes"), "{:?}", prepared.mappings[0].notes);
}

#[test]
fn writes_are_discarded_or_kept_in_a_file_for_each_disk() {
    let trial = || {
        let trial = Trial::new(vec![with_disks(&["a", "e"]), System { id: "../b".into(), ..with_disks(&["a"]) }]);
        let trial = trial.file("f", "a.img", &content(0)).disk("a", Some("f"), known(Format::Raw), None);
        trial.disk("e", None, DeclaredFormat::Undeclared, None)
    };
    let many = trial();
    let writes = |prepared: &Prepared| -> Vec<Writes> {
        prepared.members.iter().flat_map(|m| m.config.disks.iter().map(|d| d.writes.clone())).collect()
    };
    let prepared = many.prepare(&many.wishes()).unwrap();
    assert!(prepared.discards_writes);
    assert_eq!(writes(&prepared), [Writes::Discarded, Writes::Discarded, Writes::Discarded]);
    assert!(matches!(prepared.members[0].config.disks[1].source, DiskSource::Empty { size: 1_048_576, .. }));

    let folder = many.path("kept");
    let keep = Wishes { overlay: Some(folder.clone()), ..many.wishes() };
    let kept = |name: &str| Writes::Overlay(folder.join(name));
    let expected = [kept("vm.disk0.qcow2"), kept("vm.disk1.qcow2"), kept("___b.disk0.qcow2")];
    assert_eq!(writes(&many.prepare(&Wishes { makes_overlays: false, ..keep }).unwrap()), expected);
    assert!(!folder.exists());
    let keep = Wishes { overlay: Some(folder.clone()), ..many.wishes() };
    assert_eq!(writes(&many.prepare(&keep).unwrap()), expected);
    assert!(folder.is_dir());

    let file = many.path("file.qcow2");
    let one = Wishes { system: Some("../b".into()), overlay: Some(file.clone()), ..many.wishes() };
    assert_eq!(writes(&many.prepare(&one).unwrap()), [Writes::Overlay(file.clone())]);
    fs::write(&file, b"in the way").unwrap();
    let error = many.refusal(&Wishes { overlay: Some(file), ..many.wishes() });
    assert!(matches!(error, ApplianceError::OneOverlay { disks: 3, .. }), "{error}");
}

#[test]
fn a_collection_starts_those_that_it_shall_and_one_can_be_chosen() {
    let mut trial = Trial::new(vec![system("a"), system("b"), system("c")]);
    let Content::Collection(collection) = &mut trial.appliance.content else { return };
    let startup = |id: &str, order, starts| Startup {
        id: id.into(),
        order,
        start_delay: 1,
        waiting_for_guest: false,
        starts,
        stop_delay: 0,
        stop: StopAction::PowerOff,
    };
    collection.startup = vec![startup("c", 1, true), startup("b", 2, false)];
    let names = |prepared: &Prepared| prepared.members.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    let prepared = trial.prepare(&trial.wishes()).unwrap();
    assert_eq!(names(&prepared), ["a", "c"]);
    let mut order = Vec::new();
    prepared.order.visit(&mut |number| order.push(number));
    assert_eq!(order, [1, 0], "c is listed, a is not");

    let prepared = trial.prepare(&Wishes { system: Some("b".into()), ..trial.wishes() }).unwrap();
    assert_eq!((names(&prepared), prepared.order), (vec!["b".to_owned()], Unit::Machine(0)));
    let error = trial.refusal(&Wishes { system: Some("d".into()), ..trial.wishes() });
    assert_eq!(error.remedy(), "give --vm one of: a, b, c");
}

#[test]
fn a_cdrom_is_read_only_and_what_the_guest_is_told_comes_last() {
    let system = System {
        cdroms: vec![drive(Source::File("iso".into()))],
        disks: vec![drive(Source::File("f".into()))],
        ..system("vm")
    };
    let trial = Trial::new(vec![system]).file("iso", "cd", &content(1)).file("f", "disk.img", &content(2));
    let mut wishes = trial.wishes();
    wishes.environment.hostname = Some("guest".into());
    let prepared = trial.prepare(&wishes).unwrap();
    let disks = &prepared.members[0].config.disks;
    let writes: Vec<_> = disks.iter().map(|disk| disk.writes.clone()).collect();
    assert_eq!(writes, [Writes::Discarded, Writes::Refused, Writes::Refused]);
    assert!(matches!(&disks[2].source, DiskSource::Bytes { name, .. } if name == "cidata of vm"));
    assert!(prepared.mappings[0].notes.iter().any(|note| note.how.contains("vdc")));
    assert!(read(&trial.image(1)) == content(1));
    // What an overlay of the file would stand on is the file itself.
    let DiskSource::Image { name, .. } = &disks[0].source else { panic!() };
    assert_eq!(name, &Path::new(&trial.path("disk.img")).canonicalize().unwrap());
}
