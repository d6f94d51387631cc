# Entered as PVH says: 32-bit protected mode, no paging, ebx pointing to the start info.

    .code32
    guest pvh
    cmp dword ptr [ebx], 0x336ec578         # hvm_start_info: magic
    jne 4f
    call 3f
    .asciz "hello over pvh\n"
3:  pop esi                                 # the text's address, wherever it was loaded
    mov edx, {SERIAL}
2:  mov al, byte ptr [esi]
    test al, al
    jz 4f
    out dx, al
    add esi, 1
    jmp 2b
4:  mov edx, {SLEEP_CONTROL}
    mov al, {SLEEP_OFF}
    out dx, al
5:  cli
    hlt
    jmp 5b
    .code64
