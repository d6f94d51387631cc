# The ways in which a machine ends, or does not, and the serial port's other direction.

    guest hello
    lea rsi, [rip + hello_text]
    call put_text
    jmp switch_off
hello_text:
    .asciz "hello from the guest\n"

    guest halt
    jmp halt_for_ever

    guest spin
2:  add rax, 1
    jmp 2b

    guest power_off
    jmp switch_off

    guest reset_acpi
    mov edx, {RESET}
    mov al, 1
    out dx, al
    jmp halt_for_ever

    guest reset_keyboard
    mov edx, {KEYBOARD_COMMAND}
    mov al, 0xfe
    out dx, al
    jmp halt_for_ever

    guest panic
    mov edx, {PANIC}
    mov al, 1
    out dx, al
    jmp halt_for_ever

# The interrupt table has no entries, so the page fault cannot be delivered, nor the double fault that follows.
    guest triple_fault
    lea rax, [rip + empty_table]
    lidt [rax]
    mov rax, 0x4000000000                   # 256 GiB: canonical, and not mapped
    mov al, byte ptr [rax]
    jmp halt_for_ever
empty_table:
    .word 0
    .quad 0

    guest echo
    lea rsi, [rip + ready_text]
    call put_text
3:  mov edx, {SERIAL} + 5
2:  in al, dx
    test al, 1                              # data ready
    jz 2b
    mov edx, {SERIAL}
    in al, dx
    call put_byte
    cmp al, 0x71                            # q
    jne 3b
    jmp switch_off
ready_text:
    .asciz "ready\n"
