/* The test bench: heddle_firmware_main.c runs a network's golden vectors on the SoC itself. It asks this of the board
 * around the SoC, and of the bundle; both are what to replace when the network goes into a program of your own.
 * C99, freestanding. */
#ifndef HEDDLE_BENCH_H
#define HEDDLE_BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The board: heddle_board_ISA.c. */

/* Before everything else: clocks, pins, what the rest needs. */
void heddle_board_start(void);
/* One character to whoever reads along. */
void heddle_board_put(char c);
/* Instructions executed so far; a difference of two counts is as exact as the board says. */
uint64_t heddle_board_instructions(void);
/* Ends the run; does not return. */
void heddle_board_end(int passed);

/* The main program, for whatever catches the processor's exceptions: says which one, where, and of what address, and
 * ends the run. */
void heddle_bench_trap(uint32_t cause, uint32_t pc, uint32_t address);

/* The bundle: test/firmware.c. Outputs have one buffer each, in the network's order. */
extern uint8_t heddle_bench_arena[];
extern void *const heddle_bench_outputs[];

/* The linker script: the stack, whose top it starts from. */
extern uint32_t heddle_stack_bottom[];
extern uint32_t heddle_stack_top[];

#ifdef __cplusplus
}
#endif
#endif
