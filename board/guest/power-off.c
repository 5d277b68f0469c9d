/* power-off STATUS: ends the emulator with this exit status, through semihosting's SYS_EXIT_EXTENDED; needs no libc.
 * Arm: "Semihosting for AArch32 and AArch64", 6.8. The emulator must have been told `userspace=on`. */

#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT 0x20026

static void end(long status)
{
    long block[2] = {APPLICATION_EXIT, status};
#ifdef __aarch64__
    register long operation __asm__("x0") = SYS_EXIT_EXTENDED;
    register long *argument __asm__("x1") = block;
    __asm__ volatile("hlt 0xf000" : "+r"(operation) : "r"(argument) : "memory");
#else
    register long operation __asm__("r0") = SYS_EXIT_EXTENDED;
    register long *argument __asm__("r1") = block;
    __asm__ volatile("svc 0x123456" : "+r"(operation) : "r"(argument) : "memory");
#endif
}

/* The kernel starts a program with argc, argv[] on the stack. */
__attribute__((used)) static void start(long *stack)
{
    const char *text = stack[0] > 1 ? (const char *)stack[2] : "125";
    long status = 0;

    while (*text >= '0' && *text <= '9')
        status = status * 10 + (*text++ - '0');
    end(status & 255);
    for (;;)
        ;
}

#ifdef __aarch64__
__asm__(".global _start\n_start: mov x0, sp\n b start\n");
#else
__asm__(".arm\n.global _start\n_start: mov r0, sp\n b start\n");
#endif
