//! Descriptors that importers were broken by.

use crate::cases::{Case, INSPECT, MINIMAL, RUN, VERIFY, judge_all, with};

const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The sample with a document type, and with `text` as its name.
fn with_document_type(declarations: &str, text: &str) -> String {
    with("<Name>Minimal</Name>", &format!("<Name>{text}</Name>")).replacen(
        PROLOGUE,
        &format!("{PROLOGUE}<!DOCTYPE Envelope {declarations}>\n"),
        1,
    )
}

#[test]
fn document_types_and_entities() {
    let mut laughs = "<!ENTITY l0 \"ha\">".to_owned();
    for level in 1..30 {
        let below = level - 1;
        laughs += &format!("<!ENTITY l{level} \"{}\">", format!("&l{below};").repeat(10));
    }
    let quadratic = format!("[<!ENTITY long \"{}\">]", "x".repeat(100_000));
    judge_all(&[
        Case::descriptor("a document type", with_document_type("", "x")).names("line 2"),
        Case::descriptor("an entity", with_document_type("[<!ENTITY e \"text\">]", "&e;")).names("line 2"),
        Case::descriptor(
            "a file as entity",
            with_document_type("[<!ENTITY e SYSTEM \"file:///etc/hostname\">]", "&e;"),
        )
        .names("line 2"),
        Case::descriptor("a document type elsewhere", with_document_type("SYSTEM \"http://localhost/x.dtd\"", "x"))
            .names("line 2"),
        Case::descriptor("a billion laughs", with_document_type(&format!("[{laughs}]"), "&l29;")).names("line 2"),
        Case::descriptor("a long entity often", with_document_type(&quadratic, &"&long;".repeat(10_000)))
            .names("line 2"),
        Case::descriptor("an entity of nobody", with("<Name>Minimal", "<Name>&nobody;")).names("line"),
    ]);
}

#[test]
fn what_is_no_envelope() {
    let cut = &MINIMAL[..MINIMAL.len() / 2];
    let million = 1_000_000;
    let deep = format!("{}{}", "<a>".repeat(million), "</a>".repeat(million));
    let mut not_utf8 = MINIMAL.as_bytes().to_vec();
    let name = MINIMAL.find("Minimal<").unwrap();
    not_utf8[name] = 0xff;
    judge_all(&[
        Case::descriptor("an empty file", "").names("package.ovf"),
        Case::descriptor("blanks", "  \n \n").names("package.ovf"),
        Case::descriptor("zeroes", vec![0; 4096]).names("package.ovf"),
        Case::descriptor("HTML", "<HTML>\n<BODY><H1>Error 404</H1></BODY></HTML>\n")
            .names("package.ovf")
            .names("web page"),
        Case::descriptor("an error page", "404 Not Found\n").names("package.ovf"),
        Case::descriptor("half of it", cut).names("line"),
        Case::descriptor("something behind it", format!("{MINIMAL}<more/>")).names("line"),
        Case::descriptor("not UTF-8", not_utf8).names("line"),
        Case::descriptor("an envelope of nobody", with("envelope/1\"", "envelope/9\"")).names("line"),
        Case::descriptor("10^6 elements in each other", with("<Name>Minimal", &format!("<Name>{deep}"))).names("line"),
        Case::descriptor("10^6 elements in each other, alone", "<a>".repeat(million)).names("line"),
        Case::descriptor("attributes twice", with("ovf:id=\"file1\"", "ovf:id=\"file1\" ovf:id=\"file2\""))
            .names("line"),
        Case::descriptor("a prefix of nobody", with("<Name>Minimal</Name>", "<who:Name>Minimal</who:Name>"))
            .names("line"),
    ]);
}

#[test]
fn a_long_descriptor_takes_no_long_time() {
    let many = |text: &str, count: usize| text.repeat(count);
    let attributes: String = (0..50_000).map(|n| format!(" a{n}=\"\"")).collect();
    judge_all(&[
        Case::descriptor(
            "10^5 files of one id",
            with("  </References>", &many("<File ovf:id=\"f\" ovf:href=\"f\"/>\n", 100_000)),
        )
        .survived(),
        Case::descriptor("10^5 attributes", with("<Name>", &format!("<Name{attributes}>"))).survived(),
        Case::descriptor("10 MB of text", with("Minimal<", &format!("{}<", many("x", 10_000_000)))).survived(),
        Case::descriptor("10^5 namespaces", {
            let spaces: String = (0..100_000).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect();
            with("<Envelope", &format!("<Envelope{spaces}"))
        })
        .survived(),
        Case::descriptor("10^6 comments", with("<References>", &format!("<References>{}", many("<!---->", 1_000_000))))
            .survived(),
    ]);
}

#[test]
fn numbers() {
    let memory = |value: &str| with(">128<", &format!(">{value}<"));
    let units = |unit: &str| with("byte * 2^20</rasd:AllocationUnits>", &format!("{unit}</rasd:AllocationUnits>"));
    let cpus = |value: &str| {
        with(
            "3</rasd:ResourceType>\n        <rasd:VirtualQuantity>1",
            &format!("3</rasd:ResourceType>\n        <rasd:VirtualQuantity>{value}"),
        )
    };
    let capacity = |value: &str| with("ovf:capacity=\"64\"", &format!("ovf:capacity=\"{value}\""));
    let size = |value: &str| with("ovf:href=\"disk.vmdk\"", &format!("ovf:href=\"disk.vmdk\" {value}"));
    let mut cases = Vec::new();
    for value in
        ["-1", "99999999999999999999999999", "18446744073709551615", "NaN", "0x80", "1e400", "many", "+-1", "0"]
    {
        cases.push(Case::descriptor(&format!("memory {value}"), memory(value)));
        // A capacity of nothing is what some write who do not know it.
        if value != "0" {
            cases.push(Case::descriptor(&format!("capacity {value}"), capacity(value)));
        }
    }
    for value in ["-1", "0", "1.5", "4294967297", "99999999999999999999999", "two"] {
        cases.push(Case::descriptor(&format!("processors {value}"), cpus(value)));
    }
    for unit in
        ["byte * 2^99", "parsec", "byte * 2^-20", "byte * 0", "hertz * 10^6", "byte * 2^99999999999", "byte ^^ 2"]
    {
        cases.push(Case::descriptor(&format!("units {unit}"), units(unit)));
    }
    for value in ["ovf:size=\"-5\"", "ovf:size=\"1.5\"", "ovf:size=\"18446744073709551616\"", "ovf:chunkSize=\"0\""] {
        cases.push(Case::descriptor(value, size(value)));
    }
    cases.push(Case::descriptor("many factors", units(&format!("byte{}", " * 1".repeat(100_000)))).survived());
    cases.push(Case::descriptor("many digits", memory(&"1".repeat(1_000_000))));
    cases.push(Case::descriptor("many zeroes", memory(&format!("{}128", "0".repeat(1_000_000)))).survived());
    let cases: Vec<Case> = cases.into_iter().map(|case| case.names("line")).collect();
    judge_all(&cases);
}

#[test]
fn ids_that_are_twice_there_or_nowhere() {
    let disk = "<Disk ovf:diskId=\"disk1\" ovf:capacity=\"1\"/>";
    let parents = "<Disk ovf:diskId=\"a\" ovf:fileRef=\"file1\" ovf:capacity=\"1\" ovf:parentRef=\"b\"/>\
                   <Disk ovf:diskId=\"b\" ovf:fileRef=\"file1\" ovf:capacity=\"1\" ovf:parentRef=\"a\"/>";
    let machine_in = |text: &str| {
        let start = text.find("  <VirtualSystem ").unwrap();
        let end = text.find("</VirtualSystem>").unwrap() + "</VirtualSystem>".len();
        let machine = &text[start..end];
        let collection = "<VirtualSystemCollection ovf:id=\"both\"><Info>Two</Info>";
        format!("{}{collection}{machine}{machine}</VirtualSystemCollection>{}", &text[..start], &text[end..])
    };
    let below = |count: usize| {
        let links: String = (1..count)
            .map(|n| {
                format!(
                    "<Disk ovf:diskId=\"d{n}\" ovf:fileRef=\"file1\" ovf:capacity=\"1\" ovf:parentRef=\"d{}\"/>",
                    n - 1
                )
            })
            .collect();
        with(
            "  </DiskSection>",
            &format!("<Disk ovf:diskId=\"d0\" ovf:fileRef=\"file1\" ovf:capacity=\"1\"/>{links}</DiskSection>"),
        )
    };
    judge_all(&[
        Case::descriptor(
            "two files of an id",
            with("</References>", "<File ovf:id=\"file1\" ovf:href=\"x\"/></References>"),
        )
        .names("file1"),
        Case::descriptor("two disks of an id", with("</DiskSection>", &format!("{disk}</DiskSection>"))).names("disk1"),
        Case::descriptor("two machines of an id", machine_in(MINIMAL)).names("minimal"),
        Case::descriptor("a file that is nowhere", with("fileRef=\"file1\"", "fileRef=\"nowhere\"")).names("nowhere"),
        Case::descriptor("a disk that is nowhere", with("/disk/disk1", "/disk/nowhere")).names("nowhere"),
        Case::descriptor("a host resource of nobody", with("ovf:/disk/disk1", "ovf:/pool/nowhere")).names("nowhere"),
        Case::descriptor("a parent that is nowhere", with("<Disk ", "<Disk ovf:parentRef=\"nowhere\" "))
            .names("nowhere"),
        Case::descriptor("its own parent", with("<Disk ", "<Disk ovf:parentRef=\"disk1\" "))
            .names("parentRef")
            .names("line 11"),
        Case::descriptor(
            "each the other's parent",
            with("</DiskSection>", &format!("{parents}</DiskSection>")).replace("/disk/disk1", "/disk/a"),
        )
        .names("line"),
        Case::descriptor("10^4 disks below each other", below(10_000).replace("/disk/disk1", "/disk/d9999")).survived(),
        Case::descriptor("a controller that is nowhere", with("<rasd:Parent>3", "<rasd:Parent>33")).survived(),
        Case::descriptor(
            "a required section of nobody",
            with("<DiskSection>", "<w:OddSection xmlns:w=\"urn:w\"/><DiskSection>"),
        )
        .names("OddSection"),
    ]);
}

#[test]
fn collections_in_each_other() {
    let nested = |depth: usize| {
        let open: String =
            (0..depth).map(|n| format!("<VirtualSystemCollection ovf:id=\"c{n}\"><Info>Nested</Info>")).collect();
        let close = "</VirtualSystemCollection>".repeat(depth);
        with("<VirtualSystem ", &format!("{open}<VirtualSystem ")).replacen(
            "</VirtualSystem>",
            &format!("</VirtualSystem>{close}"),
            1,
        )
    };
    judge_all(&[
        Case::descriptor("10^4 collections in each other", nested(10_000)).names("line"),
        Case::descriptor("three collections in each other", nested(3)).survived(),
    ]);
}

/// XML forbids most control characters, and not all that a terminal obeys.
#[test]
fn control_characters() {
    let property = |value: &str| {
        let product = format!(
            "<ProductSection><Info>Settings</Info><Property ovf:key=\"k\" ovf:type=\"string\" ovf:value=\"{value}\"/></ProductSection>"
        );
        with("<VirtualHardwareSection>", &format!("{product}<VirtualHardwareSection>"))
    };
    let terminal = "&#x9b;31m\u{9d}0;title\u{7f}\u{202e}";
    judge_all(&[
        Case::descriptor("an escape by number", property("&#27;[31m")).names("line"),
        Case::descriptor("a zero by number", property("&#0;")).names("line"),
        Case::descriptor("an escape as it is", property("\u{1b}[31m")).names("line"),
        Case::descriptor("a zero as it is", property("a\0b")).names("line"),
        Case::descriptor("a new line", property("a&#10;b&#9;c")).survived(),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let text =
        property(terminal).replace(">Minimal<", &format!(">{terminal}<")).replace(">Disk<", &format!(">{terminal}<"));
    std::fs::write(folder.path().join("package.ovf"), text).unwrap();
    for arguments in [INSPECT, VERIFY, RUN] {
        let call = ovum_tests::limited::ovum(folder.path(), arguments.iter().copied().chain(["package.ovf"])).unwrap();
        assert_eq!(ovum_tests::limited::unshowable(&call.output), None, "{arguments:?}: {:?}", call.output);
        assert_eq!(ovum_tests::limited::unshowable(&call.errors), None, "{arguments:?}: {:?}", call.errors);
    }
}
