# Serial output and switching off. Every guest uses these; the image starts here.
#
# Numbers in capitals are those of machine.rs. Code finds its data relative to rip, so it runs wherever it is loaded.

    .section .rodata.ovum_payloads, "a", @progbits
    .balign 16
    .code64

    .macro guest name
    .globl ovum_payload_\name
    .hidden ovum_payload_\name
ovum_payload_\name:
    mov esp, {STACK}
    cld
    .endm

    .globl ovum_payloads_start
    .hidden ovum_payloads_start
ovum_payloads_start:

# Sends al. Changes rdx.
put_byte:
    push rax
    mov edx, {SERIAL} + 5                   # line status
2:  in al, dx
    test al, 0x20                           # transmitter holding register empty
    jz 2b
    pop rax
    mov edx, {SERIAL}
    out dx, al
    ret

# Sends the text at rsi, up to a zero. Changes rax, rdx, rsi.
put_text:
    mov al, byte ptr [rsi]
    test al, al
    jz 3f
    call put_byte
    add rsi, 1
    jmp put_text
3:  ret

# Sends eax as eight hexadecimal digits. Changes rax, rdx, r8, r9.
put_number:
    mov r8d, eax
    mov r9d, 8
2:  rol r8d, 4
    mov eax, r8d
    and eax, 15
    add eax, 0x30                           # 0
    cmp eax, 0x3a
    jb 3f
    add eax, 0x27                           # a, from what follows 9
3:  call put_byte
    sub r9d, 1
    jnz 2b
    ret

put_newline:
    mov al, 10
    jmp put_byte

# Switches off, and stays where it is if that does nothing.
switch_off:
    mov edx, {SLEEP_CONTROL}
    mov al, {SLEEP_OFF}
    out dx, al
halt_for_ever:
    cli
    hlt
    jmp halt_for_ever
