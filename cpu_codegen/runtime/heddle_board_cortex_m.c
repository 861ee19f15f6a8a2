/* The board of a Cortex-M: a CMSDK UART, and the debugger that semihosting talks to, which ends the run. On silicon,
 * replace these; the counter is QEMU's. C99, freestanding. */
#include "heddle_bench.h"
#include "heddle_soc.h"

static volatile uint32_t *reg(uint32_t address) { return (volatile uint32_t *)(uintptr_t)address; }

enum { UART_DATA = 0x00, UART_STATE = 0x04, UART_CTRL = 0x08, UART_BAUDDIV = 0x10 };
enum { UART_STATE_FULL = 1, UART_CTRL_TRANSMIT = 1 };

/* Under `-icount shift=7` QEMU takes 128 ns an instruction, and its timers count virtual time. A timer that ticks every
 * 40 ns (25 MHz, mps2-an386) or 31.25 ns (32 MHz, mps3-an547) therefore counts every single instruction. */
enum { NS_SHIFT = 7 };

#if defined(__ARM_ARCH) && __ARM_ARCH >= 8
/* The system counter of Corstone SSE-300: 64 bits, 32 MHz. */
enum { TICKS_PER_MICROSECOND = 32 };
#define COUNTER_CONTROL 0x58100000u
enum { COUNTER_ENABLE = 0x00, COUNTER_LOW = 0x08, COUNTER_HIGH = 0x0C };

static void start_counter(void) { *reg(COUNTER_CONTROL + COUNTER_ENABLE) = 1u; }

static uint64_t ticks(void) {
  uint32_t high, low;
  do {
    high = *reg(COUNTER_CONTROL + COUNTER_HIGH);
    low = *reg(COUNTER_CONTROL + COUNTER_LOW);
  } while (high != *reg(COUNTER_CONTROL + COUNTER_HIGH));
  return (uint64_t)high << 32 | low;
}
#else
/* CMSDK timer 0 of MPS2: 32 bits, downwards, 25 MHz: its interrupt flag says once that it started again, so it lasts
 * for 2.6 billion instructions. */
enum { TICKS_PER_MICROSECOND = 25 };
#define TIMER 0x40000000u
enum { TIMER_CTRL = 0x00, TIMER_VALUE = 0x04, TIMER_RELOAD = 0x08, TIMER_FLAG = 0x0C };
enum { TIMER_ENABLE = 1, TIMER_FLAGS = 8 };

static void start_counter(void) {
  *reg(TIMER + TIMER_RELOAD) = 0xFFFFFFFFu;
  *reg(TIMER + TIMER_VALUE) = 0xFFFFFFFFu;
  *reg(TIMER + TIMER_CTRL) = TIMER_ENABLE | TIMER_FLAGS;
}

static uint64_t ticks(void) {
  uint32_t flag, value;
  do {
    flag = *reg(TIMER + TIMER_FLAG) & 1u;
    value = 0xFFFFFFFFu - *reg(TIMER + TIMER_VALUE);
  } while (flag != (*reg(TIMER + TIMER_FLAG) & 1u));
  return (uint64_t)flag << 32 | value;
}
#endif

void heddle_board_start(void) {
  *reg(HEDDLE_UART + UART_BAUDDIV) = 16u;
  *reg(HEDDLE_UART + UART_CTRL) = UART_CTRL_TRANSMIT;
  start_counter();
}

void heddle_board_put(char c) {
  while ((*reg(HEDDLE_UART + UART_STATE) & UART_STATE_FULL) != 0u) {
  }
  *reg(HEDDLE_UART + UART_DATA) = (uint8_t)c;
}

/* Rounded to the nearest: a tick is less than half an instruction. */
uint64_t heddle_board_instructions(void) {
  const uint64_t ns_of_32 = ticks() * (32u * 1000u / TICKS_PER_MICROSECOND);
  return ((ns_of_32 >> 5) + (1u << (NS_SHIFT - 1))) >> NS_SHIFT;
}

/* SYS_EXIT_EXTENDED of semihosting: an application ended, with this status. */
void heddle_board_end(int passed) {
#if defined(__arm__)
  const uint32_t block[2] = {0x20026u, passed ? 0u : 1u};
  register uint32_t operation __asm__("r0") = 0x20u;
  register const uint32_t *argument __asm__("r1") = block;
  __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
#else
  (void)passed;
#endif
  for (;;) {
  }
}
