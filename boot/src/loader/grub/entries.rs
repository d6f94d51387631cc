//! `blscfg`: menu entries from files of the Boot Loader Specification, as Fedora's and Red Hat's GRUB reads them.

use super::shell::{Item, Shell};
use super::syntax::Reader;
use crate::loader::bls;
use crate::loader::system::normal;

/// The folders that are tried if the variable `blsdir` names none.
const FOLDERS: [&str; 2] = ["/loader/entries", "/boot/loader/entries"];

/// Adds an entry for each file, the latest first.
pub(super) fn add(shell: &mut Shell<'_>) -> i32 {
    shell.has_bls = true;
    let named = shell.variables.get("blsdir").map(str::to_owned);
    let folders = named.into_iter().chain(FOLDERS.map(str::to_owned));
    for folder in folders {
        let Some(place) = shell.locate(&normal(&folder)) else { continue };
        let mut found = bls::read_folder(shell.system, place.volume, &place.path, shell.limits);
        found.sort_by(|one, other| bls::compare_names(&other.file, &one.file));
        let is_some = !found.is_empty();
        for entry in found {
            let Some(item) = item(shell, &entry) else { break };
            shell.items.push(item);
        }
        if is_some {
            return 0;
        }
    }
    shell.note("blscfg: there are no entries in /loader/entries");
    1
}

/// An entry of the menu that does what the file says: a script, in which variables are put in when it runs.
fn item(shell: &Shell<'_>, entry: &bls::Entry) -> Option<Item> {
    if !shell.limits.another_entry(super::MAX_ITEMS) {
        return None;
    }
    let kernel = entry.linux.as_deref().or(entry.efi.as_deref()).unwrap_or_default();
    let options = entry.options.clone().unwrap_or_else(|| "$default_kernelopts".to_owned());
    let mut script = format!("linux {kernel} {options}");
    if !entry.initrds.is_empty() {
        script.push_str(&format!("; initrd $early_initrd {}", entry.initrds.join(" ")));
    }
    let title = entry.title.clone().unwrap_or_else(|| entry.file.clone());
    let body = match Reader::new(&script).line() {
        Some(Ok(body)) => body,
        Some(Err(problem)) => {
            shell.note(&format!("the entry {}: {problem}", entry.file));
            Vec::new().into()
        }
        None => Vec::new().into(),
    };
    Some(Item { arguments: vec![title.clone()], title, id: entry.file.clone(), body, submenu: false })
}
