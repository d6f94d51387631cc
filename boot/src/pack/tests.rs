use std::fs;
use std::path::Path;

use ovum_disk::storage::{FileStorage, write_bytes};
use ovum_disk::{Access, Format};
use tempfile::TempDir;

use super::os::NewOs;
use super::recipe::MAX_DISKS;
use super::*;

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
            is_signed: false,
        }
    }

    fn pack(&self, recipe: &Recipe, to: &str) -> Result<Packed, PackError> {
        let output = Output::create(recipe, &self.path(to), false, 315_532_800)?;
        pack(recipe, output, &mut Work { threads: NonZero::new(2).unwrap(), sign: None, progress: &mut |_| () })
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
fn a_signature_is_made_of_the_manifest_that_is_written_and_stands_behind_it() {
    let place = Place::new();
    let recipe = Recipe { is_signed: true, ..place.recipe() };
    let seen = std::sync::Mutex::new(Vec::new());
    let sign = |name: &str, manifest: &[u8]| {
        let mut seen = seen.lock().unwrap();
        seen.push(manifest.to_vec());
        // Signatures differ in length.
        Ok(format!("{name}{}", "x".repeat(seen.len() * 30)).into_bytes())
    };
    let output = Output::create(&recipe, &place.path("a.ova"), false, 0).unwrap();
    let threads = NonZero::<usize>::MIN;
    let mut work = Work { threads, sign: Some(&sign), progress: &mut |_| () };
    pack(&recipe, output, &mut work).unwrap();
    let members = members(&fs::read(place.path("a.ova")).unwrap());
    assert_eq!(members[2].0, "a.cert");
    assert!(members[2].1.starts_with(format!("a.mf{} ", "x".repeat(60)).as_bytes()));
    assert_eq!(*seen.lock().unwrap().last().unwrap(), members[1].1);
    // A key that cannot sign is found before anything else is done.
    let refuse = |_: &str, _: &[u8]| Err(("no".into(), "try".into()));
    let output = Output::create(&recipe, &place.path("b.ova"), false, 0).unwrap();
    let mut work = Work { threads, sign: Some(&refuse), progress: &mut |_| panic!("it went on") };
    pack(&recipe, output, &mut work).unwrap_err();
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
    // Not a byte of it is written: what matters is where the next one goes.
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
