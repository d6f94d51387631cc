use super::*;

fn value(quantity: &str, unit: &str) -> Result<u64, UnitProblem> {
    parse(unit)?.times(&Number::parse(quantity)?)
}

#[test]
fn programmatic_units_are_read_in_any_spacing() {
    const MIB: u64 = 1 << 20;
    for text in [
        "byte * 2^20",
        "byte*2^20",
        " byte  *  2 ^ 20 ",
        "BYTE * 2^20",
        "bytes * 2^20",
        "(byte) * 2^20",
        "byte * (2^20)",
        "byte*1024*1024",
        "byte * 1048576",
        "byte * 2^30 / 2^10",
        "byte\t*\n2^20",
        "bit * 2^23",
        "KB * 2^10",
        "byte * 2^+20",
    ] {
        assert_eq!((parse(text).unwrap().base, value("3", text)), (Base::Byte, Ok(3 * MIB)), "{text:?}");
    }
    for (text, base, factor) in [
        ("byte", Base::Byte, 1),
        ("byte * 10^9", Base::Byte, 1_000_000_000),
        ("byte * 2^0", Base::Byte, 1),
        ("byte * 2^63", Base::Byte, 1 << 63),
        ("hertz * 10^6", Base::Hertz, 1_000_000),
        ("Hertz*10^9", Base::Hertz, 1_000_000_000),
        ("count", Base::Count, 1),
        ("1", Base::Count, 1),
        ("percent", Base::Percent, 1),
        ("minute", Base::Second, 60),
        ("bit / second * 10^9", Base::BytePerSecond, 125_000_000),
        ("byte / second", Base::BytePerSecond, 1),
        ("count/second", Base::CountPerSecond, 1),
    ] {
        let unit = parse(text).unwrap();
        assert_eq!((unit.base, unit.times(&Number::from(1))), (base, Ok(factor)), "{text:?}");
        assert_eq!(parse(&unit.to_string()), Ok(unit), "{text:?} is {unit}");
    }
}

#[test]
fn the_words_of_products_count_memory_in_powers_of_two_and_hertz_in_powers_of_ten() {
    for (texts, factor) in [
        (["KiloBytes", "KB", "kilobyte", "KiB"], 1 << 10),
        (["MegaBytes", "MB", "megabytes", "MByte"], 1 << 20),
        (["GigaBytes", "GB", "GIGABYTE", "GiB"], 1 << 30),
        (["TeraBytes", "TB", "tb", "TebiBytes"], 1_u64 << 40),
        (["MegaHertz", "MHz", "mhz", " MegaHertz "], 1_000_000),
        (["GigaHertz", "GHz", "Hertz*10^9", "hz * 10^9"], 1_000_000_000),
        (["Bytes", "B", "Hz", "Hertz"], 1),
    ] {
        for text in texts {
            assert_eq!(value("1", text), Ok(factor), "{text:?}");
        }
    }
}

#[test]
fn what_is_no_unit_is_refused() {
    for text in [
        "foo",
        "byte *",
        "* 2^20",
        "byte * * 2",
        "byte * 2^",
        "byte * ^2",
        "byte ^ 20",
        "byte + 2",
        "byte * 2^2^2",
        "byte byte",
        "byte * byte",
        "hertz / second",
        "second / byte",
        "byte * 0x10",
        "megafoo",
        "mib2",
        "KiHz",
        "x b",
        "/",
        "byte * 1.5",
        "1*2*3*4*5*6*7*8*9",
        "byte / second / second",
    ] {
        assert!(matches!(parse(text), Err(UnitProblem::UnknownUnit(_))), "{text:?}: {:?}", parse(text));
    }
    for text in ["byte * 2^200", "byte * 0", "byte / 0", "byte * 0^5", "byte * 10^99999999999", "byte * 2^100 * 2^100"]
    {
        assert!(matches!(parse(text), Err(UnitProblem::BadFactor(_))), "{text:?}: {:?}", parse(text));
    }
    for text in ["", "  "] {
        assert_eq!(parse(text), Err(UnitProblem::Empty));
    }
    let long = parse(&format!("\u{1b}{}", "x".repeat(100_000))).unwrap_err().to_string();
    assert!(long.len() < 120 && !long.contains('\u{1b}'), "{long}");
}

#[test]
fn quantities_become_bytes_or_a_reason() {
    const GIB: u64 = 1 << 30;
    assert_eq!(bytes("1024", Some("byte * 2^20"), Unit::BYTE), Ok(GIB));
    assert_eq!(bytes("1024", None, Unit::MEBIBYTE), Ok(GIB));
    assert_eq!(bytes("1024", Some(" "), Unit::MEBIBYTE), Ok(GIB));
    assert_eq!(bytes("1073741824", None, Unit::BYTE), Ok(GIB));
    assert_eq!(bytes("2.5", Some("GB"), Unit::BYTE), Ok(GIB * 5 / 2));
    assert_eq!(bytes("1024.0", Some("MB"), Unit::BYTE), Ok(GIB));
    assert_eq!(bytes("16", Some("bit"), Unit::BYTE), Ok(2));
    assert_eq!(bytes("17179869183", Some("GB"), Unit::BYTE), Ok(u64::MAX - GIB + 1));
    let refused = |quantity, unit| {
        let problem = bytes(quantity, Some(unit), Unit::BYTE).unwrap_err();
        assert!(!problem.remedy().is_empty());
        problem.to_string()
    };
    assert_eq!(refused("17179869184", "GB"), "17179869184 is too big: the value does not fit into 64 bits");
    assert_eq!(refused("0.3", "byte"), "0.3 is not a whole number in its unit");
    assert_eq!(refused("1", "bit"), "1 is not a whole number in its unit");
    assert_eq!(refused("5", "MHz"), "the unit is one of hertz, not of bytes");
    assert_eq!(refused("-5", "MB"), "-5 is below zero");
    assert_eq!(refused("${disksize}", "byte"), "\"${disksize}\" is not a decimal number");
    assert_eq!(refused("5", "furlong"), "\"furlong\" is not a unit that is known here");
    assert_eq!(amount("2", Some("GHz"), Unit::HERTZ, Base::Hertz), Ok(2_000_000_000));
}
