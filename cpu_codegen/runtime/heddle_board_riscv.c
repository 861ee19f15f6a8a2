/* The board of an RV32 SoC: a UART that takes a byte (a 16550's transmit register, of which QEMU and the virtual SoC
 * never need to wait), and SiFive's test finisher. On silicon, replace these two. C99, freestanding. */
#include "heddle_bench.h"
#include "heddle_soc.h"

void heddle_board_start(void) {}

void heddle_board_put(char c) { *(volatile uint8_t *)(uintptr_t)HEDDLE_UART = (uint8_t)c; }

void heddle_board_end(int passed) {
  /* 0x5555 passes; 0x3333 fails, with an exit status above it. */
  *(volatile uint32_t *)(uintptr_t)HEDDLE_FINISHER = passed ? 0x5555u : 0x13333u;
  for (;;) {
  }
}

/* heddle_board_instructions() and the traps' entry are in heddle_start_riscv.S. */
