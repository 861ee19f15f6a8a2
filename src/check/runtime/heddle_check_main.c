/* Runs many small networks on the host, each on every sample, the machine reset before every run. C99, hosted.
 *
 *   PROGRAM INPUTS OUTPUTS SAMPLES FIRST
 *
 * INPUTS holds, network by network and sample by sample, the dense inputs; OUTPUTS gets the outputs of those runs that
 * ended well, in the same order from network FIRST on. A line on stdout tells what is about to run, so that a crash names
 * its network, and one how it ended: `run NETWORK SAMPLE`, `end STATUS CYCLES JOBS MESSAGE`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_check.h"
#include "heddle_host.h"
#include "heddle_runtime.h"

enum { BROKEN = 2, POISON = 0xA5, MOST_INPUTS = 8 };

static void die(const char *what, const char *detail) {
  fprintf(stderr, "error: %s: %s\n", what, detail);
  exit(BROKEN);
}

static uint8_t *allocate(size_t bytes) {
  uint8_t *memory = malloc(bytes == 0u ? 1u : bytes);
  if (memory == NULL) die("out of memory", strerror(errno));
  return memory;
}

static FILE *open_file(const char *path, const char *mode) {
  FILE *file = fopen(path, mode);
  if (file == NULL) die(path, strerror(errno));
  return file;
}

static void run(const heddle_check_network *network, const uint8_t *input, FILE *out) {
  const void *inputs[MOST_INPUTS] = {NULL};
  if (network->input_count > MOST_INPUTS) die("a network", "it has too many inputs");
  for (uint32_t i = 0; i < network->input_count; input += network->input_bytes[i], ++i) inputs[i] = input;
  uint8_t *const memory = allocate((size_t)network->arena_bytes + network->arena_alignment);
  uint8_t *const output = allocate(network->output_bytes);
  const size_t misaligned = (size_t)((uintptr_t)memory % network->arena_alignment);
  uint8_t *const arena = memory + (misaligned == 0u ? 0u : network->arena_alignment - misaligned);
  memset(arena, POISON, network->arena_bytes);
  memset(output, POISON, network->output_bytes);
  heddle_host_reset();
  const int status = network->run(arena, inputs, output);
  printf("end %d %llu %llu %s\n", status, (unsigned long long)heddle_host_unit_cycles(heddle_check_unit),
         (unsigned long long)heddle_host_unit_jobs(heddle_check_unit), status == 0 ? "" : heddle_host_error());
  if (status == 0 && fwrite(output, 1, network->output_bytes, out) != network->output_bytes)
    die("cannot write", strerror(errno));
  (void)heddle_status(); /* the next run begins without this one's error */
  free(output);
  free(memory);
}

int main(int argc, char **argv) {
  if (argc != 5) die("usage", "PROGRAM INPUTS OUTPUTS SAMPLES FIRST");
  FILE *const in = open_file(argv[1], "rb");
  FILE *const out = open_file(argv[2], "wb");
  const long samples = strtol(argv[3], NULL, 10), first = strtol(argv[4], NULL, 10);
  for (uint32_t n = 0; n < heddle_check_network_count; ++n) {
    const heddle_check_network *network = &heddle_check_networks[n];
    size_t bytes = 0;
    for (uint32_t i = 0; i < network->input_count; ++i) bytes += network->input_bytes[i];
    uint8_t *const input = allocate(bytes);
    for (long sample = 0; sample < samples; ++sample) {
      if (bytes != 0u && fread(input, 1, bytes, in) != bytes) die(argv[1], "it is too short");
      if ((long)n < first) continue;
      printf("run %lu %ld\n", (unsigned long)n, sample);
      fflush(stdout);
      run(network, input, out);
      fflush(out);
    }
    free(input);
  }
  fclose(in);
  if (fclose(out) != 0) die(argv[2], strerror(errno));
  return 0;
}
