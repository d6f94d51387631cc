//! The VirtualHardwareSection of a recipe (DSP0243 8).

use super::recipe::Recipe;
use super::xml::Xml;

/// The place of a SCSI bus that the controller has for itself.
const CONTROLLERS_OWN: usize = 7;

/// ResourceType: CIM_ResourceAllocationSettingData 2.22.
mod resource {
    pub(super) const CPU: u16 = 3;
    pub(super) const MEMORY: u16 = 4;
    pub(super) const IDE: u16 = 5;
    pub(super) const SCSI: u16 = 6;
    pub(super) const ETHERNET: u16 = 10;
    pub(super) const CD: u16 = 15;
    pub(super) const DISK: u16 = 17;
}

/// An Item, without what only some have.
struct Item<'i> {
    name: &'i str,
    description: &'i str,
    resource: u16,
    /// `Address`: which of its kind a controller is.
    address: Option<u32>,
    /// `AddressOnParent` and `Parent`.
    parent: Option<(usize, u32)>,
    units: Option<&'i str>,
    /// Whether it is plugged in at the start.
    plugged: Option<bool>,
    connection: Option<&'i str>,
    host: Option<&'i str>,
    model: Option<&'i str>,
    quantity: Option<u64>,
    /// Whether a machine without it will do.
    optional: bool,
}

impl<'i> Item<'i> {
    fn new(resource: u16, name: &'i str, description: &'i str) -> Self {
        Self {
            name,
            description,
            resource,
            address: None,
            parent: None,
            units: None,
            plugged: None,
            connection: None,
            host: None,
            model: None,
            quantity: None,
            optional: false,
        }
    }

    fn write(&self, xml: &mut Xml, instance: u32) {
        let optional = [("ovf:required", "false")];
        xml.element("Item", if self.optional { &optional } else { &[] }, |xml| {
            let mut field = |name, value: Option<String>| {
                if let Some(value) = value {
                    xml.text(name, &value);
                }
            };
            let text = |text: Option<&str>| text.map(str::to_owned);
            field("rasd:Address", self.address.map(|address| address.to_string()));
            field("rasd:AddressOnParent", self.parent.map(|(unit, _)| unit.to_string()));
            field("rasd:AllocationUnits", text(self.units));
            field("rasd:AutomaticAllocation", self.plugged.map(|plugged| plugged.to_string()));
            field("rasd:Caption", text(Some(self.name)));
            field("rasd:Connection", text(self.connection));
            field("rasd:Description", text(Some(self.description)));
            field("rasd:ElementName", text(Some(self.name)));
            field("rasd:HostResource", text(self.host));
            field("rasd:InstanceID", Some(instance.to_string()));
            field("rasd:Parent", self.parent.map(|(_, instance)| instance.to_string()));
            field("rasd:ResourceSubType", text(self.model));
            field("rasd:ResourceType", Some(self.resource.to_string()));
            field("rasd:VirtualQuantity", self.quantity.map(|quantity| quantity.to_string()));
        });
    }
}

/// What is in the section. `id` is the machine's.
pub(super) fn write(xml: &mut Xml, recipe: &Recipe, id: &str) {
    xml.text("Info", "Virtual hardware");
    xml.element("System", &[], |xml| {
        xml.text("vssd:ElementName", "Virtual Hardware Family");
        xml.text("vssd:InstanceID", "0");
        xml.text("vssd:VirtualSystemIdentifier", id);
        xml.text("vssd:VirtualSystemType", "vmx-13");
    });
    let mut items = Items { xml, last: 0 };
    items.processors_and_memory(recipe);
    if !recipe.disks.is_empty() {
        items.disks(recipe.disks.len());
    }
    if !recipe.properties.is_empty() {
        items.cdrom();
    }
    for (number, network) in (1..).zip(&recipe.networks) {
        items.card(number, network);
    }
}

/// The items of a section, which have instance numbers in the order in which they are put.
struct Items<'x> {
    xml: &'x mut Xml,
    last: u32,
}

impl Items<'_> {
    fn put(&mut self, item: &Item<'_>) -> u32 {
        self.last += 1;
        item.write(self.xml, self.last);
        self.last
    }

    fn processors_and_memory(&mut self, recipe: &Recipe) {
        let name = format!("{} virtual CPU(s)", recipe.cpus);
        let (units, quantity) = (Some("hertz * 10^6"), Some(recipe.cpus.into()));
        self.put(&Item { units, quantity, ..Item::new(resource::CPU, &name, "Number of virtual CPUs") });
        let mebibytes = recipe.memory_bytes >> 20;
        let name = format!("{mebibytes} MB of memory");
        let (units, quantity) = (Some("byte * 2^20"), Some(mebibytes));
        self.put(&Item { units, quantity, ..Item::new(resource::MEMORY, &name, "Memory size") });
    }

    fn disks(&mut self, count: usize) {
        let controller = Item::new(resource::SCSI, "SCSI controller 0", "SCSI controller");
        let controller = self.put(&Item { address: Some(0), model: Some("lsilogic"), ..controller });
        let places = (0..).filter(|place| *place != CONTROLLERS_OWN);
        for (number, place) in (1..=count).zip(places) {
            let (name, host) = (format!("Hard disk {number}"), format!("ovf:/disk/vmdisk{number}"));
            let disk = Item::new(resource::DISK, &name, "Hard disk");
            self.put(&Item { parent: Some((place, controller)), host: Some(&host), ..disk });
        }
    }

    /// The drive with the disc on which the guest finds its properties.
    fn cdrom(&mut self) {
        let ide = Item::new(resource::IDE, "IDE controller 0", "IDE controller");
        let ide = self.put(&Item { address: Some(0), ..ide });
        let drive = Item { parent: Some((0, ide)), ..Item::new(resource::CD, "CD/DVD drive 1", "CD/DVD drive") };
        let model = Some("vmware.cdrom.remotepassthrough");
        self.put(&Item { plugged: Some(false), optional: true, model, ..drive });
    }

    fn card(&mut self, number: usize, network: &str) {
        let (name, description) = (format!("Network adapter {number}"), format!("E1000 adapter in {network}"));
        let card = Item::new(resource::ETHERNET, &name, &description);
        self.put(&Item { plugged: Some(true), connection: Some(network), model: Some("E1000"), ..card });
    }
}
