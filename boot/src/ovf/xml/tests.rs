//! Encodings, limits, the cursor.

use super::*;

fn with<T>(text: &str, look: impl FnOnce(Element<'_>) -> T) -> T {
    let lines = Lines::of(text);
    let document = parse(text, &lines).unwrap();
    look(Element::root(&document, &lines))
}

fn cause(bytes: &[u8]) -> (Option<u32>, String) {
    let error = decode(bytes).and_then(|text| parse(&text, &Lines::of(&text)).map(|_| ())).unwrap_err();
    (error.line, error.cause)
}

#[test]
fn texts_are_decoded_as_they_are_written() {
    let text = "<a>\u{e9}\u{1f600}</a>";
    let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [&b"\xff\xfe"[..], &little].concat(),
        [&b"\xfe\xff"[..], &big].concat(),
        little.clone(),
        big,
    ] {
        assert_eq!(decode(&bytes).unwrap(), text, "{bytes:x?}");
    }
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
    assert!(decode(latin).unwrap().ends_with("<a>\u{e9}</a>"));
    assert_eq!(cause(b"<a>\n\n\xe9</a>"), (Some(3), "the bytes from offset 0x5 on are not UTF-8".to_owned()));
    assert!(cause(&[&b"\xff\xfe"[..], &little[..5]].concat()).1.contains("UTF-16"));
    assert!(cause(&[0xff, 0xfe, 0, 0xd8]).1.contains("UTF-16"), "half of a pair");
    assert!(cause(&[0xff, 0xfe]).1.contains("empty"));
}

#[test]
fn archives_and_images_are_told() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, what) in [
        (&tar[..], "tar"),
        (b"PK\x03\x04\xff", "zip"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"QFI\xfb\0\0\0\x03", "qcow2"),
        (b"KDMV\xff", "VMDK"),
    ] {
        assert!(cause(bytes).1.contains(what), "{what}");
    }
}

#[test]
fn lines_are_those_of_the_text() {
    let text = "<a>\n<b/>\r\n  <c\n d='1'/>\n</a>";
    with(text, |a| {
        let lines: Vec<u32> = a.children().map(Element::line).collect();
        assert_eq!((a.line(), lines), (1, vec![2, 3]));
    });
    assert_eq!(cause(b"<a>\n<b></c></a>").0, Some(2));
    assert_eq!(cause(b"<a>\n\n<b>").0, Some(3));
    assert!(cause(b"<a>\n<b x='1' x='2'/></a>").1.contains("not well-formed"));
}

#[test]
fn names_count_with_and_without_ovfs_namespaces() {
    let text = "<o:Envelope xmlns:o='http://schemas.dmtf.org/ovf/envelope/1' xmlns:x='urn:x'>
        <o:A o:id='1' id='2' x:id='3'/><A id='2' x:id='3'/><x:A x:id='3'/></o:Envelope>";
    with(text, |root| {
        let found: Vec<_> = root.all("A").map(|a| a.attr("id").unwrap()).collect();
        assert_eq!(found, ["1", "2"]);
        let foreign = root.children().last().unwrap();
        assert_eq!((foreign.attr("id"), foreign.is("A")), (None, false));
        assert_eq!(foreign.attr_of(|uri| uri == "urn:x", "id"), Some("3"));
    });
}

#[test]
fn texts_are_put_together() {
    with("<a> one <!-- x --><![CDATA[<two>]]> &amp; <b>no</b>three\n</a>", |a| {
        assert_eq!(a.text(), "one <two> & three");
    });
    with("<a/>", |a| assert_eq!(a.text(), ""));
}

#[test]
fn booleans_and_requirements() {
    for (text, value) in
        [("true", Some(true)), ("1", Some(true)), ("FALSE", Some(false)), ("0", Some(false)), ("maybe", None)]
    {
        assert_eq!(boolean(text), value, "{text}");
    }
    for (text, required) in [("<a/>", true), ("<a required='false'/>", false), ("<a required='perhaps'/>", true)] {
        assert_eq!(with(text, |a| a.required()), required, "{text}");
    }
}

#[test]
fn types_are_read_through_any_prefix() {
    let text = |kind: &str| format!("<Section xmlns:i='{XSI}' i:type='{kind}'/>");
    assert_eq!(with(&text("ovf:DiskSection_Type"), |a| a.kind().to_owned()), "DiskSection");
    assert_eq!(with(&text("DiskSection"), |a| a.kind().to_owned()), "DiskSection");
    assert_eq!(with("<Section type='x'/>", |section| section.kind().to_owned()), "Section");
}

#[test]
fn markup_in_odd_places_does_not_mislead_the_limits() {
    let comment = format!(
        "<a><!-- {} --><![CDATA[{}]]><?p {} ?></a>",
        "<b>".repeat(1000),
        "<b>".repeat(1000),
        "<b>".repeat(1000)
    );
    with(&comment, |a| assert_eq!(a.children().count(), 0));
    let attributes = format!("<a b='{}'/>", "c=d > ".repeat(1000));
    with(&attributes, |a| assert_eq!(a.attr("b").unwrap().len(), 6000));
    let wide = format!("<a>{}</a>", "<b></b><b/>".repeat(1000));
    with(&wide, |a| assert_eq!(a.children().count(), 2000));
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    with(&deep(256), |a| assert_eq!(a.name(), "a"));
    assert!(cause(deep(257).as_bytes()).1.contains("nested"));
}
