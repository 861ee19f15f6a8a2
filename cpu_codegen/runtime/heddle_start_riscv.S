/* Start-up of RV32 firmware: from reset to main(). The symbols heddle_* are the linker script's.
 *
 * Control and status registers need an extension that must not be named to the compiler: with -march=..._zicsr GCC
 * takes the library of another architecture. */
  .option arch, +zicsr

  .section .text.heddle_start, "ax", @progbits
  .globl heddle_start
  .type heddle_start, @function
heddle_start:
  /* The lines of the SoC's units end wfi; they interrupt nobody. */
  li t0, 0xffff0000
  csrw mie, t0
  la t0, heddle_trap_entry
  csrw mtvec, t0
  .option push
  .option norelax /* gp cannot be found relative to itself */
  la gp, __global_pointer$
  .option pop
  /* In one step: half an address in sp would look like a deep stack to whoever measures it. */
  la t0, heddle_stack_top
  mv sp, t0

  /* One core runs; others, if there are any, sleep. */
  csrr t0, mhartid
  bnez t0, .Lsleep

  /* Initialised data, unless it was loaded to where it belongs. All bounds are multiples of 16. */
  la a0, heddle_data_start
  la a1, heddle_data_load
  la a2, heddle_data_end
  beq a0, a1, .Lclear
.Lcopy_word:
  bgeu a0, a2, .Lclear
  lw t0, 0(a1)
  sw t0, 0(a0)
  addi a0, a0, 4
  addi a1, a1, 4
  j .Lcopy_word

.Lclear:
  la a0, heddle_zeros_start
  la a1, heddle_zeros_end
.Lclear_word:
  bgeu a0, a1, .Lrun
  sw zero, 0(a0)
  addi a0, a0, 4
  j .Lclear_word

.Lrun:
  call main
.Lsleep:
  wfi
  j .Lsleep
  .size heddle_start, . - heddle_start

/* An exception has no way back: it is reported, on a new stack because the old one may be the reason. */
  .section .text.heddle_trap_entry, "ax", @progbits
  .balign 4
heddle_trap_entry:
  la t0, heddle_stack_top
  mv sp, t0
  csrr a0, mcause
  csrr a1, mepc
  csrr a2, mtval
  tail heddle_bench_trap

/* uint64_t heddle_board_instructions(void): both halves of minstret, of one moment. */
  .section .text.heddle_board_instructions, "ax", @progbits
  .globl heddle_board_instructions
  .type heddle_board_instructions, @function
heddle_board_instructions:
  csrr a1, minstreth
  csrr a0, minstret
  csrr a2, minstreth
  bne a1, a2, heddle_board_instructions
  ret
  .size heddle_board_instructions, . - heddle_board_instructions
