/* Runs a network on the host: its golden vectors, or inputs from a file. C99, hosted; never part of firmware.
 *
 *   PROGRAM                                   golden vectors; exit status 1 if an element differs
 *   PROGRAM --inputs F --outputs F            F holds the dense inputs of one sample after the other; so will the outputs
 *   PROGRAM ... --layers F                    every layer's result too, dense, of one sample after the other
 *   PROGRAM ... --cycles                      modelled cycles of the units as JSON lines on stdout
 *   PROGRAM ... --set UNIT OFFSET VALUE       first write this register of a unit's model; of no unit that is not there
 *
 * --layers, and --cycles for each layer, need the program compiled with HEDDLE_LAYER_CALLBACK defined.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_host.h"
#include "heddle_network.h"
#include "heddle_runtime.h"

enum { EXIT_DIFFERENT = 1, EXIT_BROKEN = 2, POISON = 0xA5 };

static const heddle_network *const network = &heddle_network_under_test;
static FILE *layer_file;
static int print_cycles;
static uint32_t sample;

static void die(const char *what, const char *detail) {
  fprintf(stderr, "%s: %s: %s\n", network->name, what, detail);
  exit(EXIT_BROKEN);
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes == 0u ? 1u : bytes);
  if (memory == NULL) die("out of memory", strerror(errno));
  return memory;
}

static size_t bytes_of(const heddle_tensor *tensor) {
  return (size_t)tensor->elements * tensor->element_bytes;
}

static size_t sum_of(const heddle_tensor *tensors, uint32_t count) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) bytes += bytes_of(&tensors[i]);
  return bytes;
}

static void write_all(FILE *file, const void *data, size_t bytes) {
  if (bytes != 0u && fwrite(data, 1, bytes, file) != bytes) die("cannot write", strerror(errno));
}

/* Names come from generated code, escaped for C; here they become JSON. */
static void print_json_text(const char *text) {
  putchar('"');
  for (; *text != '\0'; ++text) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      printf("\\%c", c);
    } else if (c >= 0x20u && c < 0x7Fu) {
      putchar(c);
    } else {
      printf("\\u%04x", (unsigned)c);
    }
  }
  putchar('"');
}

/* Cycles and jobs of all units since the program began. */
static void print_units(void) {
  printf("\"units\": {");
  for (unsigned i = 0; i < heddle_host_unit_count; ++i) {
    const heddle_host_unit *unit = &heddle_host_units[i];
    if (i != 0u) printf(", ");
    print_json_text(unit->name);
    printf(": {\"cycles\": %llu, \"jobs\": %llu}", (unsigned long long)unit->cycles,
           (unsigned long long)unit->jobs);
  }
  printf("}}\n");
}

/* In row-major order, row by row where rows are contiguous. */
static void dump_layer(const heddle_layer *layer, const uint8_t *data) {
  uint32_t elements = 1;
  for (uint32_t d = 0; d < layer->rank; ++d) elements *= layer->dims[d];
  const int has_rows = layer->rank != 0u && layer->strides[layer->rank - 1u] == 1u;
  const uint32_t row = has_rows ? layer->dims[layer->rank - 1u] : 1u;
  for (uint32_t i = 0; i < elements; i += row) {
    size_t offset = 0;
    uint32_t rest = i;
    for (uint32_t d = layer->rank; d-- > 0u;) {
      offset += (size_t)(rest % layer->dims[d]) * layer->strides[d];
      rest /= layer->dims[d];
    }
    write_all(layer_file, data + offset * layer->element_bytes, (size_t)row * layer->element_bytes);
  }
}

void heddle_layer_done(int layer, const void *data) {
  const heddle_layer *l = &network->layers[layer];
  if (layer_file != NULL) dump_layer(l, data);
  if (!print_cycles) return;
  printf("{\"sample\": %lu, \"layer\": %d, \"name\": ", (unsigned long)sample, layer);
  print_json_text(l->name);
  printf(", \"unit\": ");
  print_json_text(l->unit);
  printf(", ");
  print_units();
}

/* Whatever the arena holds must not matter, but for states: those begin anew. */
static void start(void *arena) {
  memset(arena, POISON, network->arena_bytes);
  if (network->reset != NULL && network->reset(arena) != HEDDLE_OK) die("reset", "it failed");
}

static void run(void *arena, const void *const *inputs, void *const *outputs) {
  if (network->reset == NULL) start(arena);
  const int status = network->run(arena, inputs, outputs);
  if (status == HEDDLE_OK) return;
  fprintf(stderr, "%s: run() returned %d: %s\n", network->name, status,
          status == HEDDLE_ERROR_BUS ? heddle_host_error() : "bad argument");
  exit(EXIT_BROKEN);
}

static float real_element(const void *data, uint32_t index) {
  float real;
  memcpy(&real, (const uint8_t *)data + (size_t)index * sizeof real, sizeof real);
  return real;
}

static long long element(const heddle_tensor *tensor, const void *data, uint32_t index) {
  const size_t at = (size_t)index * tensor->element_bytes;
  const uint8_t *bytes = (const uint8_t *)data + at;
  int8_t i8;
  int16_t i16;
  uint16_t u16;
  int32_t i32;
  int64_t i64;
  switch (tensor->element_bytes) {
    case 1:
      memcpy(&i8, bytes, 1);
      return tensor->is_signed ? i8 : *bytes;
    case 2:
      memcpy(&i16, bytes, 2);
      memcpy(&u16, bytes, 2);
      return tensor->is_signed ? i16 : u16;
    case 4:
      memcpy(&i32, bytes, 4);
      return i32;
    default:
      memcpy(&i64, bytes, 8);
      return i64;
  }
}

/* 1 if all elements are equal; says on stderr where they are not. */
static int is_equal(uint32_t vector, const heddle_tensor *tensor, const void *expected, const void *got) {
  if (memcmp(expected, got, bytes_of(tensor)) == 0) return 1;
  for (uint32_t i = 0; i < tensor->elements; ++i) {
    const long long want = element(tensor, expected, i);
    const long long have = element(tensor, got, i);
    if (want == have) continue;
    if (tensor->is_float) {
      fprintf(stderr, "vector %lu, output %s, element %lu: %.9g expected, got %.9g\n", (unsigned long)vector,
              tensor->name, (unsigned long)i, (double)real_element(expected, i), (double)real_element(got, i));
      break;
    }
    fprintf(stderr, "vector %lu, output %s, element %lu: %lld expected, got %lld\n", (unsigned long)vector,
            tensor->name, (unsigned long)i, want, have);
    break;
  }
  return 0;
}

/* All vectors run twice in one process, in their order: states go from one to the next. */
static int run_golden(void *arena, void *const *outputs) {
  const uint32_t stride = network->input_count + network->output_count;
  uint8_t *const different = allocate(network->golden_count);
  memset(different, 0, network->golden_count);
  uint32_t exact = 0;
  for (int pass = 0; pass < 2; ++pass) {
    start(arena);
    for (uint32_t v = 0; v < network->golden_count; ++v) {
      const void *const *vector = network->golden + (size_t)v * stride;
      int equal = 1;
      for (uint32_t o = 0; o < network->output_count; ++o) memset(outputs[o], POISON, bytes_of(&network->outputs[o]));
      run(arena, vector, outputs);
      for (uint32_t o = 0; o < network->output_count; ++o) {
        equal = is_equal(v, &network->outputs[o], vector[network->input_count + o], outputs[o]) && equal;
      }
      sample = v;
      if (!equal) different[v] = 1;
    }
  }
  for (uint32_t v = 0; v < network->golden_count; ++v) exact += different[v] == 0u ? 1u : 0u;
  free(different);
  printf("golden vectors: %lu of %lu bit-exact\n", (unsigned long)exact, (unsigned long)network->golden_count);
  return exact == network->golden_count ? 0 : EXIT_DIFFERENT;
}

static FILE *open_file(const char *path, const char *mode) {
  FILE *file = fopen(path, mode);
  if (file == NULL) die(path, strerror(errno));
  return file;
}

static void close_file(FILE *file, const char *path) {
  if (fclose(file) != 0) die(path, strerror(errno));
}

/* Samples until the file ends; a last one that is cut short is an error. */
static void run_files(void *arena, void *const *outputs, const char *input_path, const char *output_path) {
  const size_t bytes = sum_of(network->inputs, network->input_count);
  uint8_t *const data = allocate(bytes);
  const void **const inputs = allocate(network->input_count * sizeof *inputs);
  for (size_t i = 0, at = 0; i < network->input_count; at += bytes_of(&network->inputs[i]), ++i) {
    inputs[i] = data + at;
  }
  start(arena);
  FILE *const in = open_file(input_path, "rb");
  FILE *const out = open_file(output_path, "wb");
  for (;; ++sample) {
    const size_t got = fread(data, 1, bytes, in);
    if (got == 0u) break;
    if (got != bytes) die(input_path, "its size is no multiple of a sample's");
    run(arena, inputs, outputs);
    for (uint32_t o = 0; o < network->output_count; ++o) write_all(out, outputs[o], bytes_of(&network->outputs[o]));
  }
  if (ferror(in)) die(input_path, strerror(errno));
  close_file(in, input_path);
  close_file(out, output_path);
  free(inputs);
  free(data);
}

static uint32_t number(const char *text) {
  char *end = NULL;
  const unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value > 0x7FFFFFFFul) die("--set: no number", text);
  return (uint32_t)value;
}

static void set_register(const char *name, const char *offset, const char *value) {
  const uint32_t at = number(offset), wanted = number(value);
  for (unsigned i = 0; i < heddle_host_unit_count; ++i) {
    const heddle_host_unit *unit = &heddle_host_units[i];
    if (strcmp(unit->name, name) == 0) heddle_reg_write(unit->base + at, wanted);
  }
  if (heddle_status() != HEDDLE_OK) die("--set", heddle_host_error());
}

int main(int argc, char **argv) {
  const char *input_path = NULL;
  const char *output_path = NULL;
  const char *layer_path = NULL;
  for (int i = 1; i < argc; ++i) {
    const char **path = strcmp(argv[i], "--inputs") == 0    ? &input_path
                        : strcmp(argv[i], "--outputs") == 0 ? &output_path
                        : strcmp(argv[i], "--layers") == 0  ? &layer_path
                                                            : NULL;
    if (strcmp(argv[i], "--cycles") == 0) {
      print_cycles = 1;
    } else if (strcmp(argv[i], "--set") == 0 && i + 3 < argc) {
      set_register(argv[i + 1], argv[i + 2], argv[i + 3]);
      i += 3;
    } else if (path == NULL || i + 1 == argc) {
      die("unknown or incomplete argument", argv[i]);
    } else {
      *path = argv[++i];
    }
  }
  if ((input_path == NULL) != (output_path == NULL)) die("usage", "--inputs and --outputs belong together");
#ifndef HEDDLE_LAYER_CALLBACK
  if (layer_path != NULL) die("--layers", "compile with HEDDLE_LAYER_CALLBACK defined");
#endif

  /* The arena starts at the first multiple of its alignment. */
  uint8_t *const memory = allocate((size_t)network->arena_bytes + network->arena_alignment);
  const size_t misaligned = (size_t)((uintptr_t)memory % network->arena_alignment);
  void *const arena = memory + (misaligned == 0u ? 0u : network->arena_alignment - misaligned);
  void **const outputs = allocate(network->output_count * sizeof *outputs);
  for (uint32_t o = 0; o < network->output_count; ++o) outputs[o] = allocate(bytes_of(&network->outputs[o]));
  if (layer_path != NULL) layer_file = open_file(layer_path, "wb");

  int result = 0;
  if (input_path != NULL) {
    run_files(arena, outputs, input_path, output_path);
  } else {
    result = run_golden(arena, outputs);
  }
  if (print_cycles) {
    printf("{");
    print_units();
  }
  if (layer_file != NULL) close_file(layer_file, layer_path);
  for (uint32_t o = 0; o < network->output_count; ++o) free(outputs[o]);
  free(outputs);
  free(memory);
  return result;
}
