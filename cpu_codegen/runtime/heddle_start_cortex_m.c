/* Start-up of firmware for a Cortex-M: the exception table, and from reset to main(). The symbols heddle_* are the
 * linker script's. C99, freestanding. */
#include <stdint.h>

#include "heddle_bench.h"

extern uint32_t heddle_data_start[], heddle_data_end[], heddle_zeros_start[], heddle_zeros_end[];
extern const uint32_t heddle_data_load[];

int main(void);
void heddle_reset(void);
void heddle_fault(void);

typedef struct heddle_exception_table {
  uint32_t *stack;
  void (*handlers[15])(void);
} heddle_exception_table;

/* At the base of the program's memory: the stack, reset, then whatever else may happen. */
extern const heddle_exception_table heddle_exceptions;
const heddle_exception_table heddle_exceptions __attribute__((used, section(".heddle_exceptions"))) = {
    heddle_stack_top,
    {heddle_reset, heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault,
     heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault, heddle_fault}};

void heddle_reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  /* Coprocessors 10 and 11: without this, floating point and vectors are faults. */
  *(volatile uint32_t *)(uintptr_t)0xE000ED88u |= 0xFu << 20;
  __asm__ volatile("dsb\n isb" : : : "memory");
#endif
  const uint32_t *from = heddle_data_load;
  for (uint32_t *to = heddle_data_start; to != heddle_data_end; ++to) *to = *from++;
  for (uint32_t *to = heddle_zeros_start; to != heddle_zeros_end; ++to) *to = 0;
  (void)main();
  for (;;) {
  }
}

/* An exception has no way back: it is reported, on a new stack because the old one may be the reason. Its number is in
 * IPSR, where it happened in the frame that the processor pushed, the address of a bus fault in BFAR. */
__attribute__((naked)) void heddle_fault(void) {
  __asm__ volatile(
      "mrs r0, ipsr\n"
      "ldr r1, [sp, #24]\n"
      "ldr r2, =0xE000ED38\n"
      "ldr r2, [r2]\n"
      "ldr r3, =heddle_stack_top\n"
      "mov sp, r3\n"
      "b heddle_bench_trap\n"
      ".ltorg\n");
}
