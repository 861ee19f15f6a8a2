/* DIANA's analog in-memory core as a model: values and cycles of its jobs, bit for bit and to the
 * cycle of accelerator.toml; and, if an option asks for it, noise at the converters' input.
 * README.md says what is published, fitted and assumed. Only the register map and the constants of
 * accelerator.toml are shared with the driver.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

/* Options: registers that no silicon has. */
enum { kNoise = 0xF0, kSeed = 0xF4 };

enum {
  kRegisters = kSeed / 4 + 1,
  kLastRegister = DIANA_ANALOG_MAXIMUM,
  kBlock = 64,        /* channels of a block of activations */
  kColumnBlock = 128, /* columns of a block of cells */
  kRowBytes = kColumnBlock / 4,
  kRowBlock = 288, /* rows that cells are padded to */
  kNormBytes = 3 * kColumnBlock,
  kRows = DIANA_ANALOG_ROWS,
  kColumns = DIANA_ANALOG_COLUMNS,
  kLowest = -32, /* of the converters */
  kHighest = 31,
  kVector = 16, /* elements a cycle of the output stage */
  kKernel = 7,  /* largest window of the pooling stage */
  kLargestSize = 65535
};

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* the operation that was started, 0 if none */
  uint32_t error;
  uint32_t conversions; /* convolutions since reset: each has noise of its own */
  const char* fault;    /* of a register access */
  char message[200];
} state;

/* One activation tile. */
typedef struct tensor {
  const char* name;
  uint32_t address, pixel, row, channels, height, width;
} tensor;

typedef struct window {
  uint32_t height, width, stride, pad_top, pad_left;
} window;

/* The cells of 128 columns, and their batch norm. */
typedef struct columns {
  int8_t cells[kRows][kColumnBlock];
  int32_t multiplier[kColumnBlock], addend[kColumnBlock];
} columns;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

static uint32_t divided(uint32_t size, uint32_t by) { return (size + by - 1u) / by; }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static int is_register(uint32_t offset) {
  return offset % 4u == 0u && (offset <= kLastRegister || offset == kNoise || offset == kSeed);
}

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == DIANA_ANALOG_STATUS) {
    return (s->pending ? (uint32_t)DIANA_ANALOG_BUSY : 0u) | (s->error ? (uint32_t)DIANA_ANALOG_ERROR : 0u);
  }
  if (!is_register(offset)) {
    s->fault = "a read of an address that is no register";
    return 0u;
  }
  return get(s, offset);
}

static void write_register(void* opaque, uint32_t offset, uint32_t value) {
  state* s = opaque;
  if (!is_register(offset)) {
    s->fault = "a write to an address that is no register";
  } else if (offset == DIANA_ANALOG_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the core was busy";
  } else if (offset == DIANA_ANALOG_START) {
    if (value >= DIANA_ANALOG_CONV2D && value <= DIANA_ANALOG_MAX_POOL) {
      s->pending = value;
    } else {
      s->fault = "the start register got the number of no operation";
    }
  } else {
    s->registers[offset / 4u] = value;
  }
}

/* Checks: each returns NULL, or what is wrong. */

static const char* wrong(state* s, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(s->message, sizeof s->message, format, arguments);
  va_end(arguments);
  return s->message;
}

/* Bytes from the address to the end of the last pixel's last block. */
static uint64_t extent_of(const tensor* t) {
  return (uint64_t)(t->height - 1u) * t->row + (uint64_t)(t->width - 1u) * t->pixel +
         (uint64_t)kBlock * divided(t->channels, kBlock);
}

/* `written`: the last block of a pixel must be the tile's own up to its end, because all of it
 * is written. */
static const char* check_tensor(state* s, const tensor* t, int written) {
  if (t->channels < 1u || t->channels > kLargestSize || t->height < 1u || t->height > kLargestSize ||
      t->width < 1u || t->width > kLargestSize) {
    return wrong(s, "%s has the size %lu x %lu x %lu, but sizes are 1 to 65535", t->name,
                 (unsigned long)t->channels, (unsigned long)t->height, (unsigned long)t->width);
  }
  if (t->address % 32u != 0u) {
    return wrong(s, "%s has the address 0x%08lx, which is not a multiple of 32", t->name,
                 (unsigned long)t->address);
  }
  if (t->pixel % kBlock != 0u || t->row % kBlock != 0u) {
    return wrong(s, "%s has pixels of %lu and rows of %lu bytes, which are not multiples of 64", t->name,
                 (unsigned long)t->pixel, (unsigned long)t->row);
  }
  if (t->pixel < (written ? kBlock * divided(t->channels, kBlock) : t->channels)) {
    return wrong(s, "%s has pixels of %lu bytes for %lu channels", t->name, (unsigned long)t->pixel,
                 (unsigned long)t->channels);
  }
  if (t->row < (uint64_t)t->width * t->pixel) {
    return wrong(s, "%s has rows of %lu bytes for %lu pixels of %lu bytes", t->name, (unsigned long)t->row,
                 (unsigned long)t->width, (unsigned long)t->pixel);
  }
  if (t->address + extent_of(t) > (uint64_t)UINT32_MAX + 1u) {
    return wrong(s, "%s runs past the end of the address space", t->name);
  }
  return NULL;
}

static const char* check_disjoint(state* s, const tensor* input, const tensor* output) {
  if (input->address < output->address + extent_of(output) && output->address < input->address + extent_of(input)) {
    return wrong(s, "%s overlaps %s", output->name, input->name);
  }
  return NULL;
}

/* A shift of 4 bits, then bounds: three registers. */
static const char* check_stage(state* s, const char* name, uint32_t first_register) {
  const int64_t low = (int32_t)get(s, first_register + 4u);
  const int64_t high = (int32_t)get(s, first_register + 8u);
  if (get(s, first_register) > 15u) {
    return wrong(s, "the shift of the %s is %lu, but the register has 4 bits", name,
                 (unsigned long)get(s, first_register));
  }
  if (low < -128 || high > 127 || low > high) {
    return wrong(s, "the bounds of the %s are %ld and %ld, which is no range of signed bytes", name, (long)low,
                 (long)high);
  }
  return NULL;
}

static const char* check_window(state* s, const window* w, const tensor* x, const tensor* y) {
  if (w->stride > 2u) return wrong(s, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)");
  if (w->height < 1u || w->width < 1u || w->height > kLargestSize || w->width > kLargestSize) {
    return wrong(s, "the window is %lu x %lu", (unsigned long)w->height, (unsigned long)w->width);
  }
  if (w->pad_top >= w->height || w->pad_left >= w->width) {
    return wrong(s, "the padding %lu, %lu is not less than the window", (unsigned long)w->pad_top,
                 (unsigned long)w->pad_left);
  }
  if ((y->height - 1u) * w->stride >= x->height + w->pad_top ||
      (y->width - 1u) * w->stride >= x->width + w->pad_left) {
    return wrong(s, "the last window lies outside the input");
  }
  return NULL;
}

/* Access to memory. */

static const char* load(state* s, const heddle_bus* bus, const char* name, uint32_t address, void* data,
                        uint32_t bytes) {
  if (bus->load(bus->context, address, data, bytes) == 0) return NULL;
  return wrong(s, "%s lies outside the memories that the core reaches", name);
}

static uint32_t pixel_at(const tensor* t, uint32_t row, uint32_t column) {
  return t->address + row * t->row + column * t->pixel;
}

/* Writes up to 64 channels, and zeros up to the end of their block. */
static const char* store_block(state* s, const heddle_bus* bus, const tensor* t, uint32_t row, uint32_t column,
                               uint32_t block, const int8_t* values) {
  int8_t bytes[kBlock] = {0};
  const uint32_t first = block * kBlock;
  memcpy(bytes, values, t->channels - first < kBlock ? t->channels - first : (uint32_t)kBlock);
  if (bus->store(bus->context, pixel_at(t, row, column) + first, bytes, kBlock) == 0) return NULL;
  return wrong(s, "%s lies outside the memories that the core may write", t->name);
}

/* Arithmetic. */

/* To minus infinity, by 2^shift. */
static int32_t shifted(int32_t value, uint32_t shift) {
  return value >= 0 ? value >> shift : -1 - (int32_t)(~(uint32_t)value >> shift);
}

static int32_t clipped(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* A stage of three registers: shift and bounds. */
static int8_t staged(const state* s, uint32_t first_register, int32_t value) {
  return (int8_t)clipped(shifted(value, get(s, first_register)), (int32_t)get(s, first_register + 4u),
                         (int32_t)get(s, first_register + 8u));
}

/* SplitMix64's finaliser (Steele, Lea, Flood 2014). */
static uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Twice the sum of twelve uniform numbers of 16 bits, less its mean: near enough to a normal
 * distribution with standard deviation 2^17. It depends on seed, job and element alone. */
static int64_t deviate(uint32_t seed, uint32_t job, uint64_t element) {
  const uint64_t start = mixed(mixed(seed + 0x9E3779B97F4A7C15u) ^ job) ^ element;
  int64_t sum = 0;
  for (uint64_t word = 1; word <= 3u; ++word) {
    const uint64_t bits = mixed(start + word * 0x9E3779B97F4A7C15u);
    for (uint32_t part = 0; part < 64u; part += 16u) sum += (int64_t)(bits >> part & 0xFFFFu);
  }
  return 2 * sum - 12 * 65535;
}

/* floor(sum / 2^step + noise), clipped; the noise is a number of hundredths times the deviate. */
static int32_t converted(const state* s, int32_t sum, uint64_t element) {
  const uint32_t step = get(s, DIANA_ANALOG_STEP), noise = get(s, kNoise);
  if (noise == 0u) return clipped(shifted(sum, step), kLowest, kHighest);
  const int64_t unit = (int64_t)100 * 131072;
  const int64_t numerator =
      unit * sum + (int64_t)noise * deviate(get(s, kSeed), s->conversions, element) * ((int64_t)1 << step);
  const int64_t denominator = unit * ((int64_t)1 << step);
  const int64_t quotient = numerator / denominator - (numerator % denominator < 0);
  return quotient < kLowest ? kLowest : quotient > kHighest ? kHighest : (int32_t)quotient;
}

/* The operations. Each returns NULL and its cycles, or what is wrong. */

static tensor tensor_at(const state* s, const char* name, uint32_t first_register, uint32_t first_size) {
  const tensor t = {name,
                    get(s, first_register),
                    get(s, first_register + 4u),
                    get(s, first_register + 8u),
                    get(s, first_size),
                    get(s, first_size + 4u),
                    get(s, first_size + 8u)};
  return t;
}

static window window_of(const state* s) {
  const window w = {get(s, DIANA_ANALOG_KERNEL_HEIGHT), get(s, DIANA_ANALOG_KERNEL_WIDTH),
                    /* one bit; anything else is refused */
                    get(s, DIANA_ANALOG_STRIDE) > 1u ? 3u : get(s, DIANA_ANALOG_STRIDE) + 1u,
                    get(s, DIANA_ANALOG_PAD_TOP), get(s, DIANA_ANALOG_PAD_LEFT)};
  return w;
}

/* Rows of the macro for `unroll` windows side by side; more than there are if they are many. */
static uint64_t rows_of(const window* w, uint32_t channels, uint32_t unroll) {
  const uint64_t at_each = channels < kBlock ? kBlock : channels;
  return at_each * w->height * (w->width + (uint64_t)(unroll - 1u) * w->stride);
}

static const char* check_macro(state* s, const window* w, const tensor* x, const tensor* y) {
  const uint32_t unroll = get(s, DIANA_ANALOG_UNROLL);
  if (unroll != 1u && unroll != 2u && unroll != 4u && unroll != 8u)
    return wrong(s, "the unrolling is %lu, but it is 1, 2, 4 or 8", (unsigned long)unroll);
  if (rows_of(w, x->channels, unroll) > kRows) {
    return wrong(s, "%lu windows of %lu x %lu x %lu need %llu rows of the macro's %d", (unsigned long)unroll,
                 (unsigned long)x->channels, (unsigned long)w->height, (unsigned long)w->width,
                 (unsigned long long)rows_of(w, x->channels, unroll), kRows);
  }
  if ((uint64_t)unroll * y->channels > kColumns) {
    return wrong(s, "%lu windows of %lu channels need more than the macro's %d columns", (unsigned long)unroll,
                 (unsigned long)y->channels, kColumns);
  }
  if (get(s, DIANA_ANALOG_STEP) > 15u) {
    return wrong(s, "the step is 2^%lu, but the register has 4 bits", (unsigned long)get(s, DIANA_ANALOG_STEP));
  }
  if (get(s, DIANA_ANALOG_WEIGHTS) % 32u != 0u || get(s, DIANA_ANALOG_NORM) % 32u != 0u) {
    return wrong(s, "the weights at 0x%08lx or the batch norm at 0x%08lx are not at a multiple of 32",
                 (unsigned long)get(s, DIANA_ANALOG_WEIGHTS), (unsigned long)get(s, DIANA_ANALOG_NORM));
  }
  return check_stage(s, "batch norm", DIANA_ANALOG_NORM_SHIFT);
}

/* Cells: -1, 0, 1 as 3, 0, 1, four to a byte, the first in its least significant bits. */
static const char* load_columns(state* s, const heddle_bus* bus, uint32_t rows, uint32_t block, columns* c) {
  const uint32_t block_bytes = divided(rows, kRowBlock) * kRowBlock * kRowBytes;
  const uint32_t address = get(s, DIANA_ANALOG_WEIGHTS) + block * block_bytes;
  for (uint32_t row = 0; row < rows; ++row) {
    uint8_t packed[kRowBytes];
    const char* why = load(s, bus, "weights", address + row * kRowBytes, packed, kRowBytes);
    if (why != NULL) return why;
    for (uint32_t k = 0; k < kColumnBlock; ++k) {
      const unsigned cell = (unsigned)packed[k / 4u] >> (2u * (k % 4u)) & 3u;
      if (cell == 2u) return wrong(s, "a cell holds 2, which is neither -1 nor 0 nor 1");
      c->cells[row][k] = (int8_t)(cell == 3u ? -1 : (int)cell);
    }
  }
  uint8_t norm[kNormBytes];
  const char* why =
      load(s, bus, "the batch norm", get(s, DIANA_ANALOG_NORM) + block * kNormBytes, norm, kNormBytes);
  if (why != NULL) return why;
  for (uint32_t k = 0; k < kColumnBlock; ++k) {
    const uint32_t at = kColumnBlock + 2u * k;
    const int32_t addend = norm[at] | norm[at + 1u] << 8;
    c->multiplier[k] = norm[k] < 128u ? norm[k] : (int32_t)norm[k] - 256;
    c->addend[k] = addend < 32768 ? addend : addend - 65536;
  }
  return NULL;
}

/* The sums of 128 columns for one pixel of the output. */
static const char* activate(state* s, const heddle_bus* bus, const window* w, const tensor* x, uint32_t row,
                            uint32_t column, const columns* c, int32_t* sums) {
  const uint32_t at_each = x->channels < kBlock ? kBlock : x->channels;
  int8_t pixel[kRows];
  memset(sums, 0, kColumnBlock * sizeof sums[0]);
  for (uint32_t fy = 0; fy < w->height; ++fy) {
    const int64_t in_row = (int64_t)row * w->stride - w->pad_top + fy;
    if (in_row < 0 || in_row >= x->height) continue;
    for (uint32_t fx = 0; fx < w->width; ++fx) {
      const int64_t in_column = (int64_t)column * w->stride - w->pad_left + fx;
      if (in_column < 0 || in_column >= x->width) continue;
      const char* why =
          load(s, bus, x->name, pixel_at(x, (uint32_t)in_row, (uint32_t)in_column), pixel, x->channels);
      if (why != NULL) return why;
      for (uint32_t channel = 0; channel < x->channels; ++channel) {
        const int32_t value = pixel[channel];
        if (value < -64 || value > 63) return wrong(s, "x holds %ld, which 7 bits cannot", (long)value);
        const int8_t* const cells = c->cells[(fy * w->width + fx) * at_each + channel];
        for (uint32_t k = 0; k < kColumnBlock; ++k) sums[k] += value * cells[k];
      }
    }
  }
  return NULL;
}

static const char* add_residual(state* s, const heddle_bus* bus, const tensor* residual, uint32_t row,
                                uint32_t column, uint32_t first, uint32_t count, int8_t* values) {
  int8_t others[kColumnBlock];
  const char* why = load(s, bus, residual->name, pixel_at(residual, row, column) + first, others, count);
  if (why != NULL) return why;
  for (uint32_t k = 0; k < count; ++k) values[k] = staged(s, DIANA_ANALOG_SHIFT, values[k] + others[k]);
  return NULL;
}

static const char* convolve(state* s, const heddle_bus* bus, int with_residual, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_ANALOG_X, DIANA_ANALOG_IN_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const tensor residual = tensor_at(s, "residual", DIANA_ANALOG_RESIDUAL, DIANA_ANALOG_OUT_CHANNELS);
  const window w = window_of(s);
  const char* why = check_tensor(s, &x, 0);
  if (why == NULL) why = check_tensor(s, &y, 1);
  if (why == NULL) why = check_window(s, &w, &x, &y);
  if (why == NULL) why = check_macro(s, &w, &x, &y);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (with_residual) {
    if (why == NULL) why = check_tensor(s, &residual, 0);
    if (why == NULL) why = check_stage(s, "output stage", DIANA_ANALOG_SHIFT);
    if (why == NULL) why = check_disjoint(s, &residual, &y);
  }
  if (why != NULL) return why;

  columns c;
  int32_t sums[kColumnBlock];
  const uint32_t rows = (uint32_t)rows_of(&w, x.channels, 1u);
  for (uint32_t first = 0; first < y.channels; first += kColumnBlock) {
    const uint32_t count = y.channels - first < kColumnBlock ? y.channels - first : (uint32_t)kColumnBlock;
    why = load_columns(s, bus, rows, first / kColumnBlock, &c);
    for (uint32_t row = 0; why == NULL && row < y.height; ++row) {
      for (uint32_t column = 0; why == NULL && column < y.width; ++column) {
        int8_t values[kColumnBlock];
        why = activate(s, bus, &w, &x, row, column, &c, sums);
        for (uint32_t k = 0; why == NULL && k < count; ++k) {
          const uint64_t element = ((uint64_t)row * y.width + column) * y.channels + first + k;
          const int32_t level = converted(s, sums[k], element);
          values[k] = staged(s, DIANA_ANALOG_NORM_SHIFT, level * c.multiplier[k] + c.addend[k]);
        }
        if (why == NULL && with_residual) why = add_residual(s, bus, &residual, row, column, first, count, values);
        for (uint32_t k = 0; why == NULL && k < count; k += kBlock)
          why = store_block(s, bus, &y, row, column, (first + k) / kBlock, values + k);
      }
    }
    if (why != NULL) return why;
  }
  const uint32_t unroll = get(s, DIANA_ANALOG_UNROLL);
  const uint64_t activations = (uint64_t)y.height * divided(y.width, unroll);
  *cycles = DIANA_ANALOG_LAUNCH_CYCLES + DIANA_ANALOG_ROW_CYCLES * rows_of(&w, x.channels, unroll) +
            (DIANA_ANALOG_ACTIVATION_CYCLES_X10 * activations + 9u) / 10u;
  if (with_residual) *cycles += (uint64_t)y.height * y.width * divided(y.channels, kVector);
  ++s->conversions;
  return NULL;
}

static const char* add(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_ANALOG_X, DIANA_ANALOG_OUT_CHANNELS);
  const tensor residual = tensor_at(s, "residual", DIANA_ANALOG_RESIDUAL, DIANA_ANALOG_OUT_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const char* why = check_tensor(s, &x, 0);
  if (why == NULL) why = check_tensor(s, &residual, 0);
  if (why == NULL) why = check_tensor(s, &y, 1);
  if (why == NULL) why = check_stage(s, "output stage", DIANA_ANALOG_SHIFT);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (why == NULL) why = check_disjoint(s, &residual, &y);
  for (uint32_t row = 0; why == NULL && row < y.height; ++row) {
    for (uint32_t column = 0; why == NULL && column < y.width; ++column) {
      for (uint32_t first = 0; why == NULL && first < y.channels; first += kBlock) {
        int8_t values[kBlock];
        const uint32_t count = y.channels - first < kBlock ? y.channels - first : (uint32_t)kBlock;
        why = load(s, bus, x.name, pixel_at(&x, row, column) + first, values, count);
        if (why == NULL) why = add_residual(s, bus, &residual, row, column, first, count, values);
        if (why == NULL) why = store_block(s, bus, &y, row, column, first / kBlock, values);
      }
    }
  }
  *cycles = DIANA_ANALOG_LAUNCH_CYCLES + (uint64_t)y.height * y.width * divided(y.channels, kVector);
  return why;
}

static const char* max_pool(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_ANALOG_X, DIANA_ANALOG_IN_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const window w = window_of(s);
  const char* why = check_tensor(s, &x, 0);
  if (why == NULL) why = check_tensor(s, &y, 1);
  if (why == NULL) why = check_window(s, &w, &x, &y);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (why != NULL) return why;
  if (x.channels != y.channels) return wrong(s, "a pooling job has x and y of unequal channels");
  if (w.height > kKernel || w.width > kKernel)
    return wrong(s, "the window is %lu x %lu, but the pooling stage has 7 x 7 at most", (unsigned long)w.height,
                 (unsigned long)w.width);
  for (uint32_t row = 0; row < y.height; ++row) {
    for (uint32_t column = 0; column < y.width; ++column) {
      for (uint32_t first = 0; first < y.channels; first += kBlock) {
        const uint32_t count = y.channels - first < kBlock ? y.channels - first : (uint32_t)kBlock;
        int8_t best[kBlock], values[kBlock];
        memset(best, -128, sizeof best);
        for (uint32_t i = 0; i < w.height * w.width; ++i) {
          const int64_t in_row = (int64_t)row * w.stride - w.pad_top + i / w.width;
          const int64_t in_column = (int64_t)column * w.stride - w.pad_left + i % w.width;
          if (in_row < 0 || in_row >= x.height || in_column < 0 || in_column >= x.width) continue;
          why = load(s, bus, x.name, pixel_at(&x, (uint32_t)in_row, (uint32_t)in_column) + first, values, count);
          if (why != NULL) return why;
          for (uint32_t k = 0; k < count; ++k) best[k] = values[k] > best[k] ? values[k] : best[k];
        }
        why = store_block(s, bus, &y, row, column, first / kBlock, best);
        if (why != NULL) return why;
      }
    }
  }
  *cycles =
      DIANA_ANALOG_LAUNCH_CYCLES + (uint64_t)y.height * y.width * w.height * w.width * divided(y.channels, kVector);
  return NULL;
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (s->pending == 0u) return 0;
    if (s->pending == DIANA_ANALOG_ADD) {
      *why = add(s, bus, cycles);
    } else if (s->pending == DIANA_ANALOG_MAX_POOL) {
      *why = max_pool(s, bus, cycles);
    } else {
      *why = convolve(s, bus, s->pending == DIANA_ANALOG_CONV2D_ADD, cycles);
    }
  }
  s->pending = 0u;
  s->error = *why != NULL;
  return *why == NULL ? 1 : -1;
}

const heddle_model diana_analog_model = {HEDDLE_MODEL_VERSION, "diana_analog", sizeof(state), reset,
                                         read_register,        write_register, step};
