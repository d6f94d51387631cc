# virtio-blk through virtio-mmio version 2 (Virtio 1.2, 4.2.2 for the registers, 2.7 for the queue, 5.2.6 for requests),
# by polling: one queue of eight descriptors, one request at a time.

    guest blk_read
    call find_blk
    call start_blk
    call prepare_read
    call submit
    call report
    jmp switch_off

# The second descriptor leads back to the first.
    guest blk_loop
    call find_blk
    call start_blk
    call prepare_read
    mov edi, {DESCRIPTORS}
    mov word ptr [rdi + 16 + 14], 0
    call submit
    jmp recover

# The data lies outside memory, and its length goes beyond 64 bits from there.
    guest blk_wild
    call find_blk
    call start_blk
    call prepare_read
    mov edi, {DESCRIPTORS}
    mov rax, 0xfffffffffffff000
    mov qword ptr [rdi + 16], rax
    mov eax, -1
    mov dword ptr [rdi + 16 + 8], eax
    call submit
recover:
    call report
    call start_blk
    call prepare_read
    call submit
    call report
    jmp switch_off

    guest blk_moved_queue
    call find_blk
    call start_blk
    mov dword ptr [rbx + 0x30], 0           # QueueSel
    mov dword ptr [rbx + 0x38], 0xffff      # QueueNum
    mov eax, 0xfffff000
    mov dword ptr [rbx + 0x80], eax         # QueueDescLow
    mov dword ptr [rbx + 0x90], eax         # QueueDriverLow
    mov dword ptr [rbx + 0xa0], eax         # QueueDeviceLow
    mov dword ptr [rbx + 0xa4], eax         # QueueDeviceHigh
    call prepare_read
    call submit
    call report
    jmp switch_off

# Lets rbx point to the registers of the first virtio-blk device; switches off when there is none.
find_blk:
    mov ebx, {VIRTIO}
    mov ecx, {VIRTIO_SLOTS}
2:  cmp dword ptr [rbx], 0x74726976         # MagicValue: virt
    jne 3f
    cmp dword ptr [rbx + 8], 2              # DeviceID: block
    je 4f
3:  add rbx, {VIRTIO_STRIDE}
    sub ecx, 1
    jnz 2b
    lea rsi, [rip + no_disk_text]
    call put_text
    jmp switch_off
4:  ret
no_disk_text:
    .asciz "no disk\n"

# Resets and initialises the device at rbx, in the order of Virtio 1.2, 3.1.1, with an empty queue. Changes rax, rcx, rdi.
start_blk:
    mov dword ptr [rbx + 0x70], 0           # Status: reset
2:  cmp dword ptr [rbx + 0x70], 0
    jne 2b
    mov dword ptr [rbx + 0x70], 1           # ACKNOWLEDGE
    mov dword ptr [rbx + 0x70], 3           # DRIVER
    mov dword ptr [rbx + 0x14], 1           # DeviceFeaturesSel: bits 32 to 63
    mov eax, dword ptr [rbx + 0x10]
    test eax, 1                             # VERSION_1
    jz refused
    mov dword ptr [rbx + 0x24], 0           # DriverFeaturesSel, DriverFeatures: VERSION_1 and nothing else
    mov dword ptr [rbx + 0x20], 0
    mov dword ptr [rbx + 0x24], 1
    mov dword ptr [rbx + 0x20], 1
    mov dword ptr [rbx + 0x70], 11          # FEATURES_OK
    mov eax, dword ptr [rbx + 0x70]
    test eax, 8
    jz refused
    mov dword ptr [rbx + 0x30], 0           # QueueSel
    cmp dword ptr [rbx + 0x44], 0           # QueueReady
    jne refused
    cmp dword ptr [rbx + 0x34], 8           # QueueNumMax
    jb refused
    mov edi, {DESCRIPTORS}
    mov ecx, 0x3000 / 8
    xor eax, eax
3:  mov qword ptr [rdi], rax                # an empty table and two empty rings
    add rdi, 8
    sub ecx, 1
    jnz 3b
    mov dword ptr [rbx + 0x38], 8           # QueueNum
    mov dword ptr [rbx + 0x80], {DESCRIPTORS}
    mov dword ptr [rbx + 0x84], 0
    mov dword ptr [rbx + 0x90], {AVAILABLE}
    mov dword ptr [rbx + 0x94], 0
    mov dword ptr [rbx + 0xa0], {USED}
    mov dword ptr [rbx + 0xa4], 0
    mov dword ptr [rbx + 0x44], 1           # QueueReady
    mov dword ptr [rbx + 0x70], 15          # DRIVER_OK
    ret
refused:
    lea rsi, [rip + refused_text]
    call put_text
    jmp switch_off
refused_text:
    .asciz "the device cannot be initialised\n"

# Fills three descriptors to read sector 0: header, 512 bytes of data, status. Changes rax, rdi.
prepare_read:
    mov edi, {REQUEST}
    xor eax, eax
    mov qword ptr [rdi], rax                # VIRTIO_BLK_T_IN, reserved
    mov qword ptr [rdi + 8], rax            # sector 0
    mov edi, {STATUS}
    mov byte ptr [rdi], 0xff
    mov edi, {DESCRIPTORS}
    mov qword ptr [rdi], {REQUEST}
    mov dword ptr [rdi + 8], 16
    mov dword ptr [rdi + 12], 0x10001       # NEXT; the next one is 1
    mov qword ptr [rdi + 16], {SECTOR}
    mov dword ptr [rdi + 24], 512
    mov dword ptr [rdi + 28], 0x20003       # NEXT, WRITE; the next one is 2
    mov qword ptr [rdi + 32], {STATUS}
    mov dword ptr [rdi + 40], 1
    mov dword ptr [rdi + 44], 2             # WRITE
    ret

# Makes descriptor 0 available, tells the device, and waits until it used it or wants to be reset; Status is then in eax.
# Changes rdi.
submit:
    mov edi, {AVAILABLE}
    mov word ptr [rdi + 4], 0
    mov word ptr [rdi + 2], 1
    mov dword ptr [rbx + 0x50], 0           # QueueNotify
    mov edi, {USED}
2:  mov eax, dword ptr [rbx + 0x70]         # Status
    test eax, 0x40                          # DEVICE_NEEDS_RESET
    jnz 3f
    cmp word ptr [rdi + 2], 1
    jne 2b
3:  ret

# Says how the request went: eax is Status.
report:
    test eax, 0x40
    jnz 4f
    lea rsi, [rip + status_text]
    call put_text
    mov edi, {STATUS}
    movzx eax, byte ptr [rdi]
    mov ebp, eax
    call put_number
    call put_newline
    test ebp, ebp
    jnz 3f
    mov edi, {SECTOR}
    mov ebp, 16
2:  mov al, byte ptr [rdi]
    call put_byte
    add rdi, 1
    sub ebp, 1
    jnz 2b
    call put_newline
3:  ret
4:  lea rsi, [rip + needs_reset_text]
    jmp put_text
status_text:
    .asciz "status "
needs_reset_text:
    .asciz "needs reset\n"
