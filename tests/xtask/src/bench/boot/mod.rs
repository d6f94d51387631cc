//! `cargo xtask bench boot`: Ovum beside QEMU's microvm, counted in instructions.

mod figures;
mod report;
mod run;
mod vmm;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::{binaries, kernel, packages};

use self::run::Bench;
use self::vmm::Vmm;

pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut rest = arguments.iter();
    let (mut runs, mut stock_runs, mut json) = (5_usize, 1_usize, None::<PathBuf>);
    let mut qemu = vmm::MACHINE.to_owned();
    let mut also = Vec::new();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| Failure::new(format!("{argument} needs a value")))?;
        match argument.as_str() {
            "--runs" => runs = value.parse().doing("--runs")?,
            "--stock-runs" => stock_runs = value.parse().doing("--stock-runs")?,
            "--json" => json = Some(PathBuf::from(value)),
            "--qemu" => qemu.clone_from(value),
            "--also" => also.push(value.split_whitespace().map(str::to_owned).collect()),
            other => {
                return Err(
                    Failure::new(format!("unknown argument {other:?}")).remedy("see `cargo xtask bench --help`")
                );
            }
        }
    }
    let mut vmms = vec![Vmm::Ovum { also: Vec::new(), cold: false }, Vmm::Ovum { also: Vec::new(), cold: true }];
    if qemu != "none" {
        vmms.push(Vmm::Qemu { machine: qemu });
    }
    vmms.extend(also.into_iter().map(|also| Vmm::Ovum { also, cold: false }));
    let report = boot(runs, stock_runs, &vmms)?;
    print!("{}", report.table());
    if let Some(path) = json {
        fs::write(&path, report.json()?).doing(format!("writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn boot(runs: usize, stock_runs: usize, vmms: &[Vmm]) -> Result<report::Report> {
    packages::ensure(packages::LAB)?;
    let ovum = binaries::ovum()?;
    // The bench kernel takes minutes to build, so it is made only for those who want to see it booted.
    let small = (runs > 0).then(kernel::microvm).transpose()?;
    let stock = kernel::stock()?;
    let bench = Bench::new(ovum, small.as_ref(), &stock, stock_runs > 0)?;
    let mut report = report::Report::default();
    for (guest, runs) in [(run::Guest::Small, runs), (run::Guest::Stock, stock_runs)] {
        for number in 1..=runs {
            // An ELF kernel is not packed, so there is nothing to keep of it.
            for vmm in
                vmms.iter().filter(|vmm| guest != run::Guest::Small || !matches!(vmm, Vmm::Ovum { cold: true, .. }))
            {
                eprintln!("{} with the {} kernel, run {number} of {runs}", vmm.name(), guest.name());
                report.add(guest, vmm, bench.run(guest, vmm)?);
            }
        }
    }
    Ok(report)
}
