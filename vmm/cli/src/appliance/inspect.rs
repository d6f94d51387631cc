//! `ovum inspect`

use std::process::ExitCode;

use super::args::InspectArgs;
use super::{card, json, menu, open};
use crate::failure::Failure;
use crate::report::{self, Status};

/// Shows what a package describes.
pub fn run(args: &InspectArgs) -> ExitCode {
    inspect(args)
        .unwrap_or_else(|failure| {
            report::failure(&failure.cause, &failure.remedy, failure.status, args.json);
            failure.status
        })
        .into()
}

fn inspect(args: &InspectArgs) -> Result<Status, Failure> {
    let open::Opened { package, appliance } = open::open(&args.package, &args.choices)?;
    let mut menus = Vec::new();
    if args.boot {
        for system in appliance.systems() {
            let menu = ovum_vmm::appliance::menu(&package, &appliance, system, None);
            // That one of several has nothing to start is a thing to show.
            menus.push(menu.map_err(|error| error.to_string()));
        }
    }
    Ok(report::to_stdout(&if args.json {
        report::to_json(&json::Package::of(&appliance, &menus))
    } else {
        card::show(&args.package, &appliance) + &menu::show(&appliance, &menus)
    }))
}
