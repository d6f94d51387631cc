//! The assembled image of all guests: where it lies in this program, and where each guest starts in it.

#![allow(unsafe_code)] // the image is known to the linker only, by the symbols around it

use std::arch::global_asm;

use crate::Payload;
use crate::machine;

global_asm!(
    include_str!("guest/common.s"),
    include_str!("guest/ends.s"),
    include_str!("guest/mmio.s"),
    include_str!("guest/blk.s"),
    include_str!("guest/smp.s"),
    include_str!("guest/pvh.s"),
    include_str!("guest/end.s"),
    SERIAL = const machine::SERIAL,
    KEYBOARD_COMMAND = const machine::KEYBOARD_COMMAND,
    PANIC = const machine::PANIC,
    SLEEP_CONTROL = const machine::SLEEP_CONTROL,
    SLEEP_OFF = const machine::SLEEP_OFF,
    RESET = const machine::RESET,
    VIRTIO = const machine::VIRTIO,
    VIRTIO_STRIDE = const machine::VIRTIO_STRIDE,
    VIRTIO_SLOTS = const machine::VIRTIO_SLOTS,
    LOCAL_APIC = const machine::LOCAL_APIC,
    TRAMPOLINE = const machine::TRAMPOLINE,
    STACK = const machine::STACK,
    COUNTER = const machine::COUNTER,
    DESCRIPTORS = const machine::DESCRIPTORS,
    AVAILABLE = const machine::AVAILABLE,
    USED = const machine::USED,
    REQUEST = const machine::REQUEST,
    SECTOR = const machine::SECTOR,
    STATUS = const machine::STATUS,
);

/// Declares the symbols, and looks them up by payload.
macro_rules! entries {
    ($($payload:ident => $symbol:ident),* $(,)?) => {
        unsafe extern "C" {
            static ovum_payloads_start: u8;
            static ovum_payloads_end: u8;
            $(static $symbol: u8;)*
        }

        /// Where a guest starts, in bytes from the start of the image.
        pub(crate) fn entry(payload: Payload) -> u64 {
            let address = match payload {
                $(Payload::$payload => (&raw const $symbol).addr(),)*
            };
            (address - (&raw const ovum_payloads_start).addr()) as u64
        }
    };
}

entries! {
    Hello => ovum_payload_hello,
    Halt => ovum_payload_halt,
    Spin => ovum_payload_spin,
    PowerOff => ovum_payload_power_off,
    ResetAcpi => ovum_payload_reset_acpi,
    ResetKeyboard => ovum_payload_reset_keyboard,
    Panic => ovum_payload_panic,
    TripleFault => ovum_payload_triple_fault,
    Echo => ovum_payload_echo,
    MmioIdentity => ovum_payload_mmio_identity,
    MmioHostile => ovum_payload_mmio_hostile,
    BlkRead => ovum_payload_blk_read,
    BlkLoop => ovum_payload_blk_loop,
    BlkWild => ovum_payload_blk_wild,
    BlkMovedQueue => ovum_payload_blk_moved_queue,
    Smp => ovum_payload_smp,
    Pvh => ovum_payload_pvh,
}

/// The image, to be loaded at [`machine::LOAD`].
pub(crate) fn bytes() -> &'static [u8] {
    let start = &raw const ovum_payloads_start;
    let length = (&raw const ovum_payloads_end).addr() - start.addr();
    // SAFETY: both symbols bound one read-only section that the assembler filled, the second one behind it; so `length`
    // bytes from `start` on are one initialised object that nothing ever writes to.
    unsafe { std::slice::from_raw_parts(start, length) }
}
