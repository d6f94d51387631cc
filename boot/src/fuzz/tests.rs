use std::path::Path;

/// Runs `body` with what the fuzzer starts from, and what it once found.
fn replay(target: &str, body: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target);
    let mut replayed = 0;
    for entry in std::fs::read_dir(seeds).unwrap() {
        body(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 3, "{target} has lost its seeds");
}

#[test]
fn any_quantity_is_harmless() {
    replay("ovf_units", super::units);
}

#[test]
fn any_property_is_harmless() {
    replay("ovf_property", super::property_check);
}

#[test]
fn anything_can_be_told_to_a_guest() {
    replay("environment", super::environment);
}

#[test]
fn any_descriptor_is_harmless() {
    replay("ovf_descriptor", super::descriptor);
}
