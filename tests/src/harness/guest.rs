//! A guest that is about to be booted: the stock kernel, an initramfs made here, and what the test adds.

use super::setting::{setting, slot};
use super::{Folder, Ovum, Running};
use crate::failure::Result;
use crate::userspace;

/// A guest with the stock kernel and a busybox user space.
#[derive(Debug, Default)]
pub struct Guest {
    arguments: Vec<String>,
    append: Vec<String>,
    modules: Vec<&'static str>,
    scenario: String,
    terminal: bool,
}

impl Guest {
    /// The stock kernel; one vCPU, 256 MiB, nothing to do but power off.
    #[must_use]
    pub fn stock() -> Self {
        Self::default()
    }

    /// The number of vCPUs.
    #[must_use]
    pub fn cpus(self, cpus: u32) -> Self {
        self.argument("--cpus", &cpus.to_string())
    }

    /// The size of memory, as the command takes it.
    #[must_use]
    pub fn memory(self, size: &str) -> Self {
        self.argument("--memory", size)
    }

    /// A disk: a path on the host, with options as the command takes them.
    #[must_use]
    pub fn disk(self, disk: &str) -> Self {
        self.argument("--disk", disk)
    }

    /// An option of `ovum run` and its value.
    #[must_use]
    pub fn argument(mut self, option: &str, value: &str) -> Self {
        self.arguments.extend([option, value].map(str::to_owned));
        self
    }

    /// More kernel arguments.
    #[must_use]
    pub fn append(mut self, arguments: &str) -> Self {
        self.append.push(arguments.to_owned());
        self
    }

    /// A module that the guest loads beside those for its devices.
    #[must_use]
    pub fn module(mut self, name: &'static str) -> Self {
        self.modules.push(name);
        self
    }

    /// A switch of `ovum run`.
    #[must_use]
    pub fn switch(mut self, option: &str) -> Self {
        self.arguments.push(option.to_owned());
        self
    }

    /// Gives the command a terminal.
    #[must_use]
    pub fn in_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The shell script that the guest runs before it powers off.
    #[must_use]
    pub fn runs(mut self, scenario: &str) -> Self {
        self.scenario = scenario.to_owned();
        self
    }

    /// Starts the machine.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn boot(self) -> Result<Running> {
        let slot = slot()?;
        let folder = Folder::new()?;
        let initrd = folder.file("initrd", &initramfs_with(&self.modules, &self.scenario)?)?;
        // The kernel's own messages, a character at a time through the lab, would take longer than all the rest.
        let append = ["quiet".to_owned()].into_iter().chain(self.append).collect::<Vec<_>>().join(" ");
        let arguments = ["--initrd".to_owned(), initrd, "--append".to_owned(), append];
        let mut ovum = Ovum::run(arguments.into_iter().chain(self.arguments))?;
        if self.terminal {
            ovum = ovum.in_terminal();
        }
        Ok(Running::new(ovum.start()?, folder, slot))
    }
}

/// The initramfs of a guest of these tests that runs `scenario`.
///
/// # Errors
/// When a package cannot be had.
pub fn initramfs(scenario: &str) -> Result<Vec<u8>> {
    initramfs_with(&[], scenario)
}

fn initramfs_with(more: &[&str], scenario: &str) -> Result<Vec<u8>> {
    let kernel = &setting()?.kernel;
    let mut modules = userspace::modules(kernel)?;
    modules.extend(kernel.modules.in_order(more)?);
    userspace::initramfs(&modules, scenario)
}
