//! Sections of machines and collections, known and unknown.

use super::super::appliance::{Compression, Content, Firmware, StopAction};
use super::super::os::OsFamily;
use super::*;

const BARE: &str = "<VirtualHardwareSection><Info/></VirtualHardwareSection>";

#[test]
fn files_have_sizes_and_compressions() {
    let files = r#"<References>
        <File ovf:id="a" ovf:href="a.vmdk" ovf:size="10" ovf:chunkSize="7"/>
        <File ovf:id="b" ovf:href="b%20c.vmdk.gz" ovf:compression="gzip"/>
        <File id="c" href="c.iso" size="1" compression="identity"/>
        <File ovf:href="d.img" ovf:compression="bzip2"/>
        <File ovf:id="e" ovf:href="HTTPS://example.com/e.img"/></References>"#;
    let appliance = accepted(&machine(files, BARE));
    let of = |id: &str| appliance.file(id).unwrap();
    assert_eq!((of("a").size, of("a").chunk_size, of("a").line), (Some(10), Some(7), 7));
    assert_eq!((of("b").compression, of("b").href.as_str()), (Compression::Gzip, "b%20c.vmdk.gz"));
    assert_eq!((of("c").compression, of("c").size), (Compression::Identity, Some(1)));
    assert_eq!(of("d.img").compression, Compression::Bzip2);
    assert_eq!(warnings(&appliance)[..2], [codes::ID_MISSING, codes::HREF_REMOTE]);
}

#[test]
fn files_that_cannot_be_are_refused_with_their_line() {
    for (attributes, cause) in [
        (r#"ovf:id="f""#, "no name"),
        (r#"ovf:id="f" ovf:href="../f""#, "leads out"),
        (r#"ovf:id="f" ovf:href="a/%2e%2e/f""#, "leads out"),
        (r#"ovf:id="f" ovf:href="a\..\f""#, "leads out"),
        (r#"ovf:id="f" ovf:href="%2Fetc/passwd""#, "leads out"),
        (r#"ovf:id="f" ovf:href="/etc/passwd""#, "absolute"),
        (r#"ovf:id="f" ovf:href="//host/f""#, "absolute"),
        (r#"ovf:id="f" ovf:href="file:///etc/passwd""#, "absolute"),
        (r#"ovf:id="f" ovf:href=".""#, "folder"),
        (r#"ovf:id="f" ovf:href="a/""#, "folder"),
        (r#"ovf:id="f" ovf:href="a%00b""#, "control"),
        (r#"ovf:id="f" ovf:href="f" ovf:size="-1""#, "below zero"),
        (r#"ovf:id="f" ovf:href="f" ovf:size="1.5""#, "not a whole number"),
        (r#"ovf:id="f" ovf:href="f" ovf:size="18446744073709551616""#, "too big"),
        (r#"ovf:id="f" ovf:href="f" ovf:size="{size}""#, "not a decimal number"),
        (r#"ovf:id="f" ovf:href="f" ovf:compression="lzma""#, "not known"),
        (r#"ovf:id="f" ovf:href="f" ovf:chunkSize="0""#, "nothing"),
        (r#"ovf:id="other" ovf:href="f""#, "too"),
    ] {
        let files =
            format!("<References><File ovf:id=\"other\" ovf:href=\"other\"/>\n<File {attributes}/></References>");
        let error = refused(&machine(&files, BARE));
        assert!(error.cause.contains(cause), "{attributes}: {error}");
        assert_eq!(error.line, Some(7), "{attributes}");
        assert!(error.element.unwrap().starts_with("File ovf:"), "{attributes}");
    }
    // A percent sign that escapes nothing is one.
    let odd = r#"<References><File ovf:id="f" ovf:href="100%-a..b/..c"/></References>"#;
    assert_eq!(accepted(&machine(odd, BARE)).files[0].href, "100%-a..b/..c");
}

#[test]
fn sections_that_nobody_knows_follow_ovf_required() {
    for (place, name) in [("before", "x:ThingSection"), ("inside", "x:ThingSection"), ("inside", "ThingSection")] {
        let of = |attributes: &str| {
            let section = format!("<{name} {attributes}><Info/></{name}>");
            if place == "before" { machine(&section, BARE) } else { machine("", &format!("{section}{BARE}")) }
        };
        for attributes in ["", "ovf:required=\"true\"", "ovf:required=\"1\""] {
            let error = refused(&of(attributes));
            assert_eq!(error.element.as_deref(), Some("ThingSection"));
            assert!(error.remedy.contains("--ignore-section ThingSection"), "{}", error.remedy);
        }
        for attributes in ["ovf:required=\"false\"", "ovf:required=\"0\"", "required=\"False\""] {
            let appliance = accepted(&of(attributes));
            assert!(warnings(&appliance).contains(&codes::SECTION_OPTIONAL), "{attributes}");
            assert_eq!(appliance.systems()[0].about.noted[0].section, "ThingSection");
        }
        let choices = Choices { ignored_sections: ["ThingSection".to_owned()].into(), ..Choices::default() };
        let appliance = read(of("").as_bytes(), &choices).unwrap();
        assert!(warnings(&appliance).contains(&codes::SECTION_IGNORED));
    }
}

#[test]
fn known_sections_with_unknown_elements_are_unknown() {
    let annotation = |attribute: &str, inner: &str| {
        let section =
            format!("<AnnotationSection {attribute}><Annotation>words</Annotation>{inner}</AnnotationSection>");
        machine("", &format!("{section}{BARE}"))
    };
    let of = |text: &str| accepted(text).systems()[0].about.annotations.clone();
    assert!(refused(&annotation("", "<x:New/>")).cause.contains("<New>"));
    assert_eq!(of(&annotation("ovf:required='false'", "<x:New/>")), [""; 0]);
    assert_eq!(of(&annotation("", "<x:New ovf:required='false'/>")), ["words"]);
    assert_eq!(of(&annotation("", "<vmw:New/>")), ["words"], "vendors' extensions are passed over");
    // DSP0243 7.3: directly in the section only.
    assert_eq!(of(&annotation("", "<x:New ovf:required='false'><x:Deeper ovf:required='true'/></x:New>")), ["words"]);
}

#[test]
fn vmwares_sections_break_nothing() {
    let before = "<vmw:StorageGroupSection vmw:id='g'><Info/></vmw:StorageGroupSection>
        <vmw:IpAssignmentSection vmw:protocols='IPv4'><Info/></vmw:IpAssignmentSection>";
    let inside = "<vmw:StorageSection vmw:group='g'/><vmw:BootOrderSection vmw:type='disk' vmw:instanceId='7'/>
        <vmw:BootOrderSection vmw:type='cdrom'/>";
    let appliance = accepted(&machine(before, &format!("{inside}{BARE}")));
    let system = appliance.systems()[0];
    assert_eq!(system.boot_order, ["7", "cdrom"]);
    assert_eq!(system.about.noted.len(), 3);
    let noted = warnings(&appliance).into_iter().filter(|code| *code == codes::SECTION_NOTED).count();
    assert_eq!(noted, 3);
    let required = "<vmw:vServiceDependencySection ovf:required='true'/>";
    assert!(refused(&machine("", &format!("{required}{BARE}"))).to_string().contains("vServiceDependencySection"));
}

#[test]
fn operating_systems_firmware_and_boot_order_come_from_several_places() {
    let inside = "<OperatingSystemSection ovf:id='94' vmw:osType='otherGuest64'><Info/><Description>Mine</Description>
        <vbox:OSType ovf:required='false'>Ubuntu_64</vbox:OSType></OperatingSystemSection>
        <VirtualHardwareSection ovf:transport='iso com.vmware.guestInfo'><Info/>
        <System><vssd:VirtualSystemType>vmx-13 virtualbox-2.2</vssd:VirtualSystemType></System>
        <vmw:Config ovf:required='false' vmw:key='bootOptions.efiSecureBootEnabled' vmw:value='true'/>
        <vmw:Config ovf:required='false' vmw:key='firmware' vmw:value='efi'/></VirtualHardwareSection>";
    let appliance = accepted(&machine("", inside));
    let system = appliance.systems()[0];
    let os = system.os.as_ref().unwrap();
    assert_eq!((os.cim, os.family, os.vendor.as_deref()), (Some(94), OsFamily::Linux, Some("otherGuest64")));
    assert_eq!(system.firmware, Some(Firmware::EfiSecure));
    assert_eq!(system.hardware_types, ["vmx-13", "virtualbox-2.2"]);
    assert_eq!(system.about.transports, ["iso", "com.vmware.guestInfo"]);

    let settings = "<vbox:Machine ovf:required='false' OSType='Debian_64'><Hardware><Firmware type='EFI64'/><Boot>
        <Order position='2' device='HardDisk'/><Order position='1' device='DVD'/><Order position='3' device='None'/></Boot>
        </Hardware></vbox:Machine>";
    let appliance = accepted(&machine("", &format!("{settings}{BARE}")));
    let system = appliance.systems()[0];
    assert_eq!(system.os.as_ref().unwrap().family, OsFamily::Linux);
    assert_eq!(system.firmware, Some(Firmware::Efi));
    assert_eq!(system.boot_order, ["cdrom", "disk"]);

    let odd = accepted(&machine(
        "",
        &format!("<OperatingSystemSection ovf:id='Linux'><Info/></OperatingSystemSection>{BARE}"),
    ));
    assert!(warnings(&odd).contains(&codes::OS_ID_INVALID));
}

#[test]
fn licences_annotations_and_products_are_read() {
    let inside = "<EulaSection><Info/><License>First
            line &amp; second<![CDATA[ <third>]]><!-- none --> end</License></EulaSection><EulaSection/>
        <AnnotationSection><Annotation> note </Annotation></AnnotationSection>
        <ProductSection ovf:class='c' ovf:instance='1'><Info/><Product>P</Product><Vendor>V</Vendor><Version>1</Version>
        <FullVersion>1.0</FullVersion><ProductUrl>u</ProductUrl><VendorUrl>v</VendorUrl><AppUrl>a</AppUrl>
        <Icon ovf:fileRef='x'/></ProductSection>";
    let appliance = accepted(&machine("", &format!("{inside}{BARE}")));
    let about = &appliance.systems()[0].about;
    assert_eq!(about.eulas.len(), 1);
    assert!(about.eulas[0].starts_with("First\n") && about.eulas[0].ends_with("line & second <third> end"));
    assert_eq!(about.annotations, ["note"]);
    let product = &about.products[0];
    assert_eq!((product.class.as_deref(), product.instance.as_deref()), (Some("c"), Some("1")));
    assert_eq!((product.name.as_deref(), product.full_version.as_deref()), (Some("P"), Some("1.0")));
    assert_eq!((product.app_url.as_deref(), product.vendor_url.as_deref()), (Some("a"), Some("v")));

    // Beside the machine, where it does not belong, it counts all the same: nobody shall start without having read it.
    let appliance = accepted(&machine("<EulaSection><License>Beside</License></EulaSection>", BARE));
    assert_eq!(appliance.systems()[0].about.eulas, ["Beside"]);
    assert!(warnings(&appliance).contains(&codes::SECTION_MISPLACED));
}

#[test]
fn sections_of_ovf_2_are_shown_and_refused_where_they_bind() {
    let environment =
        r#"<EnvironmentFilesSection><Info/><File ovf:fileRef="f" ovf:path="/setup/a.cfg"/></EnvironmentFilesSection>"#;
    let files = r#"<References><File ovf:id="f" ovf:href="f"/></References>"#;
    let appliance = accepted(&machine(files, &format!("{environment}{BARE}")));
    let file = &appliance.systems()[0].about.environment_files[0];
    assert_eq!((file.path.as_str(), file.file.as_str()), ("setup/a.cfg", "f"));
    assert!(refused(&machine("", &format!("{environment}{BARE}"))).cause.contains("no file \"f\""));
    let leading_out = environment.replace("/setup", "..");
    assert!(refused(&machine(files, &format!("{leading_out}{BARE}"))).cause.contains("no path"));

    let install = format!("<InstallSection ovf:initialBootStopDelay='300'><Info/></InstallSection>{BARE}");
    assert_eq!(accepted(&machine("", &install)).systems()[0].install.unwrap().initial_boot_stop_delay, 300);
    assert!(refused(&machine("", &install.replace("300", "-3"))).cause.contains("below zero"));

    for (section, word) in [
        (
            "<ScaleOutSection ovf:id='vm'><InstanceCount ovf:minimum='2' ovf:maximum='4'/></ScaleOutSection>",
            "at least 2",
        ),
        ("<PlacementGroupSection ovf:id='g' ovf:policy='availability'/>", "different hosts"),
        ("<EncryptionSection><Info/><EncryptedKey/></EncryptionSection>", "encrypts"),
    ] {
        let error = refused(&machine(section, BARE));
        assert!(error.cause.contains(word), "{error}");
        let optional = section.replacen("Section", "Section ovf:required='false'", 1);
        assert!(warnings(&accepted(&machine(&optional, BARE))).contains(&codes::SECTION_OPTIONAL));
    }
    for section in [
        "<ScaleOutSection ovf:id='vm'><InstanceCount ovf:minimum='1' ovf:default='3'/></ScaleOutSection>",
        "<PlacementGroupSection ovf:id='g' ovf:policy='affinity'/>",
        "<EncryptionSection><Info/></EncryptionSection>",
        "<ResourceAllocationSection><Info/><Item/></ResourceAllocationSection>",
    ] {
        assert_eq!(accepted(&machine(section, BARE)).systems()[0].about.noted.len(), 1, "{section}");
    }
    let boot =
        "<BootDeviceSection><Info/><x:CIM_BootConfigSetting><x:CIM_BootSourceSetting><x:InstanceID>9</x:InstanceID>
        </x:CIM_BootSourceSetting></x:CIM_BootConfigSetting></BootDeviceSection>";
    assert_eq!(accepted(&machine("", &format!("{boot}{BARE}"))).systems()[0].boot_order, ["9"]);
}

#[test]
fn collections_have_an_order_of_starting() {
    let startup = r#"<StartupSection><Info/>
        <Item ovf:id="b" ovf:order="2" ovf:startDelay="5" ovf:waitingForGuest="true" ovf:stopAction="guestShutdown"/>
        <Item ovf:id="a" ovf:order="1" ovf:startAction="none" ovf:stopDelay="9" ovf:stopAction="fall over"/>
        <Item ovf:id="nobody" ovf:order="3"/></StartupSection>"#;
    let system = |id: &str| format!("<VirtualSystem ovf:id='{id}'><Info/>{BARE}</VirtualSystem>");
    let inner = format!("<VirtualSystemCollection ovf:id='inner'>{}</VirtualSystemCollection>", system("c"));
    let text = envelope(&format!(
        "<VirtualSystemCollection ovf:id='all'><Name>All</Name>{startup}{}{}{inner}</VirtualSystemCollection>",
        system("a"),
        system("b")
    ));
    let appliance = accepted(&text);
    let Content::Collection(all) = &appliance.content else { panic!("a collection") };
    assert_eq!(appliance.systems().iter().map(|system| &*system.id).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(all.startup.iter().map(|item| (&*item.id, item.order)).collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
    let [a, b] = &all.startup[..] else { panic!("two") };
    assert_eq!((a.starts, a.stop_delay, a.stop, a.start_delay), (false, 9, StopAction::PowerOff, 0));
    assert_eq!((b.starts, b.start_delay, b.waiting_for_guest, b.stop), (true, 5, true, StopAction::GuestShutdown));
    let codes = warnings(&appliance);
    assert!(codes.contains(&codes::STARTUP_ID) && codes.contains(&codes::STARTUP_VALUE));

    assert!(refused(&text.replace("'b'", "'a'")).cause.contains("the id \"a\" too"));
    assert!(refused(&text.replace("ovf:order=\"2\"", "ovf:order=\"-2\"")).cause.contains("below zero"));
    let nameless = accepted(&text.replace("ovf:id='inner'", ""));
    assert!(warnings(&nameless).contains(&codes::ID_MISSING));
}

#[test]
fn an_envelope_has_one_content_that_is_not_too_deep() {
    assert!(refused(&envelope("")).cause.contains("no VirtualSystem"));
    assert!(
        refused(&envelope("<VirtualSystem ovf:id='a'/><VirtualSystem ovf:id='b'/>")).cause.contains("more than one")
    );
    let empty = accepted(&envelope("<VirtualSystemCollection ovf:id='a'/>"));
    assert_eq!(warnings(&empty), [codes::SYSTEMS_MISSING]);
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|n| format!("<VirtualSystemCollection ovf:id='{n}'>")).collect();
        envelope(&(open + &"</VirtualSystemCollection>".repeat(depth)))
    };
    accepted(&nested(16));
    assert!(refused(&nested(17)).cause.contains("nested"));
}

#[test]
fn a_package_may_bring_the_kernel_that_starts_it() {
    let section = r#"<d:DirectBootSection xmlns:d="urn:ovum:direct-boot:1" ovf:required="false"><Info/><d:Kernel ovf:fileRef="k"/>
        <d:Initrd ovf:fileRef="i"/><d:CommandLine> root=/dev/vda quiet </d:CommandLine></d:DirectBootSection>"#;
    let files = r#"<References><File ovf:id="k" ovf:href="k"/><File ovf:id="i" ovf:href="i"/></References>"#;
    let text = machine(files, &format!("{section}{BARE}"));
    let boot = accepted(&text).systems()[0].direct_boot.clone().unwrap();
    assert_eq!((&*boot.kernel, boot.initrd.as_deref(), &*boot.cmdline), ("k", Some("i"), "root=/dev/vda quiet"));
    assert!(refused(&text.replace(r#"fileRef="i""#, r#"fileRef="j""#)).cause.contains("no file \"j\""));
    assert!(refused(&text.replace("root=/dev/vda", "a&#10;b")).cause.contains("control characters"));
    assert!(refused(&text.replace("d:Kernel", "d:Colonel")).cause.contains("no kernel"));
}
