use std::fs;
use std::path::Path;
use std::process::Command;

use ovum_disk::storage::{FileStorage, write_bytes};
use ovum_disk::{Access, Format};
use tempfile::TempDir;

use super::os::NewOs;
use super::recipe::MAX_DISKS;
use super::*;
use crate::Package;
use crate::integrity::testing::OpenSsl;
use crate::integrity::{Trust, check_descriptor};
use crate::ovf::appliance::{ControllerKind, Dialect};
use crate::ovf::os::{GuestOs, OsArchitecture, OsFamily};
use crate::ovf::{self, Choices};

const MIB: usize = 1 << 20;

/// A folder with inputs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut disk: Vec<u8> = (0..MIB / 2).map(|n| u8::try_from(n * 7 % 251 + 1).unwrap()).collect();
        disk.resize(MIB, 0);
        fs::write(place.path("disk.raw"), disk).unwrap();
        fs::write(place.path("kernel"), vec![7; MIB + 1]).unwrap();
        fs::write(place.path("initrd"), vec![8; 1]).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn image(&self, name: &str) -> Arc<Image> {
        ovum_disk::open(&self.path(name), Some(Format::Raw), Access::ReadOnly).unwrap()
    }

    fn storage(&self, name: &str) -> Arc<dyn Storage> {
        Arc::new(FileStorage::open(&self.path(name), Access::ReadOnly).unwrap())
    }

    fn recipe(&self) -> Recipe {
        let cmdline = "quiet <&>".into();
        Recipe {
            name: "A \"machine\" & more".into(),
            cpus: 2,
            memory_bytes: 512 << 20,
            os: NewOs::default(),
            networks: vec!["one".into(), "two".into(), "one".into()],
            properties: vec![property("hostname", "string", Some("a\tb\nc\r\"<"))],
            eulas: vec!["be\r\nkind".into()],
            annotation: Some("<note>".into()),
            kernel: Some(NewKernel { kernel: self.storage("kernel"), initrd: Some(self.storage("initrd")), cmdline }),
            disks: vec![self.image("disk.raw")],
            signer: None,
        }
    }

    fn pack(&self, recipe: &Recipe, to: &str) -> Result<Packed, PackError> {
        let output = Output::create(recipe, &self.path(to), false, 315_532_800)?;
        pack(recipe, output, &mut Work { threads: NonZero::new(2).unwrap(), progress: &mut |_| () })
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn property(key: &str, kind: &str, default: Option<&str>) -> NewProperty {
    NewProperty { key: key.into(), kind: kind.into(), default: default.map(str::to_owned) }
}

/// The members of a tar file, read without any of the code that wrote it: name, size as its field says, bytes.
fn members(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let text = |range: std::ops::Range<usize>| {
            let bytes: Vec<u8> = tar[range].iter().copied().take_while(|byte| *byte != 0).collect();
            String::from_utf8(bytes).unwrap()
        };
        let size = usize::from_str_radix(&text(at + 124..at + 135), 8).unwrap();
        members.push((text(at..at + 100), tar[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.next_multiple_of(512);
    }
    assert!(tar[at..].iter().all(|byte| *byte == 0) && tar.len() >= at + 1024 && tar.len().is_multiple_of(10_240));
    members
}

#[test]
fn the_files_of_an_ova_stand_in_the_order_of_the_standard() {
    let place = Place::new();
    let packed = place.pack(&place.recipe(), "a.ova").unwrap();
    let tar = fs::read(place.path("a.ova")).unwrap();
    assert_eq!(packed.size, tar.len() as u64);
    let members = members(&tar);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.ovf", "a.mf", "a-disk1.vmdk", "a-vmlinuz", "a-initrd"]);
    let sizes: Vec<u64> = members.iter().map(|(_, bytes)| bytes.len() as u64).collect();
    assert_eq!(packed.files.iter().map(|file| file.size).collect::<Vec<_>>(), sizes);
    assert_eq!(members[3].1, vec![7; MIB + 1]);
    let descriptor = std::str::from_utf8(&members[0].1).unwrap();
    for (name, bytes) in &members[2..] {
        let (href, size) = (format!("ovf:href=\"{name}\""), format!("ovf:size=\"{}\"", bytes.len()));
        assert!(descriptor.lines().any(|line| line.contains(&href) && line.contains(&size)), "{name}");
    }
    let manifest = std::str::from_utf8(&members[1].1).unwrap();
    let listed: Vec<&str> = manifest.lines().map(|line| line[7..].split(')').next().unwrap()).collect();
    assert_eq!(listed, ["a.ovf", "a-disk1.vmdk", "a-vmlinuz", "a-initrd"]);
    assert!(!manifest.contains(&"0".repeat(64)));
}

#[test]
fn what_is_packed_twice_is_the_same() {
    let place = Place::new();
    place.pack(&place.recipe(), "a.ova").unwrap();
    let first = fs::read(place.path("a.ova")).unwrap();
    fs::remove_file(place.path("a.ova")).unwrap();
    place.pack(&place.recipe(), "a.ova").unwrap();
    assert!(fs::read(place.path("a.ova")).unwrap() == first);
}

#[test]
fn a_folder_holds_the_same_files_as_an_ova() {
    let place = Place::new();
    let packed = place.pack(&place.recipe(), "a.ova").unwrap();
    assert_eq!(place.pack(&place.recipe(), "a.ovf").unwrap().files, packed.files);
    for (name, bytes) in members(&fs::read(place.path("a.ova")).unwrap()) {
        assert!(fs::read(place.path(&name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn nothing_is_replaced_and_nothing_is_left_of_a_failure() {
    let place = Place::new();
    fs::write(place.path("a-initrd"), "mine").unwrap();
    let before = place.names();
    let error = place.pack(&place.recipe(), "a.ovf").unwrap_err();
    assert!(error.to_string().ends_with("a-initrd exists already"), "{error}");
    assert_eq!(place.names(), before);
    // A disk that is cut while it is read.
    let recipe = place.recipe();
    fs::File::options().write(true).open(place.path("disk.raw")).unwrap().set_len(4096).unwrap();
    let error = place.pack(&recipe, "b.ova").unwrap_err();
    assert!(matches!(&error, PackError::Read { what, .. } if what.ends_with("disk.raw")), "{error}");
    assert_eq!(place.names(), before);
}

#[test]
fn a_signature_stands_behind_the_manifest_and_is_confirmed() {
    let Some(openssl) = OpenSsl::new() else { return };
    let place = Place::new();
    for (name, curve) in [("rsa", None), ("p256", Some("P-256")), ("p384", Some("P-384"))] {
        openssl.alone(name, curve, "");
        let certificates = openssl.read(&format!("{name}.pem"));
        let signer = Some(NewSigner { key: openssl.read(&format!("{name}.key")), certificates: certificates.clone() });
        place.pack(&Recipe { signer, ..place.recipe() }, &format!("{name}.ova")).unwrap();
        let members = members(&fs::read(place.path(&format!("{name}.ova"))).unwrap());
        assert_eq!(members[2].0, format!("{name}.cert"));
        let package = Package::open(&place.path(&format!("{name}.ova"))).unwrap();
        let mut trust = Trust::nobody();
        trust.add("", &certificates).unwrap();
        check_descriptor(&package, &trust).unwrap();
    }
    // A key that cannot sign is found before anything else is done.
    let signer = NewSigner { key: openssl.read("rsa.key"), certificates: openssl.read("p256.pem") };
    assert_eq!(format!("{signer:?}"), "NewSigner", "a key is not printed");
    let recipe = Recipe { signer: Some(signer), ..place.recipe() };
    let output = Output::create(&recipe, &place.path("b.ova"), false, 0).unwrap();
    let mut work = Work { threads: NonZero::<usize>::MIN, progress: &mut |_| panic!("it went on") };
    let error = pack(&recipe, output, &mut work).unwrap_err();
    assert!(error.to_string().contains("cannot sign"), "{error}");
}

#[test]
fn no_signature_of_another_package_stays_beside_a_new_one() {
    let place = Place::new();
    fs::write(place.path("a.cert"), "another's").unwrap();
    let error = place.pack(&place.recipe(), "a.ovf").unwrap_err();
    assert!(error.to_string().contains("a.cert exists already"), "{error}");
    assert!(!place.path("a.ovf").exists());
    let recipe = place.recipe();
    let output = Output::create(&recipe, &place.path("a.ovf"), true, 0).unwrap();
    pack(&recipe, output, &mut Work { threads: NonZero::<usize>::MIN, progress: &mut |_| () }).unwrap();
    assert!(!place.path("a.cert").exists());
    check_descriptor(&Package::open(&place.path("a.ovf")).unwrap(), &Trust::nobody()).unwrap();
}

#[test]
fn ovums_reader_finds_what_was_packed() {
    let place = Place::new();
    let recipe = place.recipe();
    for to in ["a.ova", "a.ovf"] {
        place.pack(&recipe, to).unwrap();
        let package = Package::open(&place.path(to)).unwrap();
        let appliance = ovf::read(package.descriptor(), &Choices::default()).unwrap();
        assert_eq!((appliance.dialect, &*appliance.warnings), (Dialect::Ovf1, &[][..]));
        let system = appliance.system("a").unwrap();
        assert_eq!(system.name.as_deref(), Some("A \"machine\" & more"));
        assert_eq!((system.cpus, system.memory_bytes), (2, 512 << 20));
        let os = system.os.as_ref().unwrap();
        assert_eq!((os.family, os.architecture), (OsFamily::Linux, Some(OsArchitecture::Amd64)));
        assert_eq!((system.disks.len(), system.cdroms.len(), &*system.left_out), (1, 1, &[][..]));
        assert_eq!(system.disks[0].controller.as_ref().unwrap().kind, ControllerKind::Scsi);
        let networks: Vec<_> = system.nics.iter().map(|nic| nic.network.as_deref().unwrap()).collect();
        assert_eq!(networks, ["one", "two", "one"]);
        assert_eq!(appliance.networks.len(), 2);
        let property = &system.about.properties[0];
        assert_eq!((property.key.as_str(), property.value.as_deref()), ("hostname", Some("a\tb\nc\r\"<")));
        assert_eq!(
            (&*system.about.eulas, &*system.about.annotations),
            (&["be\r\nkind".into()][..], &["<note>".into()][..])
        );
        let boot = system.direct_boot.as_ref().unwrap();
        assert_eq!(boot.cmdline, "quiet <&>");
        let bytes = |id: &str| {
            let storage = package.file(appliance.file(id).unwrap()).unwrap();
            let mut bytes = vec![0; usize::try_from(storage.size()).unwrap()];
            read_bytes(storage.as_ref(), 0, &mut bytes).unwrap();
            bytes
        };
        assert!(bytes(&boot.kernel) == fs::read(place.path("kernel")).unwrap());
        assert_eq!(bytes(boot.initrd.as_deref().unwrap()), [8]);
        assert_eq!(appliance.disks[0].capacity_bytes, MIB as u64);
        check_descriptor(&package, &Trust::nobody()).unwrap();
    }
}

#[test]
fn every_operating_system_that_is_offered_is_linux_to_the_reader() {
    let names = NewOs::names();
    for name in names.split(", ") {
        let (family, versions) = name.split_once('[').unwrap_or((name, ""));
        let first = versions.split(' ').next().unwrap();
        let os = NewOs::of_name(&format!("{family}{first}")).unwrap();
        let read = GuestOs::new(Some(os.cim), Some(&os.vmware), None);
        assert_eq!((read.family, read.architecture), (OsFamily::Linux, Some(OsArchitecture::Amd64)), "{name}");
        // Those who do not know VMware's name have the number.
        let read = GuestOs::new(Some(os.cim), None, None);
        assert_eq!((read.family, read.architecture), (OsFamily::Linux, Some(OsArchitecture::Amd64)), "{name}");
    }
}

#[test]
fn there_is_room_for_sizes_of_any_length() {
    let place = Place::new();
    let recipe = place.recipe();
    let names = Names::of(&recipe, "a");
    let longest = descriptor::write(&recipe, &names, &[u64::MAX; 3]);
    for size in [0, 9, 10, 1 << 33, u64::MAX - 1] {
        assert!(descriptor::write(&recipe, &names, &[size; 3]).len() <= longest.len());
    }
}

#[test]
fn text_comes_back_from_xml_as_it_was() {
    let place = Place::new();
    let recipe = place.recipe();
    let text = descriptor::write(&recipe, &Names::of(&recipe, "a"), &[1, 2, 3]);
    assert!(text.contains("<Name>A \"machine\" &amp; more</Name>"));
    assert!(text.contains("ovf:value=\"a&#9;b&#10;c&#13;&quot;&lt;\""));
    assert!(text.contains("<License>be&#13;\nkind</License>"));
    assert!(text.contains("<ovum:CommandLine>quiet &lt;&amp;&gt;</ovum:CommandLine>"));
    // A network is declared once, and has a card each time that it is named.
    assert_eq!(text.matches("<Network ").count(), 2);
    assert_eq!(text.matches("<rasd:Connection>one<").count(), 2);
}

#[test]
fn files_over_eight_gigabytes_have_a_header_that_says_so() {
    // Not a byte of it is written: what matters is where the next one goes, and what tar(1) makes of it.
    let place = Place::new();
    let recipe = place.recipe();
    let mut output = Output::create(&recipe, &place.path("a.ova"), false, 0).unwrap();
    let slot = output.open("a-disk1.vmdk").unwrap();
    let huge = (9 << 30) + 1;
    output.close(&slot, huge).unwrap();
    let next = output.open("a-vmlinuz").unwrap();
    assert_eq!(next.start(), (9 << 30) + 3 * 512);
    let mut header = [0; 512];
    read_bytes(slot.storage().as_ref(), 0, &mut header).unwrap();
    assert_eq!(header[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 1]);
    output.close(&next, 5).unwrap();
    output.finish().unwrap();
    let tar = Command::new("tar").arg("-tvf").arg(place.path("a.ova")).output().unwrap();
    let listed = String::from_utf8(tar.stdout).unwrap();
    let words: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!((words[2], words[5], words[8], words[11]), ("9663676417", "a-disk1.vmdk", "5", "a-vmlinuz"), "{listed}");
    assert_eq!(tar.stderr, b"");
}

#[test]
fn recipes_that_no_package_can_say_are_refused() {
    let place = Place::new();
    let refused = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = place.recipe();
        change(&mut recipe);
        let error = recipe.check().unwrap_err();
        assert!(!error.remedy().is_empty() && !error.is_the_hosts());
        error.to_string()
    };
    place.recipe().check().unwrap();
    let nothing = |recipe: &mut Recipe| (recipe.disks, recipe.kernel) = (Vec::new(), None);
    assert!(refused(&nothing).contains("nothing to pack"));
    refused(&|recipe| recipe.disks = vec![place.image("disk.raw"); MAX_DISKS + 1]);
    refused(&|recipe| recipe.memory_bytes = 0);
    refused(&|recipe| recipe.memory_bytes = (1 << 20) + 512);
    refused(&|recipe| recipe.cpus = 0);
    refused(&|recipe| recipe.networks = vec!["n".into(); 11]);
    assert!(refused(&|recipe| recipe.name = "a\u{1b}[31m".into()).contains("\\u{1b}"));
    refused(&|recipe| recipe.annotation = Some("\u{ffff}".into()));
    refused(&|recipe| recipe.eulas = vec!["x".repeat(recipe::MAX_TEXT + 1)]);
    refused(&|recipe| recipe.properties = vec![property("a", "string", None); 2]);
    for (key, kind, value) in [
        ("", "string", None),
        ("a.b", "string", None),
        ("a:b", "string", None),
        ("a", "ip", None),
        ("a", "boolean", Some("yes")),
        ("a", "uint8", Some("256")),
        ("a", "uint64", Some("-1")),
        ("a", "sint8", Some("128")),
        ("a", "real32", Some("inf")),
    ] {
        refused(&|recipe| recipe.properties = vec![property(key, kind, value)]);
    }
    for (kind, value) in [("sint8", "-128"), ("uint64", "18446744073709551615"), ("boolean", "true"), ("real64", "1e3")]
    {
        property("a", kind, Some(value)).check().unwrap();
    }
}

#[test]
fn names_of_files_are_plain() {
    let place = Place::new();
    let recipe = place.recipe();
    let of = |name: &str| {
        let output = Output::create(&recipe, &place.path(name), false, 0);
        output.map(|output| output.names().descriptor.clone())
    };
    assert_eq!(of("Grüße & co.ova").unwrap(), "Gr__e___co.ovf");
    assert_eq!(of("-a..b.ova").unwrap(), "a..b.ovf");
    assert_eq!(of(&format!("{}.ova", "n".repeat(200))).unwrap().len(), 84);
    for name in ["a", "a.zip", "a.OVA", "a b.ovf", "missing/a.ova"] {
        of(name).unwrap_err();
    }
    assert!(Output::create(&recipe, Path::new("/proc/a.ova"), false, 0).is_err());
}

#[test]
fn a_member_is_written_front_to_back_only() {
    let place = Place::new();
    let recipe = place.recipe();
    let output = Output::create(&recipe, &place.path("a.ova"), false, 0).unwrap();
    let member = Member::new(&output.open("a.ovf").unwrap());
    member.append(b"abc").unwrap();
    write_bytes(&member, 2, b"x").unwrap_err();
    assert_eq!(member.size(), 3);
    let digest = member.finish().digest;
    assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf], "SHA-256 of abc, FIPS 180-2 B.1");
}
