use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use vmm_sys_util::eventfd::EventFd;

use super::{I8042, PowerEvent, PowerHandler, PowerRegisters, PvPanic, Serial, power};
use crate::bus::BusDevice;
use crate::interrupt::Interrupt;
use crate::virtio::mock::CountingInterrupt;

/// What happens when `value` is written at `offset` of `device`, in bytes of any number.
fn events(device: impl Fn(PowerHandler) -> Box<dyn BusDevice>, offset: u64, value: &[u8]) -> Vec<PowerEvent> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    device(Arc::new(move |event| log.lock().unwrap().push(event))).write(offset, value);
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn read(device: &mut dyn BusDevice, offset: u64) -> u8 {
    let mut data = [0xee];
    device.read(offset, &mut data);
    data[0]
}

#[test]
fn the_keyboard_controller_resets_by_its_command_only() {
    let write = |offset, value: &[u8]| events(|on_event| Box::new(I8042::new(on_event)), offset, value);
    assert_eq!(write(4, &[0xfe]), [PowerEvent::Reset]);
    for (offset, value) in [(0, &[0xfe][..]), (4, &[0xff]), (4, &[0xfe, 0xfe]), (4, &[])] {
        assert_eq!(write(offset, value), []);
    }
    assert_eq!(read(&mut I8042::new(Arc::new(|_| ())), 4), 0, "nothing to read, ready for a command");
}

/// As Linux does it where nothing else tells it the clock's rate: until bit 5 of port 0x61 is set.
#[test]
fn who_waits_for_timer_2_does_not_wait_for_ever() {
    let mut device = I8042::new(Arc::new(|_| ()));
    device.write(1, &[0x01]);
    assert_eq!(read(&mut device, 1), 0x20);
    device.read(1, &mut []);
}

const SOFT_OFF: u8 = 3;
const RESET_VALUE: u8 = 0x5a;

#[test]
fn sleep_and_reset_registers_know_their_values() {
    let write = |offset, value: &[u8]| {
        events(|on_event| Box::new(PowerRegisters::new(SOFT_OFF, RESET_VALUE, on_event)), offset, value)
    };
    assert_eq!(write(power::SLEEP_CONTROL, &[1 << 5 | SOFT_OFF << 2]), [PowerEvent::PowerOff]);
    assert_eq!(write(power::RESET, &[RESET_VALUE]), [PowerEvent::Reset]);
    let nothing = [
        (power::SLEEP_CONTROL, &[SOFT_OFF << 2][..]),
        (power::SLEEP_CONTROL, &[1 << 5 | (SOFT_OFF - 1) << 2]),
        (power::SLEEP_CONTROL, &[1 << 5 | SOFT_OFF << 2, 0]),
        (power::SLEEP_STATUS, &[1 << 5 | SOFT_OFF << 2]),
        (power::RESET, &[0]),
        (power::RESET, &[!RESET_VALUE]),
        (power::RESET + 1, &[RESET_VALUE]),
    ];
    for (offset, value) in nothing {
        assert_eq!(write(offset, value), [], "{value:?} at {offset}");
    }
    assert_eq!(read(&mut PowerRegisters::new(SOFT_OFF, RESET_VALUE, Arc::new(|_| ())), power::SLEEP_STATUS), 0);
}

#[test]
fn the_panic_port_tells_panics_apart() {
    let write = |value: &[u8]| events(|on_event| Box::new(PvPanic::new(on_event)), 0, value);
    assert_eq!(write(&[1]), [PowerEvent::Panicked]);
    assert_eq!(write(&[2]), [PowerEvent::CrashLoaded]);
    assert_eq!(write(&[0xfc]), []);
    assert_eq!(write(&[1, 1]), []);
    assert_eq!(read(&mut PvPanic::new(Arc::new(|_| ())), 0), 3);
}

/// Takes what is written, until it is told to fail.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<(Vec<u8>, Option<io::ErrorKind>)>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }

    fn fail(&self, kind: Option<io::ErrorKind>) {
        self.0.lock().unwrap().1 = kind;
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap();
        if let Some(kind) = inner.1 {
            return Err(kind.into());
        }
        inner.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const DATA: u64 = 0;
const INTERRUPT_ENABLE: u64 = 1;
const INTERRUPT_IDENTIFICATION: u64 = 2;
const MODEM_CONTROL: u64 = 4;
const LINE_STATUS: u64 = 5;
const LOOPBACK: u8 = 1 << 4;
const DATA_READY: u8 = 1;

struct Port {
    serial: Serial,
    screen: Screen,
    interrupt: Arc<CountingInterrupt>,
    room: EventFd,
}

fn port() -> Port {
    let (screen, interrupt) = (Screen::default(), Arc::<CountingInterrupt>::default());
    let line: Arc<dyn Interrupt> = Arc::<CountingInterrupt>::clone(&interrupt);
    let serial = Serial::new(Box::new(screen.clone()), line).unwrap();
    let room = serial.room_event().unwrap();
    Port { serial, screen, interrupt, room }
}

#[test]
fn each_byte_of_output_is_there_at_once() {
    let mut port = port();
    for (byte, text) in [(b'#', "#"), (b' ', "# ")] {
        port.serial.write(DATA, &[byte]);
        assert_eq!(port.screen.text(), text);
    }
}

#[test]
fn an_output_error_is_never_told_to_the_guest() {
    let mut port = port();
    port.serial.write(INTERRUPT_ENABLE, &[2]);
    for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::BrokenPipe] {
        read(&mut port.serial, INTERRUPT_IDENTIFICATION);
        let interrupts = port.interrupt.count();
        port.screen.fail(Some(kind));
        port.serial.write(DATA, b"a");
        assert_ne!(read(&mut port.serial, LINE_STATUS) & 0x20, 0, "the transmitter is ready as ever");
        assert_eq!(port.interrupt.count(), interrupts + 1, "and says so");
    }
    port.screen.fail(None);
    port.serial.write(DATA, b"b");
    assert_eq!(port.screen.text(), "b");
}

#[test]
fn input_interrupts_and_arrives_in_order() {
    let mut port = port();
    port.serial.write(INTERRUPT_ENABLE, &[1]);
    assert_eq!(port.serial.enqueue(b"ls"), 2);
    assert_eq!(port.interrupt.count(), 1);
    assert_ne!(read(&mut port.serial, LINE_STATUS) & DATA_READY, 0);
    assert_eq!([read(&mut port.serial, DATA), read(&mut port.serial, DATA)], *b"ls");
    assert_eq!(read(&mut port.serial, LINE_STATUS) & DATA_READY, 0);
    assert!(port.room.read().is_err(), "nobody waits for room");
}

#[test]
fn input_is_bounded_and_room_is_told() {
    let mut port = port();
    let taken = port.serial.enqueue(&[b'x'; 1000]);
    assert!((16..=64).contains(&taken));
    assert_eq!(port.serial.enqueue(b"y"), 0);
    for _ in 0..taken {
        assert!(port.room.read().is_err());
        read(&mut port.serial, DATA);
    }
    assert_eq!(port.room.read().unwrap(), 1);
    assert_eq!(port.serial.enqueue(b"y"), 1);
}

#[test]
fn a_guest_is_reminded_of_input_until_it_has_read_it() {
    let mut port = port();
    port.serial.write(INTERRUPT_ENABLE, &[1]);
    port.serial.enqueue(b"x");
    // The guest has lost that interrupt.
    port.serial.remind();
    assert_eq!(port.interrupt.count(), 2);
    assert_eq!(read(&mut port.serial, INTERRUPT_IDENTIFICATION) & 0x0f, 4, "received data");
    assert_eq!(read(&mut port.serial, DATA), b'x');
    assert!(!port.serial.has_unread_input());
    port.serial.remind();
    assert_eq!(port.interrupt.count(), 2);
}

#[test]
fn input_that_came_during_a_loopback_test_is_asked_for_again() {
    let mut port = port();
    port.serial.write(MODEM_CONTROL, &[LOOPBACK]);
    assert_eq!(port.serial.enqueue(b"x"), 0);
    assert!(port.room.read().is_err());
    port.serial.write(MODEM_CONTROL, &[0]);
    assert_eq!(port.room.read().unwrap(), 1);
}

#[test]
fn accesses_of_odd_sizes_do_nothing() {
    let mut port = port();
    port.serial.write(DATA, b"");
    port.serial.write(DATA, b"ab");
    port.serial.write(256, b"a");
    assert_eq!(port.screen.text(), "");
    port.serial.enqueue(b"x");
    let mut data = [0; 4];
    port.serial.read(DATA, &mut data);
    assert_eq!(data, [0xff; 4]);
    assert_eq!(read(&mut port.serial, DATA), b'x', "an odd read takes no input");
}
