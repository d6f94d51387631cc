//! The 16550A serial port: the guest's console.
//!
//! The register model is vm-superio's. What is added here: the output never fails towards the guest, and whoever feeds
//! the input is told when there is room again.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use vm_superio::Trigger;
use vm_superio::serial::NoEvents;
use vmm_sys_util::eventfd::EventFd;

use crate::bus::BusDevice;
use crate::interrupt::Interrupt;

/// Offset of the modem control register, and its bit that connects the output to the input.
const MODEM_CONTROL: u8 = 4;
const LOOPBACK: u8 = 1 << 4;

/// A 16550A serial port.
pub struct Serial {
    uart: vm_superio::Serial<Line, NoEvents, Box<dyn Write + Send>>,
    /// Free space in bytes when nothing waits to be read by the guest.
    capacity: usize,
    loopback: bool,
    /// Input was refused, so somebody waits for room.
    wanted: bool,
    room: EventFd,
    interrupt: Arc<dyn Interrupt>,
}

impl Serial {
    /// A serial port that writes each byte through to `output` as the guest sends it, and signals `interrupt`.
    ///
    /// A byte that `output` refuses is lost without a word, to the guest as to the host: give it an output that says
    /// itself when it fails, and that never blocks, because a vCPU would wait for it.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new(output: Box<dyn Write + Send>, interrupt: Arc<dyn Interrupt>) -> io::Result<Self> {
        let uart = vm_superio::Serial::new(Line(Arc::clone(&interrupt)), output);
        let room = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self { capacity: uart.fifo_capacity(), uart, loopback: false, wanted: false, room, interrupt })
    }

    /// Gives `bytes` to the guest as input and returns how many were taken. If that is not all of them, the
    /// [room event](Self::room_event) is signalled once the guest has read what it has.
    pub fn enqueue(&mut self, bytes: &[u8]) -> usize {
        // A full buffer is an error to vm-superio; here it is no more than a short count.
        let taken = self.uart.enqueue_raw_bytes(bytes).unwrap_or(0);
        self.wanted = taken < bytes.len();
        taken
    }

    /// Whether the guest has input that it did not read yet.
    #[must_use]
    pub fn has_unread_input(&self) -> bool {
        !self.loopback && self.uart.fifo_capacity() < self.capacity
    }

    /// Signals the guest once more if it has unread input: to be called when that has lain there for a long time, as a
    /// 16550A does by itself (its character timeout), so that a lost interrupt does not end all input.
    pub fn remind(&mut self) {
        if self.has_unread_input() {
            self.interrupt.trigger();
        }
    }

    /// An event that is signalled when [`Serial::enqueue`] took less than it was offered and would take more now.
    /// Until then, do not watch the source of the input.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn room_event(&self) -> io::Result<EventFd> {
        self.room.try_clone()
    }

    /// Tells whoever waits for room, if there is some.
    fn offer_room(&mut self) {
        if self.wanted && !self.loopback && self.uart.fifo_capacity() == self.capacity {
            self.wanted = false;
            // Fails only when the counter is full, and then the event is signalled anyway.
            let _ = self.room.write(1);
        }
    }
}

impl BusDevice for Serial {
    /// Registers are one byte wide; any other access reads as all ones.
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (u8::try_from(offset), data) {
            (Ok(offset), [byte]) => *byte = self.uart.read(offset),
            (_, data) => data.fill(0xff),
        }
        self.offer_room();
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let (Ok(offset), &[byte]) = (u8::try_from(offset), data) else { return };
        if offset == MODEM_CONTROL {
            self.loopback = byte & LOOPBACK != 0;
        }
        // The line cannot fail, and the output's errors are not the guest's.
        let _ = self.uart.write(offset, byte);
        self.offer_room();
    }
}

/// The interrupt in the form that vm-superio asks for.
struct Line(Arc<dyn Interrupt>);

impl Trigger for Line {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        self.0.trigger();
        Ok(())
    }
}
