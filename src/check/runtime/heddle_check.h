/* Many networks in one program, as heddle_check_main.c sees them. Written by `heddle check`, never part of a bundle. */
#ifndef HEDDLE_CHECK_H
#define HEDDLE_CHECK_H

#include <stdint.h>

typedef struct heddle_check_network {
  uint32_t arena_bytes, arena_alignment;
  uint32_t input_count;
  const uint32_t *input_bytes; /* of each input */
  uint32_t output_bytes;       /* of the only output */
  int (*run)(void *arena, const void *const *inputs, void *output);
} heddle_check_network;

extern const heddle_check_network heddle_check_networks[];
extern const uint32_t heddle_check_network_count;
extern const char heddle_check_unit[]; /* the unit whose cycles are wanted */

#endif
