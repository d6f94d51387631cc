//! Step 5: the devices that every machine has, where the architecture wants them.

use std::io;
use std::sync::{Arc, Mutex};

use kvm_ioctls::VmFd;
use ovum_arch::layout;
use ovum_arch::platform::{Address, PlatformDevice, PlatformKind};
use ovum_devices::bus::{Overlap, SharedDevice};
use ovum_devices::interrupt::EventInterrupt;
use ovum_devices::legacy::{I8042, PowerHandler, PowerRegisters, PvPanic, Serial};

use crate::buses::Buses;
use crate::console::{Console, Pump, WatchedOutput};
use crate::ending::Ending;
use crate::event_loop::ConsoleInput;
use crate::failure::{Blame, Explain};
use crate::timeline::Timeline;

/// Both directions of the console.
pub(crate) struct PlacedConsole {
    pub input: ConsoleInput,
    pub pump: Pump,
}

/// Places the platform's devices and connects the console.
pub(super) fn place(
    buses: &mut Buses,
    vm: &VmFd,
    console: Console,
    ending: &Arc<Ending>,
    power: &PowerHandler,
    timeline: &Timeline,
) -> Result<PlacedConsole, PlatformError> {
    let interrupt = serial_interrupt(vm)?;
    let (pump, output) = Pump::start(console.output, Arc::clone(ending)).map_err(PlatformError::Thread)?;
    let output = WatchedOutput::new(output, timeline.clone());
    // The pump takes everything, and says itself when its destination fails.
    let serial = Serial::new(Box::new(output), Arc::new(interrupt)).map_err(PlatformError::Descriptors)?;
    let room = serial.room_event().map_err(PlatformError::Descriptors)?;
    let serial = Arc::new(Mutex::new(serial));

    for place in layout::PLATFORM_DEVICES {
        let device: SharedDevice = match place.kind {
            PlatformKind::Serial => serial.clone(),
            PlatformKind::KeyboardController => Arc::new(Mutex::new(I8042::new(PowerHandler::clone(power)))),
            PlatformKind::Power => {
                let power = PowerHandler::clone(power);
                Arc::new(Mutex::new(PowerRegisters::new(layout::SOFT_OFF, layout::RESET_VALUE, power)))
            }
            PlatformKind::PanicNotifier => Arc::new(Mutex::new(PvPanic::new(PowerHandler::clone(power)))),
        };
        insert(buses, &place, device)?;
    }
    Ok(PlacedConsole { input: ConsoleInput { serial, room, source: console.input }, pump })
}

fn insert(buses: &mut Buses, place: &PlatformDevice, device: SharedDevice) -> Result<(), Overlap> {
    match place.address {
        Address::Port(port) => buses.ports.insert(port.into(), place.len, device),
        Address::Memory(address) => buses.memory.insert(address, place.len, device),
    }
}

fn serial_interrupt(vm: &VmFd) -> Result<EventInterrupt, PlatformError> {
    let (interrupt, event) = EventInterrupt::new().map_err(PlatformError::Descriptors)?;
    let place = layout::PLATFORM_DEVICES.iter().find(|place| place.kind == PlatformKind::Serial);
    if let Some(gsi) = place.and_then(|place| place.gsi) {
        vm.register_irqfd(&event, gsi).map_err(PlatformError::Interrupt)?;
    }
    Ok(interrupt)
}

/// A platform device could not be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The process may not open more files.
    #[error("the host gave no event descriptor: {0}")]
    Descriptors(io::Error),
    /// The process may not start more threads.
    #[error("the host gave no thread for the console: {0}")]
    Thread(io::Error),
    /// KVM did not take an interrupt.
    #[error("KVM did not connect an interrupt: {0}")]
    Interrupt(kvm_ioctls::Error),
    /// Two devices in one place: a mistake in the layout.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

impl Explain for PlatformError {
    fn remedy(&self) -> String {
        match self {
            Self::Overlap(_) => "this is a mistake in Ovum: please report it with your command line".into(),
            Self::Thread(_) => "raise the limit of processes (ulimit -u)".into(),
            _ => "raise the limit of open files (ulimit -n)".into(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}
