# Start, and the bridge to a random sequence: it owns all registers, so it is entered by mret and left by a jump to `finish`.
  .option arch, +zicsr
  .option norelax
  .text
  .globl _start
_start:
  la sp, stack_top
  la t0, unexpected
  csrw mtvec, t0
  call main
1:
  j 1b

  .balign 4
unexpected:
  csrr a0, mcause
  csrr a1, mepc
  la sp, stack_top
  call trapped

# void run_sequence(code, uint32_t registers[32]): registers before, and after. Returns minstret's growth.
  .globl run_sequence
run_sequence:
  addi sp, sp, -64
  sw ra, 0(sp)
  sw s0, 4(sp)
  sw s1, 8(sp)
  sw s2, 12(sp)
  sw s3, 16(sp)
  sw s4, 20(sp)
  sw s5, 24(sp)
  sw s6, 28(sp)
  sw s7, 32(sp)
  sw s8, 36(sp)
  sw s9, 40(sp)
  sw s10, 44(sp)
  sw s11, 48(sp)
  la t0, saved
  sw sp, 0(t0)
  sw a1, 4(t0)
  csrw mepc, a0
  li t1, 0x1800  # mret stays in machine mode
  csrs mstatus, t1
  csrr t1, minstret
  sw t1, 8(t0)
  mv x31, a1
  .irp r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  lw x\r, 4 * \r(x31)
  .endr
  mret

  .globl finish
finish:
  csrw mscratch, x31
  la x31, saved
  lw x31, 4(x31)
  .irp r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
  sw x\r, 4 * \r(x31)
  .endr
  csrr t1, mscratch
  sw t1, 124(x31)
  csrr a0, minstret
  la t0, saved
  lw sp, 0(t0)
  lw t1, 8(t0)
  sub a0, a0, t1
  lw ra, 0(sp)
  lw s0, 4(sp)
  lw s1, 8(sp)
  lw s2, 12(sp)
  lw s3, 16(sp)
  lw s4, 20(sp)
  lw s5, 24(sp)
  lw s6, 28(sp)
  lw s7, 32(sp)
  lw s8, 36(sp)
  lw s9, 40(sp)
  lw s10, 44(sp)
  lw s11, 48(sp)
  addi sp, sp, 64
  ret

  .bss
  .balign 16
saved:
  .space 16
stack:
  .space 4096
stack_top:
