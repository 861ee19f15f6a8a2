/* A network as the test programs see it: the bundle's test/network.c describes the generated code in these terms, so
 * that heddle_test_main.c (on a host) and heddle_firmware_main.c (on the SoC) are the same for all networks. C99.
 */
#ifndef HEDDLE_NETWORK_H
#define HEDDLE_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An input or output: dense, row-major. */
typedef struct heddle_tensor {
  const char *name;
  uint32_t elements;
  uint32_t element_bytes;
  int is_signed;
  int is_float;
} heddle_tensor;

/* What a layer leaves in the arena. Strides count elements, outermost dimension first. */
typedef struct heddle_layer {
  const char *name;
  const char *unit; /* where it runs */
  uint32_t element_bytes;
  uint32_t rank;
  const uint32_t *dims;
  const uint32_t *strides;
} heddle_layer;

typedef struct heddle_network {
  const char *name;
  uint32_t arena_bytes;
  uint32_t arena_alignment;
  uint32_t input_count;
  const heddle_tensor *inputs;
  uint32_t output_count;
  const heddle_tensor *outputs;
  uint32_t layer_count;
  const heddle_layer *layers;
  int (*run)(void *arena, const void *const *inputs, void *const *outputs); /* one pointer for each tensor */
  int (*reset)(void *arena); /* the first states; NULL: the arena holds nothing between runs */
  /* Golden vectors: of each vector all inputs, then all outputs. */
  uint32_t golden_count;
  const void *const *golden;
} heddle_network;

extern const heddle_network heddle_network_under_test;

/* Called by generated code after every layer, if it is compiled with HEDDLE_LAYER_CALLBACK defined. */
void heddle_layer_done(int layer, const void *data);

#ifdef __cplusplus
}
#endif
#endif
