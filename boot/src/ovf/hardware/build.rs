//! Puts a machine together from its items.

use std::collections::{HashMap, HashSet};

use super::super::appliance::{Controller, ControllerKind, LeftOut, Nic, System};
use super::super::disks::Disks;
use super::super::reader::Reader;
use super::super::references::Files;
use super::super::units::{self, Unit, UnitProblem, shown};
use super::super::{DescriptorError, codes};
use super::drives::{Placed, sorted};
use super::item::Item;
use super::role::{Role, role};

/// A machine that is being put together.
pub struct Build<'b, 'd, 'r> {
    pub(super) system: &'b mut System,
    pub(super) reader: &'b mut Reader<'r>,
    pub(super) disks: &'b mut Disks<'d>,
    pub(super) files: &'b Files,
    networks: &'b HashSet<String>,
    controllers: Vec<Controller>,
    by_instance: HashMap<String, usize>,
    /// Drives with their places.
    pub(super) found_disks: Vec<Placed>,
    pub(super) found_cdroms: Vec<Placed>,
    /// Network cards, with their addresses.
    nics: Vec<(Option<u32>, Nic)>,
    cpu_items: u32,
    memory_items: u32,
}

impl<'b, 'd, 'r> Build<'b, 'd, 'r> {
    /// Nothing in it yet.
    pub fn new(
        system: &'b mut System,
        reader: &'b mut Reader<'r>,
        disks: &'b mut Disks<'d>,
        files: &'b Files,
        networks: &'b HashSet<String>,
    ) -> Self {
        Self {
            system,
            reader,
            disks,
            files,
            networks,
            controllers: Vec::new(),
            by_instance: HashMap::new(),
            found_disks: Vec::new(),
            found_cdroms: Vec::new(),
            nics: Vec::new(),
            cpu_items: 0,
            memory_items: 0,
        }
    }

    /// Takes note of a controller, wherever it stands: drives may come before what they hang on.
    pub fn add_controller(&mut self, item: &Item<'_>) {
        let kind = match role(item, self.reader.is_ovirt) {
            Role::Controller(kind) => kind,
            // Left out, but drives can hang on it all the same: they become disks of another kind anyway.
            Role::Spare("a USB controller") => ControllerKind::Usb,
            _ => return,
        };
        let Some(instance) = item.instance.as_deref() else { return };
        let before = self.controllers.iter().filter(|controller| controller.kind == kind).count();
        let address = item.order("Address").or_else(|| item.order("BusNumber"));
        let controller = Controller {
            instance: instance.to_owned(),
            kind,
            model: item.field("ResourceSubType").map(|model| model.into_owned()),
            address: address.unwrap_or_else(|| u32::try_from(before).unwrap_or(u32::MAX)),
        };
        self.by_instance.entry(instance.to_owned()).or_insert(self.controllers.len());
        self.controllers.push(controller);
    }

    /// The controller that an item hangs on, with its place among them all.
    pub(super) fn parent(&mut self, item: &Item<'_>) -> Option<(usize, Controller)> {
        let parent = item.field("Parent")?;
        let index = self.by_instance.get(&*parent).copied();
        let controller = index.and_then(|index| Some((index, self.controllers.get(index)?.clone())));
        // oVirt writes the id of nothing there.
        if controller.is_none() && !self.reader.is_ovirt {
            let message =
                format!("{} hangs on \"{}\", which is no controller", item.shown("the drive"), shown(&parent));
            self.reader.warn(codes::DRIVE_CONTROLLER_MISSING, item.element, message);
        }
        controller
    }

    /// Adds an item to the machine.
    ///
    /// # Errors
    /// When the item is wrong, or needs what is not there.
    pub fn add(&mut self, item: &Item<'d>) -> Result<(), DescriptorError> {
        let role = role(item, self.reader.is_ovirt);
        if let Some(stranger) = item.stranger()
            && !matches!(role, Role::Spare(_) | Role::Missing(_))
        {
            let why = format!("its element <{}> is not known", stranger.shown());
            self.leave_out(item, role, &why);
            return Ok(());
        }
        match role {
            Role::Cpu => self.add_cpus(item),
            Role::Memory => self.add_memory(item),
            Role::Controller(_) => Ok(()),
            Role::Nic => {
                self.add_nic(item);
                Ok(())
            }
            Role::Cdrom => self.add_cdrom(item),
            Role::Disk => self.add_disk(item),
            Role::Serial => {
                self.system.serials = self.system.serials.saturating_add(1);
                Ok(())
            }
            Role::Spare(_) | Role::Missing(_) => {
                self.leave_out(item, role, "machines here have no such device");
                Ok(())
            }
        }
    }

    /// Leaves an item out, and says so if the guest expects it.
    pub(super) fn leave_out(&mut self, item: &Item<'_>, role: Role, why: &str) {
        let what = item.shown(role.what());
        // In oVirt's dialect nobody says what is required.
        if item.required() && !self.reader.is_ovirt {
            self.reader.warn(codes::ITEM_LEFT_OUT, item.element, format!("{what} is left out: {why}"));
        }
        self.system.left_out.push(LeftOut { what, why: why.to_owned(), line: item.element.line() });
    }

    fn add_cpus(&mut self, item: &Item<'_>) -> Result<(), DescriptorError> {
        let wanted = match item.number("VirtualQuantity")? {
            Some(wanted) => wanted,
            None => match item.number("num_of_sockets")? {
                Some(sockets) => {
                    let cores = item.number("cpu_per_socket")?.unwrap_or(1);
                    let threads = item.number("threads_per_cpu")?.unwrap_or(1);
                    sockets.saturating_mul(cores).saturating_mul(threads)
                }
                None => {
                    match item.number("Reservation").ok().flatten().filter(|_| item.element.attr("bound").is_some()) {
                        Some(bound) => bound,
                        None => return Ok(()),
                    }
                }
            },
        };
        let cpus = u32::try_from(wanted).ok().and_then(|cpus| self.system.cpus.checked_add(cpus));
        let remedy = "write how many vCPUs the machine has";
        match cpus {
            Some(0) => return Err(item.error("VirtualQuantity", "a machine cannot have no vCPU", remedy)),
            Some(cpus) => self.system.cpus = cpus,
            None => return Err(item.error("VirtualQuantity", format!("{wanted} vCPUs are too many"), remedy)),
        }
        self.cpu_items += 1;
        if self.cpu_items > 1 {
            let message = format!("several items give the machine vCPUs; with this one it has {}", self.system.cpus);
            self.reader.warn(codes::ITEMS_SUMMED, item.element, message);
        }
        Ok(())
    }

    fn add_memory(&mut self, item: &Item<'_>) -> Result<(), DescriptorError> {
        // A bound of a range may come as a reservation.
        let name = ["VirtualQuantity", "Reservation"].into_iter().find(|name| item.field(name).is_some());
        let Some((name, quantity)) = name.and_then(|name| Some((name, item.field(name)?))) else { return Ok(()) };
        let unit = item.field("AllocationUnits").or_else(|| item.field("VirtualQuantityUnits"));
        if unit.is_none() {
            let message = format!("{} has no unit; MiB were taken", item.shown("the memory"));
            self.reader.warn(codes::MEMORY_UNIT_MISSING, item.element, message);
        }
        let bytes =
            units::bytes(&quantity, unit.as_deref(), Unit::MEBIBYTE).map_err(|problem| item.wrong(name, &problem))?;
        if bytes == 0 {
            return Err(item.error(name, "a machine cannot have no memory", "write how much memory the machine has"));
        }
        let sum = self.system.memory_bytes.checked_add(bytes);
        self.system.memory_bytes = sum.ok_or_else(|| item.wrong(name, &UnitProblem::TooBig(shown(&quantity))))?;
        self.memory_items += 1;
        if self.memory_items > 1 {
            let message = format!(
                "several items give the machine memory; with this one it has {} bytes",
                self.system.memory_bytes
            );
            self.reader.warn(codes::ITEMS_SUMMED, item.element, message);
        }
        Ok(())
    }

    fn add_nic(&mut self, item: &Item<'_>) {
        let network = item.field("Connection").map(|name| name.into_owned());
        if let Some(name) = network.as_deref().filter(|name| !self.networks.contains(*name)) {
            let message = format!(
                "{} is plugged into the network \"{}\", which is not declared",
                item.shown("the card"),
                shown(name)
            );
            self.reader.warn(codes::NETWORK_UNDECLARED, item.element, message);
        }
        // oVirt has it in an element of its own.
        let mac = item.field("MACAddress").or_else(|| item.field("Address"));
        let unplugged = ["AutomaticAllocation", "Linked"].iter().any(|name| item.boolean(name) == Some(false));
        let nic = Nic {
            instance: item.instance.as_deref().unwrap_or_default().to_owned(),
            name: item.name(),
            network,
            model: item.field("ResourceSubType").map(|model| model.into_owned()),
            mac: mac.and_then(|text| mac_address(&text)),
            connected: !unplugged,
        };
        self.nics.push((item.order("AddressOnParent"), nic));
    }

    /// Puts drives and cards in order.
    pub fn finish(self, items: &[Item<'_>]) {
        let mut nics = self.nics;
        if nics.iter().all(|(address, _)| address.is_some()) {
            nics.sort_by_key(|(address, _)| *address);
        }
        self.system.nics = nics.into_iter().map(|(_, nic)| nic).collect();
        self.system.disks = sorted(self.found_disks, self.reader);
        self.system.cdroms = sorted(self.found_cdroms, self.reader);
        if self.reader.is_ovirt && self.system.boot_order.is_empty() {
            let mut order: Vec<(u32, String)> = items
                .iter()
                .filter_map(|item| {
                    Some((item.order("BootOrder").filter(|order| *order > 0)?, item.instance.as_deref()?.to_owned()))
                })
                .collect();
            order.sort();
            self.system.boot_order = order.into_iter().map(|(_, instance)| instance).collect();
        }
    }
}

/// `00:16:8B:DB:00:5E`, `00-16-8B-DB-00-5E` or `00168BDB005E`; nothing for other addresses, and for those of groups.
fn mac_address(text: &str) -> Option<[u8; 6]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b'-')).collect();
    if digits.len() != 12 || !matches!(text.len(), 12 | 17) {
        return None;
    }
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?, 16).ok()?;
    }
    let [first, ..] = mac;
    (first & 1 == 0 && mac != [0; 6]).then_some(mac)
}
