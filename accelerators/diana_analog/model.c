/* DIANA's analog in-memory core as a model: values and cycles of its jobs, bit for bit and to the
 * cycle of accelerator.toml; and, if an option asks for it, noise at the converters' input.
 * README.md says what is published, fitted and assumed. Only the register map and the constants of
 * accelerator.toml are shared with the driver.
 */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

/* Options: registers that no silicon has. */
enum { kNoise = 0xF0, kSeed = 0xF4 };

enum {
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
  heddle_unit unit;
  uint32_t conversions; /* convolutions since reset: each has noise of its own */
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

/* Checks: each returns NULL, or what is wrong. */

/* Bytes from the address to the end of the last pixel's last block. */
static uint64_t extent_of(const tensor* t) {
  return (uint64_t)(t->height - 1u) * t->row + (uint64_t)(t->width - 1u) * t->pixel +
         (uint64_t)kBlock * heddle_ceil_div(t->channels, kBlock);
}

/* `written`: the last block of a pixel must be the tile's own up to its end, because all of it
 * is written. */
static const char* check_tensor(heddle_unit* unit, const tensor* t, int written) {
  if (t->channels < 1u || t->channels > kLargestSize || t->height < 1u || t->height > kLargestSize || t->width < 1u ||
      t->width > kLargestSize) {
    return heddle_wrong(unit, "%s has the size %lu x %lu x %lu, but sizes are 1 to 65535", t->name,
                        (unsigned long)t->channels, (unsigned long)t->height, (unsigned long)t->width);
  }
  if (t->address % 32u != 0u) {
    return heddle_wrong(unit, "%s has the address 0x%08lx, which is not a multiple of 32", t->name,
                        (unsigned long)t->address);
  }
  if (t->pixel % kBlock != 0u || t->row % kBlock != 0u) {
    return heddle_wrong(unit, "%s has pixels of %lu and rows of %lu bytes, which are not multiples of 64", t->name,
                        (unsigned long)t->pixel, (unsigned long)t->row);
  }
  if (t->pixel < (written ? kBlock * heddle_ceil_div(t->channels, kBlock) : t->channels)) {
    return heddle_wrong(unit, "%s has pixels of %lu bytes for %lu channels", t->name, (unsigned long)t->pixel,
                        (unsigned long)t->channels);
  }
  if (t->row < (uint64_t)t->width * t->pixel) {
    return heddle_wrong(unit, "%s has rows of %lu bytes for %lu pixels of %lu bytes", t->name, (unsigned long)t->row,
                        (unsigned long)t->width, (unsigned long)t->pixel);
  }
  return heddle_check_end(unit, t->name, t->address, extent_of(t));
}

static const char* check_disjoint(heddle_unit* unit, const tensor* input, const tensor* output) {
  if (!heddle_overlap(input->address, extent_of(input), output->address, extent_of(output))) return NULL;
  return heddle_wrong(unit, "%s overlaps %s", output->name, input->name);
}

/* A shift of 4 bits, then bounds: three registers. */
static const char* check_stage(heddle_unit* unit, const char* name, uint32_t first_register) {
  const int64_t low = heddle_get_signed(unit, first_register + 4u);
  const int64_t high = heddle_get_signed(unit, first_register + 8u);
  if (heddle_get(unit, first_register) > 15u) {
    return heddle_wrong(unit, "the shift of the %s is %lu, but the register has 4 bits", name,
                        (unsigned long)heddle_get(unit, first_register));
  }
  if (low < -128 || high > 127 || low > high) {
    return heddle_wrong(unit, "the bounds of the %s are %ld and %ld, which is no range of signed bytes", name,
                        (long)low, (long)high);
  }
  return NULL;
}

static const char* check_window(heddle_unit* unit, const window* w, const tensor* x, const tensor* y) {
  if (w->stride > 2u) return heddle_wrong(unit, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)");
  if (w->height < 1u || w->width < 1u || w->height > kLargestSize || w->width > kLargestSize) {
    return heddle_wrong(unit, "the window is %lu x %lu", (unsigned long)w->height, (unsigned long)w->width);
  }
  if (w->pad_top >= w->height || w->pad_left >= w->width) {
    return heddle_wrong(unit, "the padding %lu, %lu is not less than the window", (unsigned long)w->pad_top,
                        (unsigned long)w->pad_left);
  }
  if ((y->height - 1u) * w->stride >= x->height + w->pad_top || (y->width - 1u) * w->stride >= x->width + w->pad_left) {
    return heddle_wrong(unit, "the last window lies outside the input");
  }
  return NULL;
}

/* Access to memory. */

static uint32_t pixel_at(const tensor* t, uint32_t row, uint32_t column) {
  return t->address + row * t->row + column * t->pixel;
}

/* Writes up to 64 channels, and zeros up to the end of their block. */
static const char* store_block(heddle_unit* unit, const tensor* t, uint32_t row, uint32_t column, uint32_t block,
                               const int8_t* values) {
  int8_t bytes[kBlock] = {0};
  const uint32_t first = block * kBlock;
  memcpy(bytes, values, t->channels - first < kBlock ? t->channels - first : (uint32_t)kBlock);
  return heddle_store(unit, t->name, pixel_at(t, row, column) + first, bytes, kBlock);
}

/* Arithmetic. */

/* A stage of three registers: shift and bounds. */
static int8_t staged(const heddle_unit* unit, uint32_t first_register, int32_t value) {
  return (int8_t)heddle_clip(heddle_shift_down(value, heddle_get(unit, first_register)),
                             heddle_get_signed(unit, first_register + 4u),
                             heddle_get_signed(unit, first_register + 8u));
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
  const uint32_t step = heddle_get(&s->unit, DIANA_ANALOG_STEP), noise = heddle_get(&s->unit, kNoise);
  if (noise == 0u) return heddle_clip(heddle_shift_down(sum, step), kLowest, kHighest);
  const int64_t unit = (int64_t)100 * 131072;
  const int64_t numerator = unit * sum + (int64_t)noise *
                                             deviate(heddle_get(&s->unit, kSeed), s->conversions, element) *
                                             ((int64_t)1 << step);
  const int64_t denominator = unit * ((int64_t)1 << step);
  const int64_t quotient = numerator / denominator - (numerator % denominator < 0);
  return quotient < kLowest ? kLowest : quotient > kHighest ? kHighest : (int32_t)quotient;
}

/* The operations. Each returns NULL and its cycles, or what is wrong. */

static tensor tensor_at(const heddle_unit* unit, const char* name, uint32_t first_register, uint32_t first_size) {
  const tensor t = {name,
                    heddle_get(unit, first_register),
                    heddle_get(unit, first_register + 4u),
                    heddle_get(unit, first_register + 8u),
                    heddle_get(unit, first_size),
                    heddle_get(unit, first_size + 4u),
                    heddle_get(unit, first_size + 8u)};
  return t;
}

static window window_of(const heddle_unit* unit) {
  const window w = {heddle_get(unit, DIANA_ANALOG_KERNEL_HEIGHT), heddle_get(unit, DIANA_ANALOG_KERNEL_WIDTH),
                    /* one bit; anything else is refused */
                    heddle_get(unit, DIANA_ANALOG_STRIDE) > 1u ? 3u : heddle_get(unit, DIANA_ANALOG_STRIDE) + 1u,
                    heddle_get(unit, DIANA_ANALOG_PAD_TOP), heddle_get(unit, DIANA_ANALOG_PAD_LEFT)};
  return w;
}

/* Rows of the macro for `unroll` windows side by side; more than there are if they are many. */
static uint64_t rows_of(const window* w, uint32_t channels, uint32_t unroll) {
  const uint64_t at_each = channels < kBlock ? kBlock : channels;
  return at_each * w->height * (w->width + (uint64_t)(unroll - 1u) * w->stride);
}

static const char* check_macro(heddle_unit* unit, const window* w, const tensor* x, const tensor* y) {
  const uint32_t unroll = heddle_get(unit, DIANA_ANALOG_UNROLL);
  if (unroll != 1u && unroll != 2u && unroll != 4u && unroll != 8u)
    return heddle_wrong(unit, "the unrolling is %lu, but it is 1, 2, 4 or 8", (unsigned long)unroll);
  if (rows_of(w, x->channels, unroll) > kRows) {
    return heddle_wrong(unit, "%lu windows of %lu x %lu x %lu need %llu rows of the macro's %d", (unsigned long)unroll,
                        (unsigned long)x->channels, (unsigned long)w->height, (unsigned long)w->width,
                        (unsigned long long)rows_of(w, x->channels, unroll), kRows);
  }
  if ((uint64_t)unroll * y->channels > kColumns) {
    return heddle_wrong(unit, "%lu windows of %lu channels need more than the macro's %d columns",
                        (unsigned long)unroll, (unsigned long)y->channels, kColumns);
  }
  if (heddle_get(unit, DIANA_ANALOG_STEP) > 15u) {
    return heddle_wrong(unit, "the step is 2^%lu, but the register has 4 bits",
                        (unsigned long)heddle_get(unit, DIANA_ANALOG_STEP));
  }
  if (heddle_get(unit, DIANA_ANALOG_WEIGHTS) % 32u != 0u || heddle_get(unit, DIANA_ANALOG_NORM) % 32u != 0u) {
    return heddle_wrong(unit, "the weights at 0x%08lx or the batch norm at 0x%08lx are not at a multiple of 32",
                        (unsigned long)heddle_get(unit, DIANA_ANALOG_WEIGHTS),
                        (unsigned long)heddle_get(unit, DIANA_ANALOG_NORM));
  }
  return check_stage(unit, "batch norm", DIANA_ANALOG_NORM_SHIFT);
}

/* Cells: -1, 0, 1 as 3, 0, 1, four to a byte, the first in its least significant bits. */
static const char* load_columns(heddle_unit* unit, uint32_t rows, uint32_t block, columns* c) {
  const uint32_t block_bytes = heddle_ceil_div(rows, kRowBlock) * kRowBlock * kRowBytes;
  const uint32_t address = heddle_get(unit, DIANA_ANALOG_WEIGHTS) + block * block_bytes;
  for (uint32_t row = 0; row < rows; ++row) {
    uint8_t packed[kRowBytes];
    const char* why = heddle_load(unit, "weights", address + row * kRowBytes, packed, kRowBytes);
    if (why != NULL) return why;
    for (uint32_t k = 0; k < kColumnBlock; ++k) {
      const unsigned cell = (unsigned)packed[k / 4u] >> (2u * (k % 4u)) & 3u;
      if (cell == 2u) return heddle_wrong(unit, "a cell holds 2, which is neither -1 nor 0 nor 1");
      c->cells[row][k] = (int8_t)(cell == 3u ? -1 : (int)cell);
    }
  }
  uint8_t norm[kNormBytes];
  const char* why =
      heddle_load(unit, "the batch norm", heddle_get(unit, DIANA_ANALOG_NORM) + block * kNormBytes, norm, kNormBytes);
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
static const char* activate(heddle_unit* unit, const window* w, const tensor* x, uint32_t row, uint32_t column,
                            const columns* c, int32_t* sums) {
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
          heddle_load(unit, x->name, pixel_at(x, (uint32_t)in_row, (uint32_t)in_column), pixel, x->channels);
      if (why != NULL) return why;
      for (uint32_t channel = 0; channel < x->channels; ++channel) {
        const int32_t value = pixel[channel];
        if (value < -64 || value > 63) return heddle_wrong(unit, "x holds %ld, which 7 bits cannot", (long)value);
        const int8_t* const cells = c->cells[(fy * w->width + fx) * at_each + channel];
        for (uint32_t k = 0; k < kColumnBlock; ++k) sums[k] += value * cells[k];
      }
    }
  }
  return NULL;
}

static const char* add_residual(heddle_unit* unit, const tensor* residual, uint32_t row, uint32_t column,
                                uint32_t first, uint32_t count, int8_t* values) {
  int8_t others[kColumnBlock];
  const char* why = heddle_load(unit, residual->name, pixel_at(residual, row, column) + first, others, count);
  if (why != NULL) return why;
  for (uint32_t k = 0; k < count; ++k) values[k] = staged(unit, DIANA_ANALOG_SHIFT, values[k] + others[k]);
  return NULL;
}

static const char* convolve(state* s, int with_residual, uint64_t* cycles) {
  heddle_unit* unit = &s->unit;
  const tensor x = tensor_at(unit, "x", DIANA_ANALOG_X, DIANA_ANALOG_IN_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const tensor residual = tensor_at(unit, "residual", DIANA_ANALOG_RESIDUAL, DIANA_ANALOG_OUT_CHANNELS);
  const window w = window_of(unit);
  const char* why = check_tensor(unit, &x, 0);
  if (why == NULL) why = check_tensor(unit, &y, 1);
  if (why == NULL) why = check_window(unit, &w, &x, &y);
  if (why == NULL) why = check_macro(unit, &w, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (with_residual) {
    if (why == NULL) why = check_tensor(unit, &residual, 0);
    if (why == NULL) why = check_stage(unit, "output stage", DIANA_ANALOG_SHIFT);
    if (why == NULL) why = check_disjoint(unit, &residual, &y);
  }
  if (why != NULL) return why;

  columns c;
  int32_t sums[kColumnBlock];
  const uint32_t rows = (uint32_t)rows_of(&w, x.channels, 1u);
  for (uint32_t first = 0; first < y.channels; first += kColumnBlock) {
    const uint32_t count = y.channels - first < kColumnBlock ? y.channels - first : (uint32_t)kColumnBlock;
    why = load_columns(unit, rows, first / kColumnBlock, &c);
    for (uint32_t row = 0; why == NULL && row < y.height; ++row) {
      for (uint32_t column = 0; why == NULL && column < y.width; ++column) {
        int8_t values[kColumnBlock];
        why = activate(unit, &w, &x, row, column, &c, sums);
        for (uint32_t k = 0; why == NULL && k < count; ++k) {
          const uint64_t element = ((uint64_t)row * y.width + column) * y.channels + first + k;
          const int32_t level = converted(s, sums[k], element);
          values[k] = staged(unit, DIANA_ANALOG_NORM_SHIFT, level * c.multiplier[k] + c.addend[k]);
        }
        if (why == NULL && with_residual) why = add_residual(unit, &residual, row, column, first, count, values);
        for (uint32_t k = 0; why == NULL && k < count; k += kBlock)
          why = store_block(unit, &y, row, column, (first + k) / kBlock, values + k);
      }
    }
    if (why != NULL) return why;
  }
  const uint32_t unroll = heddle_get(unit, DIANA_ANALOG_UNROLL);
  const uint64_t activations = (uint64_t)y.height * heddle_ceil_div(y.width, unroll);
  *cycles = DIANA_ANALOG_LAUNCH_CYCLES + DIANA_ANALOG_ROW_CYCLES * rows_of(&w, x.channels, unroll) +
            (DIANA_ANALOG_ACTIVATION_CYCLES_X10 * activations + 9u) / 10u;
  if (with_residual) *cycles += (uint64_t)y.height * y.width * heddle_ceil_div(y.channels, kVector);
  ++s->conversions;
  return NULL;
}

static const char* add(heddle_unit* unit, uint64_t* cycles) {
  const tensor x = tensor_at(unit, "x", DIANA_ANALOG_X, DIANA_ANALOG_OUT_CHANNELS);
  const tensor residual = tensor_at(unit, "residual", DIANA_ANALOG_RESIDUAL, DIANA_ANALOG_OUT_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const char* why = check_tensor(unit, &x, 0);
  if (why == NULL) why = check_tensor(unit, &residual, 0);
  if (why == NULL) why = check_tensor(unit, &y, 1);
  if (why == NULL) why = check_stage(unit, "output stage", DIANA_ANALOG_SHIFT);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &residual, &y);
  for (uint32_t row = 0; why == NULL && row < y.height; ++row) {
    for (uint32_t column = 0; why == NULL && column < y.width; ++column) {
      for (uint32_t first = 0; why == NULL && first < y.channels; first += kBlock) {
        int8_t values[kBlock];
        const uint32_t count = y.channels - first < kBlock ? y.channels - first : (uint32_t)kBlock;
        why = heddle_load(unit, x.name, pixel_at(&x, row, column) + first, values, count);
        if (why == NULL) why = add_residual(unit, &residual, row, column, first, count, values);
        if (why == NULL) why = store_block(unit, &y, row, column, first / kBlock, values);
      }
    }
  }
  *cycles = DIANA_ANALOG_LAUNCH_CYCLES + (uint64_t)y.height * y.width * heddle_ceil_div(y.channels, kVector);
  return why;
}

static const char* max_pool(heddle_unit* unit, uint64_t* cycles) {
  const tensor x = tensor_at(unit, "x", DIANA_ANALOG_X, DIANA_ANALOG_IN_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_ANALOG_Y, DIANA_ANALOG_OUT_CHANNELS);
  const window w = window_of(unit);
  const char* why = check_tensor(unit, &x, 0);
  if (why == NULL) why = check_tensor(unit, &y, 1);
  if (why == NULL) why = check_window(unit, &w, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (why != NULL) return why;
  if (x.channels != y.channels) return heddle_wrong(unit, "a pooling job has x and y of unequal channels");
  if (w.height > kKernel || w.width > kKernel)
    return heddle_wrong(unit, "the window is %lu x %lu, but the pooling stage has 7 x 7 at most",
                        (unsigned long)w.height, (unsigned long)w.width);
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
          why = heddle_load(unit, x.name, pixel_at(&x, (uint32_t)in_row, (uint32_t)in_column) + first, values, count);
          if (why != NULL) return why;
          for (uint32_t k = 0; k < count; ++k) best[k] = values[k] > best[k] ? values[k] : best[k];
        }
        why = store_block(unit, &y, row, column, first / kBlock, best);
        if (why != NULL) return why;
      }
    }
  }
  *cycles = DIANA_ANALOG_LAUNCH_CYCLES +
            (uint64_t)y.height * y.width * w.height * w.width * heddle_ceil_div(y.channels, kVector);
  return NULL;
}

static const char* perform(void* opaque, uint64_t* cycles) {
  state* s = opaque;
  switch (s->unit.pending) {
    case DIANA_ANALOG_ADD: return add(&s->unit, cycles);
    case DIANA_ANALOG_MAX_POOL: return max_pool(&s->unit, cycles);
    default: return convolve(s, s->unit.pending == DIANA_ANALOG_CONV2D_ADD, cycles);
  }
}

static const heddle_unit_kind kKind = {.noun = "core",
                                       .last_register = DIANA_ANALOG_MAXIMUM,
                                       .first_option = kNoise,
                                       .last_option = kSeed,
                                       .start_register = DIANA_ANALOG_START,
                                       .operations = DIANA_ANALOG_MAX_POOL,
                                       .no_operation = "the start register got the number of no operation",
                                       .perform = perform};

static void reset(void* opaque) { heddle_unit_reset(opaque, sizeof(state), &kKind); }

const heddle_model diana_analog_model = {HEDDLE_MODEL_VERSION, "diana_analog",    sizeof(state),   reset,
                                         heddle_unit_read,     heddle_unit_write, heddle_unit_step};
