/* DIANA's digital core as a model: values and cycles of its jobs, bit for bit and to the cycle of
 * accelerator.toml. README.md says what is published, fitted and assumed. Only the register map is
 * shared with the driver.
 */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum {
  kLanes = 16,   /* the array is 16 x 16; a vector of activations has 16 bytes */
  kKernel = 7,   /* the largest of a convolution */
  kWindow = 255, /* the largest of the pooling stage */
  kStride = 2,   /* the largest */
  kSegment = (kLanes - 1) * kStride + kKernel,
  kWeightMemory = 65536,
  kJobCycles = 600,
  kPoolCycles = 4, /* of each element of each window */
  kLargestSize = 65535
};

/* One activation tile. */
typedef struct tensor {
  const char* name;
  uint32_t address, pitch, plane, channels, height, width;
} tensor;

typedef struct geometry {
  uint32_t kernel_height, kernel_width, stride, pad_top, pad_left;
} geometry;

static uint32_t groups(uint32_t size) { return heddle_ceil_div(size, kLanes); }

/* Checks: each returns NULL, or what is wrong. */

/* Bytes from the address to the end of the last vector of 16. */
static uint64_t extent_of(const tensor* t) {
  return (uint64_t)(t->channels - 1u) * t->plane + (uint64_t)(t->height - 1u) * t->pitch +
         (uint64_t)kLanes * groups(t->width);
}

static const char* check_tensor(heddle_unit* unit, const tensor* t) {
  if (t->channels < 1u || t->channels > kLargestSize || t->height < 1u || t->height > kLargestSize || t->width < 1u ||
      t->width > kLargestSize) {
    return heddle_wrong(unit, "%s has the size %lu x %lu x %lu, but sizes are 1 to 65535", t->name,
                        (unsigned long)t->channels, (unsigned long)t->height, (unsigned long)t->width);
  }
  if (t->address % kLanes != 0u) {
    return heddle_wrong(unit, "%s has the address 0x%08lx, which is not a multiple of 16", t->name,
                        (unsigned long)t->address);
  }
  if (t->pitch % kLanes != 0u || t->plane % kLanes != 0u) {
    return heddle_wrong(unit, "%s has a row pitch of %lu and a plane of %lu bytes, which are not multiples of 16",
                        t->name, (unsigned long)t->pitch, (unsigned long)t->plane);
  }
  if (t->pitch < t->width) {
    return heddle_wrong(unit, "%s has a row pitch of %lu bytes for %lu columns", t->name, (unsigned long)t->pitch,
                        (unsigned long)t->width);
  }
  if (t->plane < (uint64_t)t->height * t->pitch) {
    return heddle_wrong(unit, "%s has a plane of %lu bytes for %lu rows of %lu bytes", t->name, (unsigned long)t->plane,
                        (unsigned long)t->height, (unsigned long)t->pitch);
  }
  return heddle_check_end(unit, t->name, t->address, extent_of(t));
}

static const char* check_disjoint(heddle_unit* unit, const tensor* input, const tensor* output) {
  if (!heddle_overlap(input->address, extent_of(input), output->address, extent_of(output))) return NULL;
  return heddle_wrong(unit, "%s overlaps %s", output->name, input->name);
}

static const char* check_weights(heddle_unit* unit, uint64_t bytes, uint32_t alignment) {
  const uint32_t address = heddle_get(unit, DIANA_DIGITAL_WEIGHTS);
  if (address % alignment != 0u) {
    return heddle_wrong(unit, "the weights have the address 0x%08lx, which is not a multiple of %lu",
                        (unsigned long)address, (unsigned long)alignment);
  }
  if (bytes > kWeightMemory || bytes > (uint64_t)UINT32_MAX + 1u - address) {
    return heddle_wrong(unit, "%llu bytes of weights do not fit the weight memory of 65536", (unsigned long long)bytes);
  }
  return NULL;
}

static const char* check_output_stage(heddle_unit* unit) {
  const int64_t low = heddle_get_signed(unit, DIANA_DIGITAL_MINIMUM);
  const int64_t high = heddle_get_signed(unit, DIANA_DIGITAL_MAXIMUM);
  if (heddle_get(unit, DIANA_DIGITAL_SHIFT) > 31u) {
    return heddle_wrong(unit, "the shift is %lu, but the register has 5 bits",
                        (unsigned long)heddle_get(unit, DIANA_DIGITAL_SHIFT));
  }
  if (low < -128 || high > 127 || low > high) {
    return heddle_wrong(unit, "the bounds are %ld and %ld, which is no range of signed bytes", (long)low, (long)high);
  }
  return NULL;
}

static int is_kernel(uint32_t size) { return size == 1u || size == 3u || size == 5u || size == 7u; }

static const char* check_kernel(heddle_unit* unit, const geometry* g) {
  if (is_kernel(g->kernel_height) && is_kernel(g->kernel_width)) return NULL;
  return heddle_wrong(unit, "the kernel is %lu x %lu, but sizes are 1, 3, 5 and 7", (unsigned long)g->kernel_height,
                      (unsigned long)g->kernel_width);
}

static const char* check_window(heddle_unit* unit, const geometry* g) {
  if (g->kernel_height >= 1u && g->kernel_height <= kWindow && g->kernel_width >= 1u && g->kernel_width <= kWindow)
    return NULL;
  return heddle_wrong(unit, "the window is %lu x %lu, but sizes are 1 to 255", (unsigned long)g->kernel_height,
                      (unsigned long)g->kernel_width);
}

static const char* check_geometry(heddle_unit* unit, const geometry* g, const tensor* x, const tensor* y) {
  if (g->stride > kStride) return heddle_wrong(unit, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)");
  if (g->pad_top >= g->kernel_height || g->pad_left >= g->kernel_width) {
    return heddle_wrong(unit, "the padding %lu, %lu is not less than the kernel", (unsigned long)g->pad_top,
                        (unsigned long)g->pad_left);
  }
  if ((y->height - 1u) * g->stride >= x->height + g->pad_top || (y->width - 1u) * g->stride >= x->width + g->pad_left) {
    return heddle_wrong(unit, "the last window lies outside the input");
  }
  return NULL;
}

/* Access to memory. */

/* Columns `first` to `first + count` of a row; zeros outside the row. */
static const char* load_segment(heddle_unit* unit, const tensor* t, uint32_t row_address, int64_t first, uint32_t count,
                                int8_t* segment) {
  const int64_t begin = first > 0 ? first : 0;
  const int64_t end = first + count < t->width ? first + count : t->width;
  memset(segment, 0, count);
  if (begin >= end) return NULL;
  return heddle_load(unit, t->name, row_address + (uint32_t)begin, segment + (begin - first), (uint32_t)(end - begin));
}

/* 32-bit biases, their bytes in `lanes` lanes each: byte 0 of all lanes first. */
static const char* load_biases(heddle_unit* unit, uint32_t address, uint32_t lanes, uint32_t* biases) {
  uint8_t planes[4 * kLanes];
  const char* why = heddle_load(unit, "bias", address, planes, 4u * lanes);
  if (why != NULL) return why;
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    biases[lane] = 0u;
    for (uint32_t byte = 0; byte < 4u; ++byte) biases[lane] |= (uint32_t)planes[byte * lanes + lane] << (8u * byte);
  }
  return NULL;
}

/* The output stage: (sum >> shift), which floors, clipped. */
static int8_t requantised(const heddle_unit* unit, uint32_t sum) {
  return (int8_t)heddle_clip(heddle_shift_down((int32_t)sum, heddle_get(unit, DIANA_DIGITAL_SHIFT)),
                             heddle_get_signed(unit, DIANA_DIGITAL_MINIMUM),
                             heddle_get_signed(unit, DIANA_DIGITAL_MAXIMUM));
}

/* Writes a whole vector of 16; lanes past the end of the row are zeros. */
static const char* store_vector(heddle_unit* unit, const tensor* t, uint32_t channel, uint32_t row, uint32_t column,
                                int8_t* vector) {
  const uint32_t address = t->address + channel * t->plane + row * t->pitch + column;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    if (column + lane >= t->width) vector[lane] = 0;
  }
  return heddle_store(unit, t->name, address, vector, kLanes);
}

/* Kernel rows inside the input, for one output row. */
static uint32_t rows_inside(const geometry* g, const tensor* x, uint32_t row) {
  const int64_t first = (int64_t)row * g->stride - g->pad_top;
  const int64_t begin = first > 0 ? first : 0;
  const int64_t end = first + g->kernel_height < x->height ? first + g->kernel_height : x->height;
  return (uint32_t)(end > begin ? end - begin : 0);
}

/* Adds one channel's window rows to the sums of a block of 16 columns; `lanes` output channels at
 * once. */
static const char* accumulate(heddle_unit* unit, const geometry* g, const tensor* x, uint32_t channel, uint32_t row,
                              uint32_t column, uint32_t address, uint32_t lanes, uint32_t sums[kLanes][kLanes]) {
  int8_t segment[kSegment], weights[kKernel * kLanes];
  const uint32_t count = (kLanes - 1u) * g->stride + g->kernel_width;
  for (uint32_t fy = 0; fy < g->kernel_height; ++fy) {
    const int64_t in_row = (int64_t)row * g->stride - g->pad_top + fy;
    if (in_row < 0 || in_row >= x->height) continue;
    const uint32_t bytes = g->kernel_width * lanes;
    const char* why = heddle_load(unit, "weights", address + fy * bytes, weights, bytes);
    if (why != NULL) return why;
    why = load_segment(unit, x, x->address + channel * x->plane + (uint32_t)in_row * x->pitch,
                       (int64_t)column * g->stride - g->pad_left, count, segment);
    if (why != NULL) return why;
    for (uint32_t fx = 0; fx < g->kernel_width; ++fx) {
      if (lanes == kLanes) {
        const int8_t* const w = weights + fx * kLanes;
        for (uint32_t ox = 0; ox < kLanes; ++ox) {
          const int32_t value = segment[ox * g->stride + fx];
          for (uint32_t k = 0; k < kLanes; ++k) sums[ox][k] += (uint32_t)(value * w[k]);
        }
        continue;
      }
      const int32_t w = weights[fx * lanes];
      for (uint32_t lane = 1; lane < lanes; ++lane) {
        if (weights[fx * lanes + lane] != 0)
          return heddle_wrong(unit, "a depthwise weight is not followed by three zeros");
      }
      for (uint32_t ox = 0; ox < kLanes; ++ox) sums[ox][0] += (uint32_t)(segment[ox * g->stride + fx] * w);
    }
  }
  return NULL;
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

static geometry geometry_of(const heddle_unit* unit) {
  const geometry g = {heddle_get(unit, DIANA_DIGITAL_KERNEL_HEIGHT), heddle_get(unit, DIANA_DIGITAL_KERNEL_WIDTH),
                      /* one bit; anything else is refused */
                      heddle_get(unit, DIANA_DIGITAL_STRIDE) > 1u ? 3u : heddle_get(unit, DIANA_DIGITAL_STRIDE) + 1u,
                      heddle_get(unit, DIANA_DIGITAL_PAD_TOP), heddle_get(unit, DIANA_DIGITAL_PAD_LEFT)};
  return g;
}

/* Convolution: blocks of 16 output channels and all input channels. Depthwise: one output channel
 * and its own input channel at a time, in 4 lanes of which 3 are zeros. */
static const char* convolve(heddle_unit* unit, int depthwise, uint64_t* cycles) {
  const tensor x = tensor_at(unit, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_IN_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const geometry g = geometry_of(unit);
  const char* why = check_tensor(unit, &x);
  if (why == NULL) why = check_tensor(unit, &y);
  if (why == NULL) why = check_output_stage(unit);
  if (why == NULL) why = check_kernel(unit, &g);
  if (why == NULL) why = check_geometry(unit, &g, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (why != NULL) return why;
  if (depthwise && x.channels != y.channels)
    return heddle_wrong(unit, "a depthwise job has x and y of unequal channels");

  const uint32_t lanes = depthwise ? 4u : (uint32_t)kLanes;
  const uint32_t step_channels = depthwise ? 1u : (uint32_t)kLanes; /* output channels of a block */
  const uint32_t blocks = depthwise ? y.channels : groups(y.channels);
  const uint32_t reduction = depthwise ? 1u : x.channels; /* input channels of a block */
  const uint64_t channel_bytes = (uint64_t)g.kernel_height * g.kernel_width * lanes;
  const uint64_t block_bytes = 4u * lanes + reduction * channel_bytes;
  why = check_weights(unit, blocks * block_bytes, lanes);
  if (why != NULL) return why;

  uint32_t sums[kLanes][kLanes]; /* [column][channel]; unsigned, since 32-bit adders wrap */
  for (uint32_t block = 0; block < blocks; ++block) {
    const uint32_t weights = heddle_get(unit, DIANA_DIGITAL_WEIGHTS) + block * (uint32_t)block_bytes;
    uint32_t biases[kLanes];
    why = load_biases(unit, weights, lanes, biases);
    if (why != NULL) return why;
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        for (uint32_t ox = 0; ox < kLanes; ++ox) memcpy(sums[ox], biases, lanes * sizeof biases[0]);
        for (uint32_t c = 0; c < reduction; ++c) {
          why = accumulate(unit, &g, &x, depthwise ? block : c, row, column,
                           weights + 4u * lanes + c * (uint32_t)channel_bytes, lanes, sums);
          if (why != NULL) return why;
        }
        for (uint32_t k = 0; k < step_channels && block * step_channels + k < y.channels; ++k) {
          int8_t vector[kLanes];
          for (uint32_t ox = 0; ox < kLanes; ++ox) vector[ox] = requantised(unit, sums[ox][k]);
          why = store_vector(unit, &y, block * step_channels + k, row, column, vector);
          if (why != NULL) return why;
        }
      }
    }
  }
  uint64_t rows = 0;
  for (uint32_t row = 0; row < y.height; ++row) rows += rows_inside(&g, &x, row);
  *cycles = (depthwise ? (uint64_t)kJobCycles * blocks : (uint64_t)kJobCycles) +
            (uint64_t)blocks * groups(y.width) * (rows * reduction * (g.kernel_width + 2u) + (uint64_t)23u * y.height);
  return NULL;
}

static const char* dense(heddle_unit* unit, uint64_t* cycles) {
  const uint32_t inputs = heddle_get(unit, DIANA_DIGITAL_IN_CHANNELS);
  const uint32_t outputs = heddle_get(unit, DIANA_DIGITAL_OUT_CHANNELS);
  /* A vector is a tensor of one row. */
  const uint32_t x_bytes = kLanes * groups(inputs), y_bytes = kLanes * groups(outputs);
  const tensor x = {"x", heddle_get(unit, DIANA_DIGITAL_X), x_bytes, x_bytes, 1u, 1u, inputs};
  const tensor y = {"y", heddle_get(unit, DIANA_DIGITAL_Y), y_bytes, y_bytes, 1u, 1u, outputs};
  const char* why = check_tensor(unit, &x);
  if (why == NULL) why = check_tensor(unit, &y);
  if (why == NULL) why = check_output_stage(unit);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  const uint64_t block_bytes = 4u * kLanes + (uint64_t)kLanes * x_bytes;
  if (why == NULL) why = check_weights(unit, groups(outputs) * block_bytes, kLanes);
  if (why != NULL) return why;

  for (uint32_t block = 0; block < groups(outputs); ++block) {
    const uint32_t weights = heddle_get(unit, DIANA_DIGITAL_WEIGHTS) + block * (uint32_t)block_bytes;
    uint32_t sums[kLanes];
    why = load_biases(unit, weights, kLanes, sums);
    if (why != NULL) return why;
    for (uint32_t c = 0; c < groups(inputs); ++c) {
      int8_t vector[kLanes], w[kLanes * kLanes]; /* [k][c] */
      why = heddle_load(unit, "x", x.address + c * kLanes, vector, kLanes);
      if (why == NULL) why = heddle_load(unit, "weights", weights + 4u * kLanes + c * (uint32_t)sizeof w, w, sizeof w);
      if (why != NULL) return why;
      for (uint32_t i = 0; i < sizeof w; ++i) sums[i / kLanes] += (uint32_t)(vector[i % kLanes] * w[i]);
    }
    int8_t result[kLanes];
    for (uint32_t k = 0; k < kLanes; ++k) result[k] = requantised(unit, sums[k]);
    why = store_vector(unit, &y, 0u, 0u, block * kLanes, result);
    if (why != NULL) return why;
  }
  *cycles = (uint64_t)kJobCycles * groups(outputs) + (uint64_t)groups(inputs) * groups(outputs);
  return NULL;
}

static const char* add(heddle_unit* unit, uint64_t* cycles) {
  const tensor x = tensor_at(unit, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_OUT_CHANNELS);
  const tensor residual = tensor_at(unit, "residual", DIANA_DIGITAL_RESIDUAL, DIANA_DIGITAL_OUT_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const char* why = check_tensor(unit, &x);
  if (why == NULL) why = check_tensor(unit, &residual);
  if (why == NULL) why = check_tensor(unit, &y);
  if (why == NULL) why = check_output_stage(unit);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &residual, &y);
  if (why != NULL) return why;

  for (uint32_t channel = 0; channel < y.channels; ++channel) {
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        int8_t a[kLanes], b[kLanes], sum[kLanes];
        why = load_segment(unit, &x, x.address + channel * x.plane + row * x.pitch, column, kLanes, a);
        if (why == NULL) {
          why = load_segment(unit, &residual, residual.address + channel * residual.plane + row * residual.pitch,
                             column, kLanes, b);
        }
        if (why != NULL) return why;
        for (uint32_t lane = 0; lane < kLanes; ++lane) sum[lane] = requantised(unit, (uint32_t)(a[lane] + b[lane]));
        why = store_vector(unit, &y, channel, row, column, sum);
        if (why != NULL) return why;
      }
    }
  }
  *cycles = kJobCycles + (uint64_t)y.channels * y.height * groups(y.width);
  return NULL;
}

/* One element of y: the window that begins at this row and column of x. */
static const char* pool_window(heddle_unit* unit, const geometry* g, const tensor* x, uint32_t channel, int64_t top,
                               int64_t left, int largest, int8_t* result) {
  const int64_t begin = left > 0 ? left : 0;
  const int64_t end = left + g->kernel_width < x->width ? left + g->kernel_width : x->width;
  int32_t sum = 0; /* 255 * 255 * 128 at most */
  int8_t most = -128;
  for (uint32_t fy = 0; fy < g->kernel_height && begin < end; ++fy) {
    int8_t elements[kWindow];
    if (top + fy < 0 || top + fy >= x->height) continue;
    const char* why =
        heddle_load(unit, "x", x->address + channel * x->plane + (uint32_t)(top + fy) * x->pitch + (uint32_t)begin,
                    elements, (uint32_t)(end - begin));
    if (why != NULL) return why;
    for (int64_t i = 0; i < end - begin; ++i) {
      sum += elements[i];
      if (elements[i] > most) most = elements[i];
    }
  }
  *result = largest ? most : requantised(unit, (uint32_t)sum * heddle_get(unit, DIANA_DIGITAL_MULTIPLIER));
  return NULL;
}

/* The pooling stage: the greatest element of each window, or the sum times a constant. */
static const char* pool(heddle_unit* unit, int largest, uint64_t* cycles) {
  const tensor x = tensor_at(unit, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_IN_CHANNELS);
  const tensor y = tensor_at(unit, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const geometry g = geometry_of(unit);
  const char* why = check_tensor(unit, &x);
  if (why == NULL) why = check_tensor(unit, &y);
  if (why == NULL && !largest) why = check_output_stage(unit);
  if (why == NULL) why = check_window(unit, &g);
  if (why == NULL) why = check_geometry(unit, &g, &x, &y);
  if (why == NULL) why = check_disjoint(unit, &x, &y);
  if (why != NULL) return why;
  if (x.channels != y.channels) return heddle_wrong(unit, "a pooling job has x and y of unequal channels");
  const int32_t multiplier = heddle_get_signed(unit, DIANA_DIGITAL_MULTIPLIER);
  if (!largest && (multiplier < -128 || multiplier > 127))
    return heddle_wrong(unit, "the multiplier is %ld, which is no signed byte", (long)multiplier);

  for (uint32_t channel = 0; channel < y.channels; ++channel) {
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        int8_t vector[kLanes] = {0};
        for (uint32_t lane = 0; lane < kLanes && column + lane < y.width; ++lane) {
          why = pool_window(unit, &g, &x, channel, (int64_t)row * g.stride - g.pad_top,
                            (int64_t)(column + lane) * g.stride - g.pad_left, largest, &vector[lane]);
          if (why != NULL) return why;
        }
        why = store_vector(unit, &y, channel, row, column, vector);
        if (why != NULL) return why;
      }
    }
  }
  *cycles = kJobCycles + (uint64_t)kPoolCycles * y.channels * y.height * y.width * g.kernel_height * g.kernel_width;
  return NULL;
}

static const char* perform(void* state, uint64_t* cycles) {
  heddle_unit* unit = state;
  switch (unit->pending) {
    case DIANA_DIGITAL_DENSE: return dense(unit, cycles);
    case DIANA_DIGITAL_ADD: return add(unit, cycles);
    case DIANA_DIGITAL_MAX_POOL: return pool(unit, 1, cycles);
    case DIANA_DIGITAL_MEAN_POOL: return pool(unit, 0, cycles);
    default: return convolve(unit, unit->pending == DIANA_DIGITAL_DEPTHWISE, cycles);
  }
}

static const heddle_unit_kind kKind = {.noun = "core",
                                       .last_register = DIANA_DIGITAL_MULTIPLIER,
                                       .start_register = DIANA_DIGITAL_START,
                                       .operations = DIANA_DIGITAL_MEAN_POOL,
                                       .no_operation = "the start register got the number of no operation",
                                       .perform = perform};

static void reset(void* state) { heddle_unit_reset(state, sizeof(heddle_unit), &kKind); }

const heddle_model diana_digital_model = {HEDDLE_MODEL_VERSION, "diana_digital",   sizeof(heddle_unit), reset,
                                          heddle_unit_read,     heddle_unit_write, heddle_unit_step};
