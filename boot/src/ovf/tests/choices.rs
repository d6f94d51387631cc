//! What a user decides: properties, configurations, languages.

use super::super::appliance::Content;
use super::*;

fn with_properties(properties: &str) -> String {
    machine(
        "",
        &format!("<ProductSection ovf:class='com.example' ovf:instance='1'><Info/>{properties}</ProductSection>"),
    )
}

fn set(text: &str, values: &[(&str, &str)]) -> Result<Vec<(String, Option<String>, bool)>, DescriptorError> {
    let properties = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let appliance = read(text.as_bytes(), &Choices { properties, ..Choices::default() })?;
    let properties = appliance.systems().into_iter().flat_map(|system| system.about.properties.clone());
    Ok(properties.map(|property| (property.key, property.value, property.set)).collect())
}

const TWO: &str = "<Category>First</Category><Property ovf:key='name' ovf:type='string' ovf:userConfigurable='true' ovf:value='x'>
    <Label>Name</Label><Description>Its name</Description></Property>
    <Property ovf:key='port' ovf:type='uint16' ovf:value='80' ovf:userConfigurable='true'/>
    <Property ovf:key='fixed' ovf:type='string' ovf:value='y'/>
    <Property ovf:key='secret' ovf:type='string' ovf:password='true' ovf:userConfigurable='true' ovf:qualifiers='MinLen(8)'/>";

#[test]
fn properties_have_whole_keys_and_values() {
    let appliance = accepted(&with_properties(TWO));
    let properties = &appliance.systems()[0].about.properties;
    let [name, port, fixed, secret] = &properties[..] else { panic!("four") };
    assert_eq!(name.key, "com.example.name.1");
    assert_eq!((name.label.as_deref(), name.description.as_deref()), (Some("Name"), Some("Its name")));
    assert_eq!((name.category.as_deref(), name.required, name.user_configurable), (Some("First"), false, true));
    assert_eq!((&*port.kind, port.required, port.value.as_deref()), ("uint16", true, Some("80")));
    assert!(!fixed.user_configurable && !fixed.required);
    assert!(secret.password && secret.required && secret.value.is_none());
    assert_eq!(secret.qualifiers, "MinLen(8)");
    for (qualifiers, required) in [
        ("", false),
        ("MinLen(0)", false),
        ("MinLen( 1 ), MaxLen(9)", true),
        ("ValueMap{&quot;a&quot;, &quot;b&quot;}", true),
        ("ValueMap{&quot;&quot;, &quot;b&quot;}", false),
    ] {
        let property = format!(
            "<Property ovf:key='k' ovf:type='string' ovf:userConfigurable='true' ovf:qualifiers='{qualifiers}'/>"
        );
        assert_eq!(
            accepted(&with_properties(&property)).systems()[0].about.properties[0].required,
            required,
            "{qualifiers}"
        );
    }
}

#[test]
fn users_set_properties_by_any_name_that_means_one() {
    for key in ["com.example.name.1", "name", "com.example.name", "name.1"] {
        let values = set(&with_properties(TWO), &[(key, "new")]).unwrap();
        assert_eq!(values[0], ("com.example.name.1".to_owned(), Some("new".to_owned()), true), "{key}");
        assert!(!values[1].2);
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    let error = |key: &str, value: &str| set(&with_properties(TWO), &[(key, value)]).unwrap_err();
    let unknown = error("nam", "x");
    assert!(
        unknown.cause.contains("no property \"nam\"") && unknown.remedy.contains("com.example.name.1"),
        "{}",
        unknown.remedy
    );
    assert!(error("fixed", "x").cause.contains("not for users"));
    let typed = error("port", "70000");
    assert!(typed.cause.contains("com.example.port.1") && typed.line.is_some(), "{typed}");
    assert!(error("name", "a\u{1}b").cause.contains("U+0001"));
    let secret = error("secret", "short");
    assert!(!secret.to_string().contains("short\"") && secret.cause.contains("at least 8"), "{secret}");
    let twice = format!(
        "{TWO}</ProductSection><ProductSection ovf:class='other'><Property ovf:key='name' ovf:type='string' ovf:userConfigurable='true'/>"
    );
    let ambiguous = set(&with_properties(&twice), &[("name", "x")]).unwrap_err();
    assert!(ambiguous.remedy.contains("com.example.name.1, other.name"), "{}", ambiguous.remedy);
    assert!(set(&with_properties(&twice), &[("other.name", "x")]).is_ok());
}

#[test]
fn odd_properties_are_warned_of() {
    for (property, code) in [
        ("<Property ovf:key='a.b' ovf:type='string'/>", codes::PROPERTY_KEY),
        ("<Property ovf:key='a' ovf:type='int' ovf:value='ten'/>", codes::PROPERTY_VALUE),
        ("<Property ovf:key='a' ovf:type='colour'/>", codes::PROPERTY_TYPE),
        ("<Property ovf:key='a'/><Property ovf:key='a'/>", codes::PROPERTY_DUPLICATE),
    ] {
        let appliance = accepted(&with_properties(property));
        assert!(warnings(&appliance).contains(&code), "{property}");
        assert_eq!(appliance.systems()[0].about.properties.len(), 1);
    }
    assert!(refused(&with_properties("<Property ovf:type='int'/>")).cause.contains("no key"));
    assert!(refused(&with_properties("<Property ovf:key='a&#9;b'/>")).cause.contains("blanks"));
}

#[test]
fn inner_properties_take_values_of_outer_ones() {
    let text = |outer: &str| {
        envelope(&format!(
            "<VirtualSystemCollection ovf:id='all'><ProductSection ovf:class='c'>{outer}</ProductSection>
            <VirtualSystem ovf:id='vm'><ProductSection><Property ovf:key='ip' ovf:type='string' ovf:value='${{db}}/24'/></ProductSection>
            <VirtualHardwareSection/></VirtualSystem></VirtualSystemCollection>"
        ))
    };
    let outer = "<Property ovf:key='db' ovf:type='string' ovf:userConfigurable='true' ovf:value='10.0.0.1'/>";
    let key = |value: &str| ("ip".to_owned(), Some(value.to_owned()), false);
    assert_eq!(set(&text(outer), &[]).unwrap(), [key("10.0.0.1/24")]);
    assert_eq!(set(&text(outer), &[("c.db", "10.0.0.9")]).unwrap(), [key("10.0.0.9/24")]);
    assert_eq!(set(&text(""), &[]).unwrap(), [key("${db}/24")]);
    let appliance = accepted(&text(outer));
    let Content::Collection(all) = &appliance.content else { panic!("a collection") };
    assert_eq!(all.about.properties[0].key, "c.db");
    assert!(warnings(&accepted(&text(""))).contains(&codes::PROPERTY_REFERENCE));
}

const CONFIGURATIONS: &str =
    "<DeploymentOptionSection><Info/><Configuration ovf:id='small'><Label>Small</Label></Configuration>
    <Configuration ovf:id='big' ovf:default='true'/><Configuration ovf:id='huge'/></DeploymentOptionSection>";

#[test]
fn configurations_choose_items_properties_and_values() {
    let memory =
        |attribute: &str, mib: u32| memory(2, &mib.to_string()).replacen("<Item", &format!("<Item {attribute}"), 1);
    let items = [
        memory("", 1),
        memory("ovf:configuration='big huge'", 2),
        memory("ovf:configuration='huge' ovf:bound='max'", 9),
        item(3, 21, "").replacen("<Item", "<Item ovf:configuration='small'", 1),
    ]
    .concat();
    let inside = format!(
        "<ProductSection><Property ovf:key='p' ovf:type='string' ovf:value='plain'><Value ovf:value='for small' ovf:configuration='small'/></Property>
        <Property ovf:key='q' ovf:type='string' ovf:configuration='huge'/></ProductSection>
        <VirtualHardwareSection><Info/>{items}</VirtualHardwareSection>"
    );
    let text = machine(CONFIGURATIONS, &inside);
    let of = |choice: Option<&str>| {
        let appliance =
            read(text.as_bytes(), &Choices { configuration: choice.map(str::to_owned), ..Choices::default() }).unwrap();
        let system = appliance.systems()[0].clone();
        let values: Vec<_> =
            system.about.properties.iter().map(|property| property.value.clone().unwrap_or_default()).collect();
        (appliance.configuration.unwrap(), system.memory_bytes >> 20, system.serials, values.join("|"))
    };
    assert_eq!(of(None), ("big".to_owned(), 2, 0, "plain".to_owned()));
    assert_eq!(of(Some("small")), ("small".to_owned(), 1, 1, "for small".to_owned()));
    assert_eq!(of(Some("huge")), ("huge".to_owned(), 2, 0, "plain|".to_owned()));

    let unknown = Choices { configuration: Some("tiny".to_owned()), ..Choices::default() };
    let error = read(text.as_bytes(), &unknown).unwrap_err();
    assert!(error.cause.contains("\"tiny\"") && error.remedy.contains("small, big, huge"), "{}", error.remedy);
    let stray = accepted(&text.replace("'big huge'", "'big colossal'"));
    assert!(warnings(&stray).contains(&codes::CONFIGURATION_UNKNOWN));
    assert!(refused(&text.replace("ovf:id='huge'", "ovf:id='big'")).cause.contains("the id \"big\" too"));
}

#[test]
fn the_first_configuration_is_taken_where_none_is_the_default() {
    let none = CONFIGURATIONS.replace("ovf:default='true'", "");
    let appliance = accepted(&machine(&none, ""));
    assert_eq!(appliance.configuration.as_deref(), Some("small"));
    assert!(appliance.configurations[0].default);
    assert_eq!(appliance.configurations[0].label.as_deref(), Some("Small"));
    assert_eq!(accepted(&machine("<DeploymentOptionSection/>", "")).configuration, None);
}

#[test]
fn texts_come_in_the_users_language() {
    let strings = "<References><File ovf:id='f' ovf:href='fr.msg'/></References>
        <Strings xml:lang='de-DE'><Msg ovf:msgid='hello'>Hallo</Msg></Strings>
        <Strings xml:lang='en-US'><Msg ovf:msgid='only'>Only here</Msg></Strings><Strings xml:lang='fr' ovf:fileRef='f'/>";
    let inside = "<AnnotationSection><Annotation ovf:msgid='hello'>Hello</Annotation></AnnotationSection>
        <EulaSection><License ovf:msgid='only'/></EulaSection><EulaSection><License ovf:msgid='none'/></EulaSection>";
    let file = |href: &str| {
        (href == "fr.msg").then(|| b"<Strings xmlns:o='http://schemas.dmtf.org/ovf/envelope/1'><Msg o:msgid='hello'>Bonjour</Msg></Strings>".to_vec())
    };
    let text = machine(strings, inside);
    let of = |locales: &[&str]| {
        let locales = locales.iter().map(|locale| (*locale).to_owned()).collect();
        let appliance =
            read(text.as_bytes(), &Choices { locales, message_file: Some(&file), ..Choices::default() }).unwrap();
        let about = appliance.systems()[0].about.clone();
        assert_eq!(about.eulas, ["Only here"]);
        assert!(warnings(&appliance).contains(&codes::MESSAGE_MISSING));
        about.annotations.concat()
    };
    assert_eq!(of(&[]), "Hello");
    assert_eq!(of(&["de"]), "Hallo");
    assert_eq!(of(&["de_AT.UTF-8", "fr"]), "Hallo");
    assert_eq!(of(&["fr_FR", "de"]), "Bonjour");
    assert_eq!(of(&["en", "de"]), "Hello");
    assert_eq!(of(&["ja"]), "Hello");
    assert!(warnings(&accepted(&text)).contains(&codes::MESSAGE_FILE), "nobody gives the file");
    assert!(refused(&text.replace("fileRef='f'", "fileRef='g'")).cause.contains("no file \"g\""));
}
