//! The console with and without a terminal, and the signals that end a machine.

use std::time::Duration;

use ovum_tests::agent::protocol::Command;
use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest, setting};
use ovum_tests::sys;

/// A guest that repeats each line it is given, until it is told to end.
fn echo() -> Guest {
    Guest::stock().runs("while read line && [ $line != end ]; do echo \"got <$line>\"; done")
}

#[test]
fn input_reaches_a_guest_without_a_terminal() -> Result<()> {
    let mut guest = echo().boot()?;
    guest.expect("guest: ready")?.types("hello\n")?.expect("got <hello>")?.types("end\n")?;
    guest.ends_with(0)
}

#[test]
fn input_reaches_a_guest_from_a_terminal() -> Result<()> {
    let mut guest = echo().in_terminal().boot()?;
    guest.expect("guest: ready")?.types("hello\r")?.expect("got <hello>")?.types("end\r")?;
    guest.ends_with(0)
}

#[test]
fn much_input_arrives_whole() -> Result<()> {
    let mut guest = Guest::stock().runs("stty -echo; echo now; head -c 4000 | tr -d '\\n' | wc -c").boot()?;
    guest.expect("now")?.types(&format!("{}\n", "x".repeat(79)).repeat(50))?.expect("3950")?;
    guest.ends_with(0)
}

#[test]
fn ctrl_a_x_ends_the_machine() -> Result<()> {
    let mut guest = echo().in_terminal().boot()?;
    guest.expect("guest: ready")?.types("\x01h")?.expect("Ctrl-A")?.types("\x01x")?;
    // The machine ended as its user wished, which is not the guest's own shutdown.
    guest.ends_with(130)
}

/// A shell in the terminal says how it found it before and after.
fn terminal_survives(ending: impl Fn(&ovum_tests::host::Process) -> Result<()>) -> Result<()> {
    let folder = Folder::new()?;
    let setting = setting()?;
    let initrd = folder.file("initrd", &ovum_tests::harness::initramfs("sleep 1000")?)?;
    let run = format!("{} run --kernel {} --initrd {initrd} --append quiet", setting.ovum, setting.kernel_path);
    let script = format!("echo before $(stty -g); {run}; echo; echo after $(stty -g)");
    let arguments = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let mut shell = setting.host.spawn(Command { arguments, terminal: true, ..Command::default() })?;
    shell.wait_until(Duration::from_secs(120), |shell| shell.text(false).contains("guest: ready"))?;
    ending(&shell)?;
    shell.wait(Duration::from_secs(60))?;
    let text = shell.text(false);
    let state = |word: &str| text.lines().find_map(|line| line.trim().strip_prefix(word)).map(str::trim);
    assert!(state("before ").is_some() && state("before ") == state("after "), "{text}");
    Ok(())
}

#[test]
fn the_terminal_is_restored_after_ctrl_a_x() -> Result<()> {
    terminal_survives(|shell| shell.input().write(b"\x01x"))
}

#[test]
fn the_terminal_is_restored_after_a_signal() -> Result<()> {
    terminal_survives(|shell| {
        setting()?.host.shell(&format!("kill -TERM $(cat /proc/{0}/task/{0}/children)", shell.pid())).map(drop)
    })
}

fn ends_by(signal: i32) -> Result<()> {
    let mut guest = Guest::stock().runs("sleep 1000").boot()?;
    guest.expect("guest: ready")?.signal(signal)?;
    guest.ends_with(128 + signal)
}

#[test]
fn sigterm_ends_the_machine() -> Result<()> {
    ends_by(sys::SIGTERM)
}

#[test]
fn sighup_ends_the_machine() -> Result<()> {
    ends_by(sys::SIGHUP)
}

#[test]
fn the_console_can_go_to_a_file() -> Result<()> {
    let folder = Folder::new()?;
    let mut guest = Guest::stock().argument("--console", &format!("file:{}", folder.path("log"))).boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.console(), "");
    assert!(folder.shell("cat log")?.contains("guest: ready"));
    Ok(())
}

#[test]
fn the_console_can_go_nowhere() -> Result<()> {
    let mut guest = Guest::stock().argument("--console", "none").boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.console(), "");
    Ok(())
}
