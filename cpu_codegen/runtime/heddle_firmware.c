/* heddle_runtime.h where the program runs on the SoC itself (silicon, or the virtual SoC):
 * addresses are bus addresses and registers are memory. C99, freestanding. */
#include "heddle_runtime.h"

/* The compiler must not move the CPU's accesses to the arena across an access to a unit that reads
 * or writes it. */
static void barrier(void) {
#if defined(__GNUC__)
  __asm__ volatile("" ::: "memory");
#endif
}

uint32_t heddle_bus_address(const void* memory, uint32_t bytes, int kind) {
  (void)bytes;
  (void)kind;
  return (uint32_t)(uintptr_t)memory;
}

void* heddle_memory(uint32_t address, uint32_t bytes) {
  (void)bytes;
  return (void*)(uintptr_t)address;
}

uint32_t heddle_reg_read(uint32_t address) {
  uint32_t value = *(const volatile uint32_t*)(uintptr_t)address;
  barrier();
  return value;
}

void heddle_reg_write(uint32_t address, uint32_t value) {
  barrier();
  *(volatile uint32_t*)(uintptr_t)address = value;
  barrier();
}

void heddle_idle(void) {
#if defined(__GNUC__) && (defined(__riscv) || defined(__arm__))
  __asm__ volatile("wfi" ::: "memory");
#endif
}

int heddle_status(void) { return HEDDLE_OK; }
