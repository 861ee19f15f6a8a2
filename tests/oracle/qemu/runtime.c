// Runs every sequence from its own registers and memory, and prints what became of them: a line each.
#include <stdint.h>

enum { kScratchWords = 1024 };

typedef void (*Sequence)(void);
extern const Sequence sequences[];  // ends with a null
uint32_t run_sequence(Sequence code, uint32_t registers[32]);

static uint32_t scratch[kScratchWords];
static uint32_t state;

static uint32_t next(void) {
  state = state * 1664525u + 1013904223u;
  return state ^ state >> 15;
}

static void put(char c) { *(volatile uint8_t *)0x10000000u = (uint8_t)c; }
static void print(uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15u]);
  put(' ');
}

// Half of the registers hold a corner case.
static uint32_t start_value(void) {
  static const uint32_t corners[] = {0,          1,          2,          31,          0x7f,       0xff,
                                     0x7fff,     0xffff,     0x7fffffff, 0x80000000u, 0xffffffffu, 0xfffffffeu};
  const uint32_t random = next();
  return random & 1u ? next() : corners[(random >> 1) % (sizeof corners / sizeof *corners)];
}

static void finisher(uint32_t value) {
  *(volatile uint32_t *)0x100000u = value;
  for (;;) continue;
}

void trapped(uint32_t cause, uint32_t pc) {
  put('!');
  print(cause);
  print(pc);
  put('\n');
  finisher(0x13333u);
}

int main(void) {
  for (uint32_t i = 0; sequences[i]; ++i) {
    uint32_t registers[32];
    state = i;
    for (int r = 0; r < 32; ++r) registers[r] = start_value();
    for (int w = 0; w < kScratchWords; ++w) scratch[w] = next();
    // What random_program.cc takes for granted: pointers into the scratch memory.
    registers[2] = (uint32_t)&scratch[256];
    registers[8] = (uint32_t)&scratch[512];
    registers[30] = (uint32_t)&scratch[512];
    const uint32_t instructions = run_sequence(sequences[i], registers);
    uint32_t sum = 0;
    for (int w = 0; w < kScratchWords; ++w) sum = (sum << 5 | sum >> 27) ^ scratch[w];
    for (int r = 1; r < 32; ++r) print(registers[r]);
    print(sum);
    print(instructions);
    put('\n');
  }
  finisher(0x5555u);
  return 0;
}
