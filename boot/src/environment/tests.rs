use super::*;
use crate::ovf::appliance::{About, Collection, Content, Dialect, System};
use crate::ovf::property::Property;

fn property(key: &str, value: &str) -> Property {
    Property {
        key: key.to_owned(),
        kind: "string".to_owned(),
        value: (value != "-").then(|| value.to_owned()),
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

fn about(properties: &[(&str, &str)]) -> About {
    About { properties: properties.iter().map(|(key, value)| property(key, value)).collect(), ..About::default() }
}

fn system(id: &str, properties: &[(&str, &str)]) -> Content {
    Content::System(Box::new(System { id: id.to_owned(), about: about(properties), ..System::default() }))
}

fn collection(id: &str, properties: &[(&str, &str)], contents: Vec<Content>) -> Content {
    Content::Collection(Collection { id: id.to_owned(), about: about(properties), contents, ..Collection::default() })
}

fn appliance(content: Content) -> Appliance {
    Appliance {
        dialect: Dialect::Ovf1,
        content,
        disks: Vec::new(),
        networks: Vec::new(),
        configurations: Vec::new(),
        configuration: None,
        files: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The lines of the volume's file.
fn file(volume: &Volume, name: &str) -> Option<String> {
    let files = iso::tests::files(&volume.bytes);
    let (.., bytes) = files.into_iter().find(|(path, ..)| path.strip_prefix('/') == Some(name))?;
    Some(String::from_utf8(bytes).unwrap())
}

fn seed(properties: &[(&str, &str)], options: &Options<'_>) -> Volume {
    let mut volumes = volumes(&appliance(system("vm", properties)), "vm", options).unwrap();
    let seed = volumes.pop().unwrap();
    assert_eq!(seed.label, "cidata");
    seed
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@example.org";

#[test]
fn a_machine_alone_is_told_its_properties() {
    let one =
        appliance(system("vm<1>", &[("com.example.name", "a \"b\" & <c>\n"), ("unset", "-"), ("unset", "twice")]));
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Environment xmlns=\"{NAMESPACE}\" xmlns:oe=\"{NAMESPACE}\" oe:id=\"vm&lt;1&gt;\">\n\
         \x20 <PlatformSection>\n\
         \x20   <Kind>Ovum</Kind>\n\
         \x20   <Version>{}</Version>\n\
         \x20   <Vendor>Ovum</Vendor>\n\
         \x20   <Locale>en_US</Locale>\n\
         \x20 </PlatformSection>\n\
         \x20 <PropertySection>\n\
         \x20   <Property oe:key=\"com.example.name\" oe:value=\"a &quot;b&quot; &amp; &lt;c&gt;&#10;\"/>\n\
         \x20   <Property oe:key=\"unset\" oe:value=\"\"/>\n\
         \x20 </PropertySection>\n\
         </Environment>\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(document(&one, "vm<1>").unwrap(), expected);
    assert!(matches!(document(&one, "vm"), Err(EnvironmentError::NoSuchSystem { .. })));
}

/// The properties in the parts of a document: its own, then each sibling's with its id.
fn told(document: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut parts = Vec::new();
    for line in document.lines().map(str::trim) {
        let attribute = |name: &str| Some(line.split_once(&format!("oe:{name}=\""))?.1.split_once('"')?.0.to_owned());
        match (attribute("id"), attribute("key"), attribute("value")) {
            (Some(id), ..) => parts.push((id, Vec::new())),
            (_, Some(key), Some(value)) => parts.last_mut().unwrap().1.push((key, value)),
            _ => {}
        }
    }
    parts
}

#[test]
fn a_collection_hands_its_properties_down_and_siblings_know_each_other() {
    let tree = appliance(collection(
        "all",
        &[("top", "never seen two levels below"), ("domain", "example.org")],
        vec![
            system("gate", &[]),
            collection(
                "shop",
                &[("dbIp", "10.0.0.2"), ("mail", "root@${domain}"), ("size", "big")],
                vec![
                    system("db", &[("ip", "${dbIp}"), ("size", "small")]),
                    system("web", &[("url", "http://${dbIp}:${port}/${size}${"), ("dbIp", "x")]),
                    collection("cache", &[("size", "tiny")], vec![system("c1", &[])]),
                ],
            ),
        ],
    ));
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let web = pairs(&[
        ("url", "http://10.0.0.2:${port}/big${"),
        ("dbIp", "x"),
        ("mail", "root@example.org"),
        ("size", "big"),
    ]);
    let db = pairs(&[("ip", "10.0.0.2"), ("size", "small"), ("dbIp", "10.0.0.2"), ("mail", "root@example.org")]);
    let cache = pairs(&[("size", "tiny"), ("dbIp", "10.0.0.2"), ("mail", "root@example.org")]);
    let parts = told(&document(&tree, "web").unwrap());
    assert_eq!(parts, [("web".to_owned(), web), ("db".to_owned(), db), ("cache".to_owned(), cache)]);
    let gate = told(&document(&tree, "gate").unwrap());
    assert_eq!(gate[0].1, pairs(&[("top", "never seen two levels below"), ("domain", "example.org")]));
    assert_eq!(gate.len(), 2);
    let inner = told(&document(&tree, "c1").unwrap());
    assert_eq!(inner, [("c1".to_owned(), pairs(&[("size", "tiny")]))]);
}

#[test]
fn what_the_user_set_is_taken_to_the_letter() {
    let mut tree = appliance(collection("all", &[("a", "1")], vec![system("vm", &[("b", "${a}")])]));
    if let Content::Collection(collection) = &mut tree.content
        && let Content::System(system) = &mut collection.contents[0]
    {
        system.about.properties[0].set = true;
    }
    assert!(document(&tree, "vm").unwrap().contains("oe:value=\"${a}\""));
}

#[test]
fn references_cannot_make_a_document_of_any_size() {
    let big = "x".repeat(60_000);
    let value = |n: u32| (0..1000).map(|_| format!("${{v{n}}}")).collect::<String>();
    let (first, second) = (value(0), value(1));
    let vm = system("vm", &[("v2", &second)]);
    let tree = appliance(collection("a", &[("v0", &big)], vec![collection("b", &[("v1", &first)], vec![vm])]));
    assert!(matches!(document(&tree, "vm"), Err(EnvironmentError::TooLong { key }) if key == "v1"));
    let control = appliance(system("vm", &[("key", "a\u{1b}")]));
    let refused = document(&control, "vm").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "key: the character U+001B at offset 1 cannot be written in the guest's environment"
    );
    let keys: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
    let huge: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), big.as_str())).collect();
    assert_eq!(document(&appliance(system("vm", &huge)), "vm"), Err(EnvironmentError::TooBig));
}

#[test]
fn a_guest_gets_the_volumes_that_it_has_a_use_for() {
    let labels = |properties: &[(&str, &str)], transport: Option<&str>, options: &Options<'_>| {
        let mut about = about(properties);
        about.transports.extend(transport.map(str::to_owned));
        let system = System { id: "vm".to_owned(), about, ..System::default() };
        let volumes = volumes(&appliance(Content::System(Box::new(system))), "vm", options).unwrap();
        assert!(volumes.iter().all(|volume| volume.bytes.len() % 2048 == 0 && !volume.why.is_empty()));
        volumes.iter().map(|volume| volume.label).collect::<Vec<_>>()
    };
    let none = Options::default();
    let named = Options { hostname: Some("egg".to_owned()), ..Options::default() };
    assert!(labels(&[], None, &none).is_empty());
    assert!(labels(&[], Some("com.vmware.guestInfo"), &none).is_empty());
    assert_eq!(labels(&[], Some("ISO"), &none), ["OVF ENV"]);
    assert_eq!(labels(&[("com.example.ip", "1")], None, &none), ["OVF ENV"]);
    assert_eq!(labels(&[("hostname", "")], None, &none), ["OVF ENV", "cidata"]);
    assert_eq!(labels(&[("com.example.hostname", "x")], None, &none), ["OVF ENV"]);
    assert_eq!(labels(&[], None, &named), ["cidata"]);
    assert_eq!(labels(&[], Some("iso"), &named), ["OVF ENV", "cidata"]);
}

#[test]
fn properties_of_cloud_init_become_its_seed() {
    let network = "# from the wizard\nnetwork:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n";
    let encoded =
        "IyBmcm9tIHRoZSB3aXphcmQKbmV0d29yazoKICB2ZXJzaW9uOiAyCiAgZXRoZXJuZXRzOgogICAgZXRoMDoge2RoY3A0OiB0cnVlfQo=";
    assert_eq!(text::base64(encoded).unwrap(), network.as_bytes());
    let volume = seed(
        &[
            ("instance-id", "id-ovf"),
            ("hostname", "egg"),
            ("seedfrom", ""),
            ("public-keys", "ssh-rsa AAAA one\n\nssh-rsa BBBB \"two\"\n"),
            ("user-data", "IyEvYmluL3NoCg=="),
            ("password", "p: \"w\""),
            ("network-config", encoded),
        ],
        &Options::default(),
    );
    let meta_data = "instance-id: \"id-ovf\"\nlocal-hostname: \"egg\"\npublic-keys:\n  - \"ssh-rsa AAAA one\"\n  - \"ssh-rsa BBBB \\\"two\\\"\"\n";
    assert_eq!(file(&volume, "meta-data").unwrap(), meta_data);
    assert_eq!(file(&volume, "user-data").unwrap(), "#!/bin/sh\n");
    assert_eq!(file(&volume, "vendor-data").unwrap(), "#cloud-config\npassword: \"p: \\\"w\\\"\"\n");
    assert_eq!(file(&volume, "network-config").unwrap(), "version: 2\nethernets:\n  eth0: {dhcp4: true}\n");
    let plain = seed(&[("user-data", "#cloud-config\n{}"), ("seedfrom", "http://a/")], &Options::default());
    assert_eq!(file(&plain, "user-data").unwrap(), "#cloud-config\n{}");
    assert!(file(&plain, "meta-data").unwrap().ends_with("seedfrom: \"http://a/\"\n"));
    assert_eq!((file(&plain, "vendor-data"), file(&plain, "network-config")), (None, None));
}

#[test]
fn the_users_word_is_stronger_than_the_appliances() {
    let options = Options {
        user_data: Some(b"#!/bin/sh\necho hi\n".to_vec()),
        ssh_keys: vec![format!("# mine\n{KEY}\n\n{KEY}\n")],
        hostname: Some("egg.example.org".to_owned()),
        ..Options::default()
    };
    let volume = seed(
        &[("hostname", "other"), ("user-data", "IyEK"), ("public-keys", "ssh-rsa AAAA a"), ("instance-id", "id-ovf")],
        &options,
    );
    let meta_data = file(&volume, "meta-data").unwrap();
    let lines: Vec<&str> = meta_data.lines().collect();
    assert!(
        lines[0].starts_with("instance-id: \"id-ovf-")
            && lines[0].len() == "instance-id: \"id-ovf-0123456789abcdef\"".len(),
        "{}",
        lines[0]
    );
    let rest =
        ["local-hostname: \"egg.example.org\"", "public-keys:", "  - \"ssh-rsa AAAA a\"", &format!("  - \"{KEY}\"")];
    assert_eq!(lines[1..], rest);
    assert_eq!(file(&volume, "user-data").unwrap(), "#!/bin/sh\necho hi\n");
    let keys_only = seed(&[], &Options { ssh_keys: vec![KEY.to_owned()], ..Options::default() });
    assert_eq!(file(&keys_only, "user-data").unwrap(), format!("#cloud-config\nssh_authorized_keys:\n  - \"{KEY}\"\n"));
}

#[test]
fn the_instance_id_changes_with_the_settings_and_not_without() {
    let id = |properties: &[(&str, &str)], hostname: &str| {
        let volume = seed(properties, &Options { hostname: Some(hostname.to_owned()), ..Options::default() });
        file(&volume, "meta-data").unwrap().lines().next().unwrap().to_owned()
    };
    let first = id(&[("a", "1")], "egg");
    assert_eq!(first, id(&[("a", "1")], "egg"));
    for other in [id(&[("a", "2")], "egg"), id(&[("a", "1")], "eggs"), id(&[("a1", "")], "egg"), id(&[], "egg")] {
        assert_ne!(first, other);
    }
}

#[test]
fn wrong_options_are_refused_with_a_remedy() {
    let one = appliance(system("vm", &[]));
    let refused = |options: &Options<'_>| {
        let error = volumes(&one, "vm", options).unwrap_err();
        assert!(!error.remedy().is_empty());
        error
    };
    for key in [
        "",
        "hello",
        "ssh-rsa",
        "ssh-rsa nokey",
        "AAAA ssh-rsa",
        "ssh-rsa AAAA\u{7}",
        &format!("ssh-rsa AAAA{}", "A".repeat(9000)),
    ] {
        let error = refused(&Options { ssh_keys: vec![key.to_owned()], ..Options::default() });
        assert!(matches!(error, EnvironmentError::BadKey(_)), "{key:?}");
    }
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n".to_owned();
    assert_eq!(refused(&Options { ssh_keys: vec![private], ..Options::default() }), EnvironmentError::PrivateKey);
    for name in ["", "-a", "a-", "a..b", "a_b", "a b", "ü", &"a".repeat(64), &"a.".repeat(150)] {
        let error = refused(&Options { hostname: Some(name.to_owned()), ..Options::default() });
        assert!(matches!(error, EnvironmentError::BadHostname(_)), "{name:?}");
    }
    let with_options = Options { ssh_keys: vec![format!("restrict,pty {KEY}")], ..Options::default() };
    assert!(volumes(&one, "vm", &with_options).is_ok());
}

#[test]
fn environment_files_lie_in_their_folder() {
    let reference = |id: &str, size| FileReference {
        id: id.to_owned(),
        href: format!("{id}.xml"),
        size,
        compression: crate::ovf::appliance::Compression::Identity,
        chunk_size: None,
        line: 1,
    };
    let place = |path: &str, file: &str| EnvironmentFile { path: path.to_owned(), file: file.to_owned() };
    let with = |own: Vec<EnvironmentFile>| {
        let about = About { environment_files: own, ..About::default() };
        let vm = Content::System(Box::new(System { id: "vm".to_owned(), about, ..System::default() }));
        let inherited = vec![place("/setup/cfg.xml", "b"), place("more.xml", "b")];
        let about = About { environment_files: inherited, ..About::default() };
        let all = Collection { id: "all".to_owned(), about, contents: vec![vm], ..Collection::default() };
        let mut appliance = appliance(Content::Collection(all));
        appliance.files = vec![reference("a", Some(1)), reference("b", None), reference("huge", Some(u64::MAX))];
        appliance
    };
    let reader = |file: &FileReference| Ok(format!("contents of {}", file.href).into_bytes());
    let options = Options { file: Some(&reader), ..Options::default() };
    let made = volumes(&with(vec![place("/setup/cfg.xml", "a")]), "vm", &options).unwrap();
    assert_eq!(file(&made[0], "ovffiles/setup/cfg.xml").unwrap(), "contents of a.xml");
    assert_eq!(file(&made[0], "ovffiles/more.xml").unwrap(), "contents of b.xml");
    assert!(file(&made[0], "ovf-env.xml").unwrap().contains("oe:id=\"vm\""));
    for path in ["../x", "/", "a/../../b", "", "a//b"] {
        let error = volumes(&with(vec![place(path, "a")]), "vm", &options).unwrap_err();
        assert!(matches!(error, EnvironmentError::BadPath(_)), "{path:?}: {error}");
    }
    let refused = |file: &str, options: &Options<'_>| {
        volumes(&with(vec![place("x", file)]), "vm", options).unwrap_err().to_string()
    };
    assert_eq!(refused("none", &options), "environment file \"x\": there is no file \"none\"");
    assert!(refused("huge", &options).contains("too big"));
    assert!(refused("a", &Options::default()).contains("not at hand"));
    let broken = |_: &FileReference| Err("it is not in the package".to_owned());
    assert!(refused("a", &Options { file: Some(&broken), ..Options::default() }).contains("not in the package"));
}
