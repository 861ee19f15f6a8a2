/* Runs a network's golden vectors on the SoC itself, as often as there are vectors, and says of each what came out:
 *
 *   sample 0: exact, checksum 0x1d3ab2c4, instructions 123456
 *   sample 1: 3 of 10 elements differ, checksum 0x5be1307f
 *   sample 2: status 2
 *   stack 384 of 8192 bytes
 *
 * The checksum is the FNV-1a hash of all output bytes; instructions are those of NAME_run() and of its call. The run
 * passes if every sample is exact. C99, freestanding. */
#include "heddle_bench.h"
#include "heddle_network.h"
#include "heddle_runtime.h"

/* The arena is spoilt between samples, because what a network leaves behind must not matter; the stack once, which shows
 * how deep it was. */
#define POISON 0xA5A5A5A5u

static const heddle_network *const network = &heddle_network_under_test;

static void put_text(const char *text) {
  for (; *text != '\0'; ++text) heddle_board_put(*text);
}

static void put_decimal(uint64_t number) {
  char digits[20];
  unsigned count = 0;
  do {
    digits[count++] = (char)('0' + (int)(number % 10u));
    number /= 10u;
  } while (number != 0u);
  while (count > 0u) heddle_board_put(digits[--count]);
}

static void put_hex(uint32_t number) {
  put_text("0x");
  for (int shift = 28; shift >= 0; shift -= 4) heddle_board_put("0123456789abcdef"[number >> shift & 15u]);
}

void heddle_bench_trap(uint32_t cause, uint32_t pc, uint32_t address) {
  put_text("\ntrap: cause ");
  put_decimal(cause);
  put_text(" at ");
  put_hex(pc);
  put_text(", address ");
  put_hex(address);
  put_text("\n");
  heddle_board_end(0);
}

static uint32_t hash(uint32_t so_far, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) so_far = (so_far ^ bytes[i]) * 16777619u;
  return so_far;
}

static int equal(const uint8_t *a, const uint8_t *b, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; ++i) {
    if (a[i] != b[i]) return 0;
  }
  return 1;
}

/* From the lowest word up to what is in use now, with room for what this function itself needs. */
static void paint_stack(void) {
  volatile uint32_t here = 0;
  const uintptr_t end = (uintptr_t)&here - 64u;
  for (volatile uint32_t *word = heddle_stack_bottom; (uintptr_t)word < end; ++word) *word = POISON;
}

static uint32_t stack_left(void) {
  uint32_t words = 0;
  const volatile uint32_t *word = heddle_stack_bottom;
  while (word != heddle_stack_top && *word == POISON) {
    ++word;
    ++words;
  }
  return words * (uint32_t)sizeof *word;
}

static int put_stack(void) {
  const uint32_t size = (uint32_t)((uintptr_t)heddle_stack_top - (uintptr_t)heddle_stack_bottom);
  const uint32_t left = stack_left();
  put_text("stack ");
  if (left == 0u) put_text("overflow: more than ");
  put_decimal(size - left);
  put_text(" of ");
  put_decimal(size);
  put_text(" bytes\n");
  return left != 0u;
}

/* One vector: its inputs are read where they are. Returns 1 if all outputs are exact. */
static int run(uint32_t sample, const void *const *inputs, const void *const *expected) {
  put_text("sample ");
  put_decimal(sample);
  const uint64_t before = heddle_board_instructions();
  const int status = network->run(heddle_bench_arena, inputs, heddle_bench_outputs);
  const uint64_t after = heddle_board_instructions();
  if (status != HEDDLE_OK) {
    put_text(": status ");
    put_decimal((uint64_t)(uint32_t)status);
    put_text("\n");
    return 0;
  }
  uint32_t checksum = 2166136261u, elements = 0, different = 0;
  for (uint32_t i = 0; i < network->output_count; ++i) {
    const heddle_tensor *tensor = &network->outputs[i];
    const uint8_t *got = heddle_bench_outputs[i];
    const uint8_t *wanted = expected[i];
    checksum = hash(checksum, got, tensor->elements * tensor->element_bytes);
    elements += tensor->elements;
    for (uint32_t e = 0; e < tensor->elements; ++e) {
      const uint32_t at = e * tensor->element_bytes;
      if (!equal(got + at, wanted + at, tensor->element_bytes)) ++different;
    }
  }
  if (different != 0u) {
    put_text(": ");
    put_decimal(different);
    put_text(" of ");
    put_decimal(elements);
    put_text(" elements differ, checksum ");
    put_hex(checksum);
    put_text("\n");
    return 0;
  }
  put_text(": exact, checksum ");
  put_hex(checksum);
  put_text(", instructions ");
  put_decimal(after - before);
  put_text("\n");
  return 1;
}

int main(void) {
  int passed = 1;
  heddle_board_start();
  if (network->reset != 0 && network->reset(heddle_bench_arena) != HEDDLE_OK) {
    put_text("the states cannot be reset\n");
    passed = 0;
  }
  const void *const *golden = network->golden;
  for (uint32_t sample = 0; sample < network->golden_count; ++sample) {
    /* Not before the first one, if there are others: the way from reset to there is what set-up costs. */
    if (sample == 1u || network->golden_count == 1u) paint_stack();
    if (!run(sample, golden, golden + network->input_count)) passed = 0;
    golden += network->input_count + network->output_count;
    if (network->reset != 0) continue; /* states live in the arena */
    for (uint32_t i = 0; i < network->arena_bytes; ++i) heddle_bench_arena[i] = (uint8_t)POISON;
  }
  if (!put_stack()) passed = 0;
  heddle_board_end(passed);
  return 0;
}
