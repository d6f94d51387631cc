//! `ovum doctor`

use std::process::ExitCode;

use ovum_vmm::host::HostReport;

use crate::args::DoctorArgs;
use crate::report::{self, Status};

/// Says what this host can do. The status tells whether stock kernels run here.
pub fn run(args: &DoctorArgs) -> ExitCode {
    let host = HostReport::take();
    let text = if args.json { report::to_json(&host) } else { host.to_string() };
    match report::to_stdout(&text) {
        Status::Done if host.runs_stock_kernels => Status::Done.into(),
        Status::Done => Status::HostCannot.into(),
        failed => failed.into(),
    }
}
