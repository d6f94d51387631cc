# Starting the other vCPUs: INIT and start-up interrupts to all but this one (Intel SDM volume 3, 9.4.4).

    guest smp
    mov ebp, 1
    mov esi, dword ptr [rsi + 0x228]        # zero page: cmd_line_ptr
    test esi, esi
    jz 3f
    call parse_cpus
3:  mov edi, {TRAMPOLINE}
    xor eax, eax
    mov dword ptr [rdi + {COUNTER}], eax
    lea rsi, [rip + trampoline]
    lea rcx, [rip + trampoline_end]
2:  mov al, byte ptr [rsi]
    mov byte ptr [rdi], al
    add rsi, 1
    add rdi, 1
    cmp rsi, rcx
    jne 2b

    mov ecx, 0x1b                           # IA32_APIC_BASE
    rdmsr
    test eax, 0x400                         # x2APIC
    jnz 4f
    or eax, 0x800                           # on
    wrmsr
    mov ebx, {LOCAL_APIC}
    mov dword ptr [rbx + 0xf0], 0x1ff       # spurious interrupts: vector 255, software-enabled
    mov dword ptr [rbx + 0x310], 0
    mov dword ptr [rbx + 0x300], 0xc4500    # all but self, INIT
    mov dword ptr [rbx + 0x300], 0xc4600 + {TRAMPOLINE} / 0x1000
    mov dword ptr [rbx + 0x300], 0xc4600 + {TRAMPOLINE} / 0x1000
    jmp 5f
4:  mov ecx, 0x80f                          # the same by x2APIC
    mov eax, 0x1ff
    xor edx, edx
    wrmsr
    mov ecx, 0x830
    mov eax, 0xc4500
    wrmsr
    mov eax, 0xc4600 + {TRAMPOLINE} / 0x1000
    wrmsr
    wrmsr

5:  mov edi, {TRAMPOLINE}
2:  mov eax, dword ptr [rdi + {COUNTER}]
    add eax, 1
    cmp eax, ebp
    jb 2b
    mov ebp, eax
    lea rsi, [rip + cpus_text]
    call put_text
    mov eax, ebp
    call put_number
    call put_newline
    jmp switch_off
cpus_text:
    .asciz "cpus "

# Puts the decimal number behind "cpus=" in the text at rsi into ebp, if it is there. Changes rax, rcx, rsi.
parse_cpus:
    cmp byte ptr [rsi], 0
    je 4f
    cmp dword ptr [rsi], 0x73757063         # cpus
    jne 2f
    cmp byte ptr [rsi + 4], 0x3d            # =
    je 3f
2:  add rsi, 1
    jmp parse_cpus
3:  xor ebp, ebp
    add rsi, 5
2:  movzx eax, byte ptr [rsi]
    sub eax, 0x30
    cmp eax, 9
    ja 4f
    lea ecx, [rbp + rbp * 4]
    lea ebp, [rax + rcx * 2]
    add rsi, 1
    jmp 2b
4:  ret

# What the other vCPUs execute, in real mode, copied to the start of a page below 1 MiB: count, and stop.
    .code16
trampoline:
    mov ax, cs
    mov ds, ax
    lock inc dword ptr [{COUNTER}]
2:  cli
    hlt
    jmp 2b
trampoline_end:
    .code64
