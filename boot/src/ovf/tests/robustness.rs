//! Whatever a descriptor holds, it is read or refused, within limits, and nothing panics.

use std::time::{Duration, Instant};

use super::*;

/// A bit of everything.
fn sample() -> String {
    let before = "<References><File ovf:id='f' ovf:href='f.vmdk' ovf:size='9'/></References>
        <DiskSection><Info/><Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='1' ovf:capacityAllocationUnits='byte * 2^30' ovf:format='vmdk'/></DiskSection>
        <NetworkSection><Info/><Network ovf:name='n'><Description>N</Description></Network></NetworkSection>
        <DeploymentOptionSection><Configuration ovf:id='c' ovf:default='true'><Label ovf:msgid='m'/></Configuration></DeploymentOptionSection>
        <Strings xml:lang='de'><Msg ovf:msgid='m'>T</Msg></Strings>";
    let items = [
        item(3, 6, "<rasd:Address>0</rasd:Address>"),
        disk(4, "d", 3, 0),
        item(5, 10, "<rasd:Connection>n</rasd:Connection><rasd:Address>00:16:3e:00:00:01</rasd:Address>"),
        memory(2, "64").replacen("<Item", "<Item ovf:bound='min'", 1),
    ]
    .concat();
    let mut text = with_items(before, &items);
    text = text.replace("<Info>A machine</Info>", "<Info>A machine</Info><ProductSection ovf:class='k'><Property ovf:key='p' ovf:type='int' ovf:value='1' ovf:userConfigurable='true'/></ProductSection>");
    text
}

/// That it comes to an end is what is tested, and that an error can be shown.
fn survive(bytes: &[u8]) {
    if let Err(error) = read(bytes, &Choices::default()) {
        assert!(!error.to_string().is_empty() && !error.remedy.is_empty());
    }
}

#[test]
fn every_prefix_is_survived() {
    let text = sample();
    accepted(&text);
    for end in 0..text.len() {
        survive(&text.as_bytes()[..end]);
    }
}

#[test]
fn every_attribute_and_every_element_can_be_missing() {
    let text = sample();
    let mut dropped = 0;
    for (at, _) in text.match_indices("='") {
        let start = text[..at].rfind(' ').unwrap();
        let end = at + 2 + text[at + 2..].find('\'').unwrap() + 1;
        survive(format!("{}{}", &text[..start], &text[end..]).as_bytes());
        // Values that nobody expects, in its place.
        for value in ["", "-1", "99999999999999999999999999", "${p}", "../../x", "\u{e9}\u{202e}", "&#x9;&#xA;"] {
            survive(format!("{}{value}{}", &text[..at + 2], &text[end - 1..]).as_bytes());
        }
        dropped += 1;
    }
    for (at, _) in text.match_indices("<rasd:") {
        let end = at + text[at..].find("</").unwrap();
        let end = end + text[end..].find('>').unwrap() + 1;
        survive(format!("{}{}", &text[..at], &text[end..]).as_bytes());
        dropped += 1;
    }
    assert!(dropped > 40, "{dropped}");
}

#[test]
fn bytes_that_are_changed_are_survived() {
    let text = sample();
    let mut state = 7_u32;
    for at in 0..text.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut bytes = text.clone().into_bytes();
        bytes[at] = state.to_be_bytes()[0];
        survive(&bytes);
    }
}

#[test]
fn deep_nesting_is_refused_at_once() {
    for text in
        ["<a>".repeat(1_000_000), format!("<Envelope {NAMESPACES}>{}", "<VirtualSystemCollection>".repeat(600_000))]
    {
        let start = Instant::now();
        assert!(refused(&text).cause.contains("nested"));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn document_types_and_entities_are_refused() {
    let laughs = "<?xml version='1.0'?>\n<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;'>]>\n<Envelope>&lol2;</Envelope>";
    let error = refused(laughs);
    assert!(error.cause.contains("DOCTYPE"), "{error}");
    assert_eq!(error.line, Some(2));
    let file = "<!DOCTYPE e SYSTEM 'file:///etc/passwd'><Envelope/>";
    assert!(refused(file).cause.contains("DOCTYPE"));
    assert!(refused("<Envelope>&lol;</Envelope>").cause.contains("well-formed"));
}

#[test]
fn counts_have_limits() {
    let nodes = format!("<Envelope>{}</Envelope>", "<a/>".repeat(600_000));
    assert!(refused(&nodes).cause.contains("more than"));
    let attributes: String = (0..300).map(|n| format!(" a{n}='1'")).collect();
    assert!(refused(&format!("<Envelope{attributes}/>")).cause.contains("attributes"));
    let namespaces: String = (0..65).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
    assert!(refused(&format!("<Envelope{namespaces}/>")).cause.contains("namespaces"));
    let mut big = b"<Envelope>".to_vec();
    big.resize((16 << 20) + 1, b' ');
    assert!(refused(std::str::from_utf8(&big).unwrap()).cause.contains("bytes"));
}

/// What is short where it is used and long where it stands must not be written a thousand times.
#[test]
fn small_references_do_not_make_big_appliances() {
    let long = "x".repeat(1 << 18);
    let labels = "<AnnotationSection><Annotation ovf:msgid='m'/></AnnotationSection>".repeat(2000);
    let text = machine(&format!("<Strings xml:lang='de'><Msg ovf:msgid='m'>{long}</Msg></Strings>"), &labels);
    let written: usize = accepted(&text).systems()[0].about.annotations.iter().map(String::len).sum();
    assert!(written <= 32 << 20, "{written}");

    let properties: String = (0..2000).map(|n| format!("<Property ovf:key='k{n}' ovf:type='string'/>")).collect();
    let text = machine("", &format!("<ProductSection><Category>{long}</Category>{properties}</ProductSection>"));
    assert!(refused(&text).cause.contains("over and over"));
    let text = machine("", &format!("<ProductSection ovf:class='{long}'>{properties}</ProductSection>"));
    assert!(refused(&text).cause.contains("over and over"));

    let drives: String = (0..2000).map(|n| disk(n + 10, "d", 9, n)).collect();
    let controller = item(9, 6, &format!("<rasd:ResourceSubType>{long}</rasd:ResourceSubType>"));
    let disks = "<DiskSection><Disk ovf:diskId='d' ovf:capacity='1'/></DiskSection>";
    assert!(refused(&with_items(disks, &(controller + &drives))).cause.contains("over and over"));

    // Each collection doubles what the one around it says.
    let mut text = String::new();
    for depth in 0..16 {
        let outer = if depth == 0 { "x".repeat(4096) } else { format!("${{k{0}}}", depth - 1).repeat(8) };
        text += &format!(
            "<VirtualSystemCollection ovf:id='{depth}'><ProductSection><Property ovf:key='k{depth}' ovf:type='string' ovf:value='{outer}'/></ProductSection>"
        );
    }
    text += &"</VirtualSystemCollection>".repeat(16);
    assert!(refused(&envelope(&text)).cause.contains("grow too big"));
}
