//! What could be started from a machine's disks, for a person.

use std::fmt::Write as _;

use ovum_boot::loader::{BootEntry, Menu};
use ovum_boot::ovf::Appliance;

use crate::report::printable;

/// What could be started from a machine's disks, or why nothing.
pub type Found = Result<Menu, String>;

/// The menus of all machines of `appliance`, in their order.
pub fn show(appliance: &Appliance, menus: &[Found]) -> String {
    let mut text = String::new();
    for (system, menu) in appliance.systems().into_iter().zip(menus) {
        let menu = match menu {
            Ok(menu) => menu,
            Err(why) => {
                let _ = writeln!(text, "\n{}", printable(&format!("Boot menu: {why}")));
                continue;
            }
        };
        let _ = writeln!(text, "\n{}", printable(&format!("Boot menu of {}: {}", system.id, menu.why)));
        for (index, entry) in menu.entries.iter().enumerate() {
            show_entry(&mut text, entry, index == menu.default);
        }
        for note in &menu.notes {
            let _ = writeln!(text, "  note        {}", printable(note));
        }
    }
    text
}

fn show_entry(text: &mut String, entry: &BootEntry, starts: bool) {
    let mark = if starts { "starts" } else { "entry" };
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12}{}", printable(value));
    };
    line(mark, &format!("{} [{}], of {}", entry.title, entry.id, entry.source));
    if starts {
        line("  kernel", &entry.kernel.name);
        entry.initrds.iter().for_each(|initrd| line("  initramfs", &initrd.name));
        line("  arguments", &entry.cmdline);
        entry.changes.iter().for_each(|change| line("  changed", change));
    }
}
