/* The least that a Cortex-M needs to run `check` under qemu: a vector table, and numbers out through semihosting. */
#include <stdint.h>

void check(void);
void put(int32_t value);
void start(void);

static int32_t host(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void put(int32_t value)
{
    char text[13];
    int place = 12;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    text[place] = 0;
    text[--place] = '\n';
    do {
        text[--place] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        text[--place] = '-';
    }
    host(0x04, text + place);
}

void start(void)
{
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* switch the floating-point unit on */
    __asm__ volatile("dsb\n isb");
#endif
    check();
    host(0x18, (const void *)0x20026); /* the program ended as it should */
    for (;;) {
    }
}

/* The stack begins at the end of the 16 kB that the smallest machine has. */
__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {(void *)0x20004000, (void *)start};
