# Accesses to registers: what a driver reads first, and what no driver does.

    guest mmio_identity
    mov ebx, {VIRTIO}
    mov ebp, {VIRTIO_SLOTS}
3:  mov eax, dword ptr [rbx]                # magic
    call put_number
    mov al, 0x20
    call put_byte
    mov eax, dword ptr [rbx + 4]            # version
    call put_number
    mov al, 0x20
    call put_byte
    mov eax, dword ptr [rbx + 8]            # device number
    call put_number
    call put_newline
    add rbx, {VIRTIO_STRIDE}
    sub ebp, 1
    jnz 3b
    jmp switch_off

    guest mmio_hostile
# Every width at every offset of the registers and the start of the configuration space, and over the end of each slot.
    mov r10d, {VIRTIO}
    mov r11d, {VIRTIO_SLOTS}
2:  mov rbx, r10
    mov ebp, 0x140
    call poke
    add r10, {VIRTIO_STRIDE}
    lea rbx, [r10 - 16]
    mov ebp, 32
    call poke
    sub r11d, 1
    jnz 2b
# Reads of every width from the ports of the legacy devices, and writes that are wider than any register: the byte that
# would end the machine is in them, so it goes on only if such writes are not taken for a byte's.
    lea rsi, [rip + hostile_ports]
3:  movzx edx, word ptr [rsi]
    test edx, edx
    jz 4f
    in al, dx
    in ax, dx
    in eax, dx
    add rsi, 2
    jmp 3b
4:  mov edx, {RESET}
    mov eax, 0x01010101
    out dx, eax
    out dx, ax
    mov edx, {SLEEP_CONTROL}
    mov eax, {SLEEP_OFF} * 0x01010101
    out dx, eax
    lea rsi, [rip + survived_text]
    call put_text
    jmp switch_off
hostile_ports:
    .word {SERIAL}, {SERIAL} + 1, {SERIAL} + 6, {SERIAL} + 7, {KEYBOARD_COMMAND}, {KEYBOARD_COMMAND} - 4
    .word {PANIC}, {SLEEP_CONTROL}, {SLEEP_CONTROL} + 1, {RESET}, {RESET} + 1, 0xcf8, 0xcfc, 0xffff, 0
survived_text:
    .asciz "survived\n"

# Reads and writes one, two, four and eight bytes at each of ebp addresses from rbx on. Changes rax, rbx, rbp.
poke:
    mov al, byte ptr [rbx]
    mov ax, word ptr [rbx]
    mov eax, dword ptr [rbx]
    mov rax, qword ptr [rbx]
    mov rax, -1
    mov byte ptr [rbx], al
    mov word ptr [rbx], ax
    mov dword ptr [rbx], eax
    mov qword ptr [rbx], rax
    add rbx, 1
    sub ebp, 1
    jnz poke
    ret
