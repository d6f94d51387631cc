#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn property(kind: &str, qualifiers: &str) -> Property {
    Property {
        key: "org.example.size.1".to_owned(),
        kind: kind.to_owned(),
        value: None,
        set: false,
        user_configurable: true,
        required: false,
        password: false,
        qualifiers: qualifiers.to_owned(),
        label: None,
        description: None,
        category: None,
        line: 7,
    }
}

fn assert_takes(kind: &str, qualifiers: &str, right: &[&str], wrong: &[&str]) {
    let property = property(kind, qualifiers);
    for value in right {
        assert_eq!(property.check(value), Ok(()), "{kind} {qualifiers}");
    }
    for value in wrong {
        let problem = property.check(value).expect_err(&format!("{kind} {qualifiers}: {value:?}"));
        assert!(!problem.to_string().is_empty() && !problem.remedy().is_empty());
    }
}

#[test]
fn the_standards_types_are_checked() {
    assert_takes("uint8", "", &["0", "255", " 42 ", "+7"], &["256", "-1", "1.0", "0x10", "ten", " "]);
    assert_takes("sint8", "", &["-128", "127"], &["-129", "128"]);
    assert_takes("uint16", "", &["65535"], &["65536"]);
    assert_takes("sint16", "", &["-32768"], &["32768"]);
    assert_takes("uint32", "", &["4294967295"], &["4294967296"]);
    assert_takes("sint32", "", &["-2147483648"], &["2147483648"]);
    assert_takes("uint64", "", &["18446744073709551615"], &["18446744073709551616", &"9".repeat(60_000)]);
    assert_takes("sint64", "", &["-9223372036854775808"], &["9223372036854775808"]);
    assert_takes("boolean", "", &["true", "False", "TRUE"], &["yes", "1", "tru"]);
    assert_takes("Boolean", "", &["true"], &["on"]);
    assert_takes("real32", "", &["1.5", "-3e10", ".5"], &["1e39", "inf", "NaN", "1,5", "0x1p3"]);
    assert_takes("real64", "", &["1e39"], &["1e999", "infinity"]);
    assert_takes("string", "", &["", "anything at all", "line\nbreak\ttab", "ünïcödé \u{1f95a}"], &[]);
}

#[test]
fn vmwares_types_and_their_bounds_are_checked() {
    assert_takes("ip", "", &["10.0.0.1", "fe80::1", ""], &["10.0.0", "host.example", "10.0.0.1/24"]);
    assert_takes("ip:VM Network", "", &["192.168.7.1"], &["x"]);
    assert_takes("string", "Ip", &["10.0.0.1"], &["x"]);
    assert_takes("string", "Ip(\"Network 1\")", &["10.0.0.1"], &["x"]);
    assert_takes("int", "", &["-5", "2147483647"], &["2147483648", "1.5"]);
    assert_takes("int(1..100)", "", &["1", "100"], &["0", "101"]);
    assert_takes("int(1..)", "", &["1"], &["0"]);
    assert_takes("real(0..1)", "", &["0.5", "1"], &["1.01", "-0.1"]);
    assert_takes("string(..5)", "", &["12345", "äöüßé"], &["123456"]);
    assert_takes("string(3..)", "", &["123"], &["12"]);
    assert_takes("password(8..)", "", &["12345678"], &["1234567"]);
    assert_takes("string[\"a\", \"b\"]", "", &["a", "b"], &["c", "A"]);
    assert_takes("expression", "", &["${autoIp:Net}"], &[]);
}

#[test]
fn qualifiers_narrow_the_type() {
    assert_takes("string", "MinLen(1),MaxLen(5)", &["a", "12345"], &["123456"]);
    assert_takes("String", " maxlen( 3 ) ; MinLen(2)", &["ab"], &["a", "abcd"]);
    assert_takes("string", "ValueMap{\"small\", \"a,b}\", plain}", &["small", "a,b}", "plain"], &["large", "a"]);
    assert_takes("int", "ValueMap{1, 2, 3, 5}", &["1", "05", "+2"], &["4", "15"]);
    assert_takes("boolean", "ValueMap{\"true\"}", &["True"], &["false"]);
    assert_takes("uint16", "MinValue(1),MaxValue(65535)", &["1"], &["0"]);
    assert_takes("uint8", "MaxValue(1000)", &["255"], &["256"]);
    assert_takes("real64", "MinValue(-1.5)", &["-1.5"], &["-1.6"]);
    // Qualifiers that make no sense bind nobody.
    assert_takes("string", "MinLen(x),MaxLen,Foo(1),ValueMap{\"a\"", &["anything"], &[]);
    assert_takes("string", &"(".repeat(100_000), &["anything"], &[]);
    assert_takes("string", &"A(1),".repeat(100_000), &["anything"], &[]);
}

#[test]
fn an_empty_value_is_none_at_all() {
    let mut property = property("uint8", "MinValue(3)");
    assert_eq!(property.check(""), Ok(()));
    property.required = true;
    let problem = property.check("").unwrap_err();
    assert_eq!(problem.to_string(), "property org.example.size.1: it must have a value and has none");
    assert_eq!(problem.remedy(), "give it one: --set org.example.size.1=VALUE");
}

#[test]
fn what_xml_cannot_hold_is_refused_with_its_place() {
    for bad in ['\0', '\u{1b}', '\u{8}', '\u{1f}', '\u{fffe}'] {
        let problem = property("string", "").check(&format!("ab{bad}c")).unwrap_err();
        assert_eq!(problem.reason, PropertyReason::ControlCharacter { code: bad.into(), offset: 2 });
        assert!(!problem.to_string().contains(bad));
    }
    assert_eq!(property("string", "").check(&"é".repeat(MAX_LENGTH)), Ok(()));
    assert!(property("string", "").check(&"x".repeat(MAX_LENGTH + 1)).is_err());
    assert!(property("a.vendors.type", "").check("\0").is_err());
}

#[test]
fn refusals_say_what_would_be_right_and_hide_what_is_secret() {
    let said = |kind: &str, qualifiers: &str, value: &str| {
        let problem = property(kind, qualifiers).check(value).unwrap_err();
        (problem.reason.to_string(), problem.remedy())
    };
    let (cause, remedy) = said("uint8", "", "lots\u{7f}");
    assert_eq!(cause, "\"lots\\u{7f}\" is not a whole number from 0 to 255");
    assert_eq!(remedy, "set it to a whole number from 0 to 255: --set org.example.size.1=VALUE");
    let (cause, remedy) = said("string", "MinLen(2),MaxLen(4)", "x");
    assert_eq!(
        (cause.as_str(), remedy.as_str()),
        ("the value has a length of 1; at least 2 characters are needed", "set it to at least 2 characters")
    );
    let (cause, remedy) = said("string", "ValueMap{\"a\",\"b\"}", "x");
    assert_eq!(
        (cause.as_str(), remedy.as_str()),
        ("\"x\" is none of the values that it can have", "set it to one of these: a, b")
    );
    let mut secret = property("string", "ValueMap{\"a\"}");
    secret.password = true;
    assert!(!secret.check("hunter2").unwrap_err().to_string().contains("hunter2"));
    assert!(property("Password(8..)", "").secret() && !property("string", "").secret());
}

#[test]
fn what_was_not_understood_can_be_warned_of() {
    assert_eq!(property("uint8", "MinValue(3)").warning(), None);
    assert_eq!(property("", "").warning(), None);
    let warning = property("com.example:colour", "").warning().unwrap();
    assert!(warning.contains("\"com.example:colour\" is not known here"), "{warning}");
    assert!(property("string", "Foo(1)").warning().unwrap().contains("Foo(1)"));
    assert!(property("expression", "").warning().unwrap().contains("not evaluated"));
    assert!(property("string(bad)", "").warning().is_some());
}
