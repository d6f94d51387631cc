//! What `ovf_property` and `environment` run.

use crate::environment::{Options, document, volumes};
use crate::ovf::appliance::{About, Appliance, Collection, Content, Dialect, EnvironmentFile, FileReference, System};
use crate::ovf::os::GuestOs;
use crate::ovf::property::Property;

fn one_line(text: &str) {
    assert!(!text.is_empty() && text.len() < 4000 && !text.contains(['\n', '\r', '\0', '\u{1b}']), "{text:?}");
}

fn property(key: &str, kind: &str, qualifiers: &str, value: Option<&str>) -> Property {
    Property {
        key: key.to_owned(),
        kind: kind.to_owned(),
        value: value.map(str::to_owned),
        set: key.len() % 2 == 1,
        user_configurable: true,
        required: kind.len() % 2 == 1,
        password: qualifiers.len() % 2 == 1,
        qualifiers: qualifiers.to_owned(),
        label: None,
        description: None,
        category: None,
        line: 1,
    }
}

/// Checks a value: the lines of `data` are a type, qualifiers, and the value with all that follows. They are an operating
/// system's names, too. Nothing panics; a refusal is one line, with a remedy of one line.
pub fn property_check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (kind, qualifiers, value) = (next(), next(), next());
    let property = property("a.key", kind, qualifiers, None);
    if let Err(problem) = property.check(value) {
        one_line(&problem.to_string());
        one_line(&problem.remedy());
    }
    if let Some(warning) = property.warning() {
        one_line(&warning);
    }
    let number = u16::try_from(value.len()).ok();
    assert!(!GuestOs::new(number, Some(kind), Some(qualifiers)).name().is_empty());
}

/// Tells a guest its properties: each line of `data` is `KEY=VALUE` of one machine of two, of their collection, or the path of
/// an environment file. Nothing panics; a volume is whole blocks, a document is of one root.
pub fn environment(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut abouts = [About::default(), About::default(), About::default()];
    for (index, line) in text.split('\n').take(200).enumerate() {
        let Some(about) = abouts.get_mut(index % 3) else { continue };
        match line.split_once('=') {
            Some((key, value)) => about.properties.push(property(key, "string", "", Some(value))),
            None => about.environment_files.push(EnvironmentFile { path: line.to_owned(), file: "file".to_owned() }),
        }
    }
    let [all, one, two] = abouts;
    let machine = |id: &str, about| Content::System(Box::new(System { id: id.to_owned(), about, ..System::default() }));
    let appliance = Appliance {
        dialect: Dialect::Ovf2,
        content: Content::Collection(Collection {
            id: "all".to_owned(),
            about: all,
            contents: vec![machine("one", one), machine("two", two)],
            ..Collection::default()
        }),
        disks: Vec::new(),
        networks: Vec::new(),
        configurations: Vec::new(),
        configuration: None,
        files: vec![FileReference {
            id: "file".to_owned(),
            href: "file".to_owned(),
            size: None,
            compression: crate::ovf::appliance::Compression::Identity,
            chunk_size: None,
            line: 1,
        }],
        warnings: Vec::new(),
    };
    let read = |_: &FileReference| Ok(data.to_vec());
    let first = text.split('\n').next().unwrap_or_default().to_owned();
    let asked = Options {
        user_data: Some(data.to_vec()),
        ssh_keys: vec![text.clone().into_owned()],
        hostname: Some(first),
        file: Some(&read),
    };
    for options in [Options { file: Some(&read), ..Options::default() }, asked] {
        match volumes(&appliance, "one", &options) {
            Ok(volumes) => assert!(volumes.iter().all(|volume| volume.bytes.len() % 2048 == 0)),
            Err(error) => {
                one_line(&error.to_string());
                one_line(&error.remedy());
            }
        }
    }
    if let Ok(document) = document(&appliance, "two") {
        assert!(document.ends_with("</Environment>\n") && document.matches("<Environment").count() == 1);
    }
}
