//! What a guest is told at its start, read by others: tools that know ISO 9660 and XML, and Linux in a guest.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]
#![allow(clippy::print_stdout, reason = "a judge that is missing is named")]

use std::fs;
use std::path::Path;
use std::process::Command;

use ovum_boot::environment::{Options, Volume, volumes};
use ovum_boot::ovf::appliance::{
    About, Appliance, Compression, Content, Dialect, EnvironmentFile, FileReference, System,
};
use ovum_boot::ovf::property::Property;
use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest};
use ovum_tests::packages;

/// What is hard to write down in XML, in YAML or in a file's name.
const HARD: &str = "<a href=\"x\">'&amp;' # tab\there, line\nbreak, \u{e9}\u{1f95a}";

fn property(key: &str, value: &str) -> Property {
    Property {
        key: key.to_owned(),
        kind: "string".to_owned(),
        value: Some(value.to_owned()),
        set: false,
        user_configurable: true,
        required: false,
        password: false,
        qualifiers: String::new(),
        label: None,
        description: None,
        category: None,
        line: 1,
    }
}

/// The volumes of a machine with properties of cloud-init's kind, one that is hard to write, and environment files.
fn told() -> [Volume; 2] {
    let about = About {
        properties: vec![
            property("hostname", "egg"),
            property("user-data", "IyEvYmluL3NoCg=="),
            property("hard", HARD),
        ],
        transports: vec!["iso".to_owned()],
        environment_files: ["setup/a long name of a file.xml", "b"]
            .map(|path| EnvironmentFile { path: path.to_owned(), file: "file".to_owned() })
            .to_vec(),
        ..About::default()
    };
    let appliance = Appliance {
        dialect: Dialect::Ovf2,
        content: Content::System(Box::new(System { id: "vm".to_owned(), about, ..System::default() })),
        disks: Vec::new(),
        networks: Vec::new(),
        configurations: Vec::new(),
        configuration: None,
        files: vec![FileReference {
            id: "file".to_owned(),
            href: "file".to_owned(),
            size: None,
            compression: Compression::Identity,
            chunk_size: None,
            line: 1,
        }],
        warnings: Vec::new(),
    };
    let bytes = |_: &FileReference| Ok(b"0123456789".repeat(500));
    let options = Options { file: Some(&bytes), ..Options::default() };
    volumes(&appliance, "vm", &options).unwrap().try_into().unwrap()
}

/// What a tool says; nothing, and a word about it, where it is not installed.
fn judged(tool: &str, arguments: &[&str]) -> Option<String> {
    let Some(program) = packages::program(tool) else {
        println!("{tool} is not installed; it has not judged");
        return None;
    };
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn written(folder: &Path, volume: &Volume) -> String {
    let path = folder.join(volume.label.replace(' ', "-"));
    fs::write(&path, &volume.bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn tools_find_the_files_of_both_volumes() {
    let folder = tempfile::tempdir().unwrap();
    let [environment, seed] = told();
    for (volume, names) in [
        (
            &environment,
            "/ovf-env.xml\n/ovffiles\n/ovffiles/b\n/ovffiles/setup\n/ovffiles/setup/a long name of a file.xml",
        ),
        (&seed, "/meta-data\n/user-data"),
    ] {
        let image = written(folder.path(), volume);
        if let Some(list) = judged("isoinfo", &["-R", "-f", "-i", &image]) {
            let mut list: Vec<&str> = list.lines().collect();
            list.sort_unstable();
            assert_eq!(list.join("\n"), names);
        }
        if let Some(text) = judged("isoinfo", &["-d", "-i", &image]) {
            assert!(text.contains(&format!("Volume id: {}\n", volume.label)) && text.contains("Rock Ridge"), "{text}");
        }
        if let Some(label) = judged("blkid", &["-p", "-o", "value", "-s", "LABEL", &image]) {
            assert_eq!(label.trim(), volume.label);
        }
        let out = folder.path().join("out").join(volume.label);
        let arguments = ["-osirrox", "on", "-indev", &image, "-extract", "/", out.to_str().unwrap()];
        if judged("xorriso", &arguments).is_some() {
            let some =
                if names.contains("meta-data") { "user-data" } else { "ovffiles/setup/a long name of a file.xml" };
            let expected = if some == "user-data" { b"#!/bin/sh\n".to_vec() } else { b"0123456789".repeat(500) };
            assert_eq!(fs::read(out.join(some)).unwrap(), expected);
        }
    }
}

#[test]
fn the_environment_says_in_xml_what_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let [environment, _] = told();
    let image = written(folder.path(), &environment);
    // A reader that knows nothing but ECMA-119 finds it as well.
    let Some(document) = judged("isoinfo", &["-x", "/OVF_ENV.XML;1", "-i", &image]) else { return };
    let path = folder.path().join("ovf-env.xml");
    fs::write(&path, document).unwrap();
    let path = path.to_str().unwrap();
    let query = "string(//*[local-name()='Property'][@*[local-name()='key']='hard']/@*[local-name()='value'])";
    if let Some(value) = judged("xmllint", &["--xpath", query, path]) {
        assert_eq!(value.trim_end_matches('\n'), HARD);
    }
}

#[test]
fn linux_finds_the_files_by_their_names() -> Result<()> {
    let folder = Folder::new()?;
    let [environment, seed] = told();
    let environment = folder.file("environment", &environment.bytes)?;
    let seed = folder.file("seed", &seed.bytes)?;
    let mut guest = Guest::stock()
        .module("isofs")
        .disk(&format!("{environment},ro,format=raw"))
        .disk(&format!("{seed},ro,format=raw"))
        .runs(
            "mkdir /a /b\n\
             mount -t iso9660 -o ro /dev/vda /a && mount -t iso9660 -o ro /dev/vdb /b\n\
             echo found: $(cd /a; find . | sort | tr '\\n' ,)\n\
             echo seed: $(ls /b) $(cat /b/user-data)\n\
             echo sum: $(cat '/a/ovffiles/setup/a long name of a file.xml' | sha256sum)\n\
             echo same: $(sha256sum < /a/ovffiles/b)\n",
        )
        .boot()?;
    guest.ends_with(0)?;
    let found = ".,./ovf-env.xml,./ovffiles,./ovffiles/b,./ovffiles/setup,./ovffiles/setup/a long name of a file.xml,";
    assert_eq!(guest.value("found: ")?, found);
    assert_eq!(guest.value("seed: ")?, "meta-data user-data #!/bin/sh");
    assert_eq!(guest.value("sum: ")?, guest.value("same: ")?);
    Ok(())
}
