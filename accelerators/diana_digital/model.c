/* DIANA's digital core as a model: values and cycles of its jobs, bit for bit and to the cycle of
 * accelerator.toml. README.md says what is published, fitted and assumed. Only the register map is
 * shared with the driver.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum {
  kRegisters = DIANA_DIGITAL_MULTIPLIER / 4 + 1,
  kLanes = 16, /* the array is 16 x 16; a vector of activations has 16 bytes */
  kKernel = 7, /* the largest of a convolution */
  kWindow = 255, /* the largest of the pooling stage */
  kStride = 2, /* the largest */
  kSegment = (kLanes - 1) * kStride + kKernel,
  kWeightMemory = 65536,
  kJobCycles = 600,
  kPoolCycles = 4, /* of each element of each window */
  kLargestSize = 65535
};

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* the operation that was started, 0 if none */
  uint32_t error;
  const char* fault; /* of a register access */
  char message[200];
  uint32_t sums[kLanes][kLanes]; /* [column][channel]; unsigned, since 32-bit adders wrap */
  int8_t weights[kKernel * kLanes];
} state;

/* One activation tile. */
typedef struct tensor {
  const char* name;
  uint32_t address, pitch, plane, channels, height, width;
} tensor;

typedef struct geometry {
  uint32_t kernel_height, kernel_width, stride, pad_top, pad_left;
} geometry;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

static uint32_t groups(uint32_t size) { return (size + kLanes - 1u) / kLanes; }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == DIANA_DIGITAL_STATUS) {
    return (s->pending ? (uint32_t)DIANA_DIGITAL_BUSY : 0u) |
           (s->error ? (uint32_t)DIANA_DIGITAL_ERROR : 0u);
  }
  if (offset % 4u != 0u || offset / 4u >= kRegisters) {
    s->fault = "a read of an address that is no register";
    return 0u;
  }
  return get(s, offset);
}

static void write_register(void* opaque, uint32_t offset, uint32_t value) {
  state* s = opaque;
  if (offset % 4u != 0u || offset / 4u >= kRegisters) {
    s->fault = "a write to an address that is no register";
  } else if (offset == DIANA_DIGITAL_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the core was busy";
  } else if (offset == DIANA_DIGITAL_START) {
    if (value >= DIANA_DIGITAL_CONV2D && value <= DIANA_DIGITAL_MEAN_POOL) {
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

/* Bytes from the address to the end of the last vector of 16. */
static uint64_t extent_of(const tensor* t) {
  return (uint64_t)(t->channels - 1u) * t->plane + (uint64_t)(t->height - 1u) * t->pitch +
         (uint64_t)kLanes * groups(t->width);
}

static const char* check_tensor(state* s, const tensor* t) {
  if (t->channels < 1u || t->channels > kLargestSize || t->height < 1u ||
      t->height > kLargestSize || t->width < 1u || t->width > kLargestSize) {
    return wrong(s, "%s has the size %lu x %lu x %lu, but sizes are 1 to 65535", t->name,
                 (unsigned long)t->channels, (unsigned long)t->height, (unsigned long)t->width);
  }
  if (t->address % kLanes != 0u) {
    return wrong(s, "%s has the address 0x%08lx, which is not a multiple of 16", t->name,
                 (unsigned long)t->address);
  }
  if (t->pitch % kLanes != 0u || t->plane % kLanes != 0u) {
    return wrong(
        s, "%s has a row pitch of %lu and a plane of %lu bytes, which are not multiples of 16",
        t->name, (unsigned long)t->pitch, (unsigned long)t->plane);
  }
  if (t->pitch < t->width) {
    return wrong(s, "%s has a row pitch of %lu bytes for %lu columns", t->name,
                 (unsigned long)t->pitch, (unsigned long)t->width);
  }
  if (t->plane < (uint64_t)t->height * t->pitch) {
    return wrong(s, "%s has a plane of %lu bytes for %lu rows of %lu bytes", t->name,
                 (unsigned long)t->plane, (unsigned long)t->height, (unsigned long)t->pitch);
  }
  if (t->address + extent_of(t) > (uint64_t)UINT32_MAX + 1u) {
    return wrong(s, "%s runs past the end of the address space", t->name);
  }
  return NULL;
}

static const char* check_disjoint(state* s, const tensor* input, const tensor* output) {
  if (input->address < output->address + extent_of(output) &&
      output->address < input->address + extent_of(input)) {
    return wrong(s, "%s overlaps %s", output->name, input->name);
  }
  return NULL;
}

static const char* check_weights(state* s, uint64_t bytes, uint32_t alignment) {
  const uint32_t address = get(s, DIANA_DIGITAL_WEIGHTS);
  if (address % alignment != 0u) {
    return wrong(s, "the weights have the address 0x%08lx, which is not a multiple of %lu",
                 (unsigned long)address, (unsigned long)alignment);
  }
  if (bytes > kWeightMemory || address + bytes > (uint64_t)UINT32_MAX + 1u) {
    return wrong(s, "%llu bytes of weights do not fit the weight memory of 65536",
                 (unsigned long long)bytes);
  }
  return NULL;
}

static const char* check_output_stage(state* s) {
  const int64_t low = (int32_t)get(s, DIANA_DIGITAL_MINIMUM);
  const int64_t high = (int32_t)get(s, DIANA_DIGITAL_MAXIMUM);
  if (get(s, DIANA_DIGITAL_SHIFT) > 31u) {
    return wrong(s, "the shift is %lu, but the register has 5 bits",
                 (unsigned long)get(s, DIANA_DIGITAL_SHIFT));
  }
  if (low < -128 || high > 127 || low > high) {
    return wrong(s, "the bounds are %ld and %ld, which is no range of signed bytes", (long)low,
                 (long)high);
  }
  return NULL;
}

static int is_kernel(uint32_t size) { return size == 1u || size == 3u || size == 5u || size == 7u; }

static const char* check_kernel(state* s, const geometry* g) {
  if (is_kernel(g->kernel_height) && is_kernel(g->kernel_width)) return NULL;
  return wrong(s, "the kernel is %lu x %lu, but sizes are 1, 3, 5 and 7",
               (unsigned long)g->kernel_height, (unsigned long)g->kernel_width);
}

static const char* check_window(state* s, const geometry* g) {
  if (g->kernel_height >= 1u && g->kernel_height <= kWindow && g->kernel_width >= 1u &&
      g->kernel_width <= kWindow)
    return NULL;
  return wrong(s, "the window is %lu x %lu, but sizes are 1 to 255",
               (unsigned long)g->kernel_height, (unsigned long)g->kernel_width);
}

static const char* check_geometry(state* s, const geometry* g, const tensor* x, const tensor* y) {
  if (g->stride > kStride)
    return wrong(s, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)");
  if (g->pad_top >= g->kernel_height || g->pad_left >= g->kernel_width) {
    return wrong(s, "the padding %lu, %lu is not less than the kernel", (unsigned long)g->pad_top,
                 (unsigned long)g->pad_left);
  }
  if ((y->height - 1u) * g->stride >= x->height + g->pad_top ||
      (y->width - 1u) * g->stride >= x->width + g->pad_left) {
    return wrong(s, "the last window lies outside the input");
  }
  return NULL;
}

/* Access to memory. */

static const char* load(state* s, const heddle_bus* bus, const char* name, uint32_t address,
                        void* data, uint32_t bytes) {
  if (bus->load(bus->context, address, data, bytes) == 0) return NULL;
  return wrong(s, "%s lies outside the memories that the core reaches", name);
}

/* Columns `first` to `first + count` of a row; zeros outside the row. */
static const char* load_segment(state* s, const heddle_bus* bus, const tensor* t,
                                uint32_t row_address, int64_t first, uint32_t count,
                                int8_t* segment) {
  const int64_t begin = first > 0 ? first : 0;
  const int64_t end = first + count < t->width ? first + count : t->width;
  memset(segment, 0, count);
  if (begin >= end) return NULL;
  return load(s, bus, t->name, row_address + (uint32_t)begin, segment + (begin - first),
              (uint32_t)(end - begin));
}

/* 32-bit biases, their bytes in `lanes` lanes each: byte 0 of all lanes first. */
static const char* load_biases(state* s, const heddle_bus* bus, uint32_t address, uint32_t lanes,
                               uint32_t* biases) {
  uint8_t planes[4 * kLanes];
  const char* why = load(s, bus, "bias", address, planes, 4u * lanes);
  if (why != NULL) return why;
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    biases[lane] = 0u;
    for (uint32_t byte = 0; byte < 4u; ++byte)
      biases[lane] |= (uint32_t)planes[byte * lanes + lane] << (8u * byte);
  }
  return NULL;
}

/* The output stage: (sum >> shift), which floors, clipped. */
static int8_t requantised(const state* s, uint32_t sum) {
  const int32_t low = (int32_t)get(s, DIANA_DIGITAL_MINIMUM);
  const int32_t high = (int32_t)get(s, DIANA_DIGITAL_MAXIMUM);
  const uint32_t shift = get(s, DIANA_DIGITAL_SHIFT);
  const int32_t value = (sum >> 31) == 0u ? (int32_t)(sum >> shift) : -1 - (int32_t)(~sum >> shift);
  return (int8_t)(value < low ? low : value > high ? high : value);
}

/* Writes a whole vector of 16; lanes past the end of the row are zeros. */
static const char* store_vector(state* s, const heddle_bus* bus, const tensor* t, uint32_t channel,
                                uint32_t row, uint32_t column, int8_t* vector) {
  const uint32_t address = t->address + channel * t->plane + row * t->pitch + column;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    if (column + lane >= t->width) vector[lane] = 0;
  }
  if (bus->store(bus->context, address, vector, kLanes) == 0) return NULL;
  return wrong(s, "%s lies outside the memories that the core may write", t->name);
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
static const char* accumulate(state* s, const heddle_bus* bus, const geometry* g, const tensor* x,
                              uint32_t channel, uint32_t row, uint32_t column, uint32_t weights,
                              uint32_t lanes) {
  int8_t segment[kSegment];
  const uint32_t count = (kLanes - 1u) * g->stride + g->kernel_width;
  for (uint32_t fy = 0; fy < g->kernel_height; ++fy) {
    const int64_t in_row = (int64_t)row * g->stride - g->pad_top + fy;
    if (in_row < 0 || in_row >= x->height) continue;
    const uint32_t bytes = g->kernel_width * lanes;
    const char* why = load(s, bus, "weights", weights + fy * bytes, s->weights, bytes);
    if (why != NULL) return why;
    why = load_segment(s, bus, x, x->address + channel * x->plane + (uint32_t)in_row * x->pitch,
                       (int64_t)column * g->stride - g->pad_left, count, segment);
    if (why != NULL) return why;
    for (uint32_t fx = 0; fx < g->kernel_width; ++fx) {
      if (lanes == kLanes) {
        const int8_t* const w = s->weights + fx * kLanes;
        for (uint32_t ox = 0; ox < kLanes; ++ox) {
          const int32_t value = segment[ox * g->stride + fx];
          for (uint32_t k = 0; k < kLanes; ++k) s->sums[ox][k] += (uint32_t)(value * w[k]);
        }
        continue;
      }
      const int32_t w = s->weights[fx * lanes];
      for (uint32_t lane = 1; lane < lanes; ++lane) {
        if (s->weights[fx * lanes + lane] != 0)
          return wrong(s, "a depthwise weight is not followed by three zeros");
      }
      for (uint32_t ox = 0; ox < kLanes; ++ox)
        s->sums[ox][0] += (uint32_t)(segment[ox * g->stride + fx] * w);
    }
  }
  return NULL;
}

/* The operations. Each returns NULL and its cycles, or what is wrong. */

static tensor tensor_at(const state* s, const char* name, uint32_t first_register,
                        uint32_t first_size) {
  const tensor t = {name,
                    get(s, first_register),
                    get(s, first_register + 4u),
                    get(s, first_register + 8u),
                    get(s, first_size),
                    get(s, first_size + 4u),
                    get(s, first_size + 8u)};
  return t;
}

static geometry geometry_of(const state* s) {
  const geometry g = {get(s, DIANA_DIGITAL_KERNEL_HEIGHT), get(s, DIANA_DIGITAL_KERNEL_WIDTH),
                      /* one bit; anything else is refused */
                      get(s, DIANA_DIGITAL_STRIDE) > 1u ? 3u : get(s, DIANA_DIGITAL_STRIDE) + 1u,
                      get(s, DIANA_DIGITAL_PAD_TOP), get(s, DIANA_DIGITAL_PAD_LEFT)};
  return g;
}

/* Convolution: blocks of 16 output channels and all input channels. Depthwise: one output channel
 * and its own input channel at a time, in 4 lanes of which 3 are zeros. */
static const char* convolve(state* s, const heddle_bus* bus, int depthwise, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_IN_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const geometry g = geometry_of(s);
  const char* why = check_tensor(s, &x);
  if (why == NULL) why = check_tensor(s, &y);
  if (why == NULL) why = check_output_stage(s);
  if (why == NULL) why = check_kernel(s, &g);
  if (why == NULL) why = check_geometry(s, &g, &x, &y);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (why != NULL) return why;
  if (depthwise && x.channels != y.channels)
    return wrong(s, "a depthwise job has x and y of unequal channels");

  const uint32_t lanes = depthwise ? 4u : (uint32_t)kLanes;
  const uint32_t step_channels = depthwise ? 1u : (uint32_t)kLanes; /* output channels of a block */
  const uint32_t blocks = depthwise ? y.channels : groups(y.channels);
  const uint32_t reduction = depthwise ? 1u : x.channels; /* input channels of a block */
  const uint64_t channel_bytes = (uint64_t)g.kernel_height * g.kernel_width * lanes;
  const uint64_t block_bytes = 4u * lanes + reduction * channel_bytes;
  why = check_weights(s, blocks * block_bytes, lanes);
  if (why != NULL) return why;

  for (uint32_t block = 0; block < blocks; ++block) {
    const uint32_t weights = get(s, DIANA_DIGITAL_WEIGHTS) + block * (uint32_t)block_bytes;
    uint32_t biases[kLanes];
    why = load_biases(s, bus, weights, lanes, biases);
    if (why != NULL) return why;
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        for (uint32_t ox = 0; ox < kLanes; ++ox)
          memcpy(s->sums[ox], biases, lanes * sizeof biases[0]);
        for (uint32_t c = 0; c < reduction; ++c) {
          why = accumulate(s, bus, &g, &x, depthwise ? block : c, row, column,
                           weights + 4u * lanes + c * (uint32_t)channel_bytes, lanes);
          if (why != NULL) return why;
        }
        for (uint32_t k = 0; k < step_channels && block * step_channels + k < y.channels; ++k) {
          int8_t vector[kLanes];
          for (uint32_t ox = 0; ox < kLanes; ++ox) vector[ox] = requantised(s, s->sums[ox][k]);
          why = store_vector(s, bus, &y, block * step_channels + k, row, column, vector);
          if (why != NULL) return why;
        }
      }
    }
  }
  uint64_t rows = 0;
  for (uint32_t row = 0; row < y.height; ++row) rows += rows_inside(&g, &x, row);
  *cycles = (depthwise ? (uint64_t)kJobCycles * blocks : (uint64_t)kJobCycles) +
            (uint64_t)blocks * groups(y.width) *
                (rows * reduction * (g.kernel_width + 2u) + (uint64_t)23u * y.height);
  return NULL;
}

static const char* dense(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const uint32_t inputs = get(s, DIANA_DIGITAL_IN_CHANNELS);
  const uint32_t outputs = get(s, DIANA_DIGITAL_OUT_CHANNELS);
  /* A vector is a tensor of one row. */
  const uint32_t x_bytes = kLanes * groups(inputs), y_bytes = kLanes * groups(outputs);
  const tensor x = {"x", get(s, DIANA_DIGITAL_X), x_bytes, x_bytes, 1u, 1u, inputs};
  const tensor y = {"y", get(s, DIANA_DIGITAL_Y), y_bytes, y_bytes, 1u, 1u, outputs};
  const char* why = check_tensor(s, &x);
  if (why == NULL) why = check_tensor(s, &y);
  if (why == NULL) why = check_output_stage(s);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  const uint64_t block_bytes = 4u * kLanes + (uint64_t)kLanes * x_bytes;
  if (why == NULL) why = check_weights(s, groups(outputs) * block_bytes, kLanes);
  if (why != NULL) return why;

  for (uint32_t block = 0; block < groups(outputs); ++block) {
    const uint32_t weights = get(s, DIANA_DIGITAL_WEIGHTS) + block * (uint32_t)block_bytes;
    uint32_t sums[kLanes];
    why = load_biases(s, bus, weights, kLanes, sums);
    if (why != NULL) return why;
    for (uint32_t c = 0; c < groups(inputs); ++c) {
      int8_t vector[kLanes], w[kLanes * kLanes]; /* [k][c] */
      why = load(s, bus, "x", x.address + c * kLanes, vector, kLanes);
      if (why == NULL)
        why = load(s, bus, "weights", weights + 4u * kLanes + c * (uint32_t)sizeof w, w, sizeof w);
      if (why != NULL) return why;
      for (uint32_t i = 0; i < sizeof w; ++i)
        sums[i / kLanes] += (uint32_t)(vector[i % kLanes] * w[i]);
    }
    int8_t result[kLanes];
    for (uint32_t k = 0; k < kLanes; ++k) result[k] = requantised(s, sums[k]);
    why = store_vector(s, bus, &y, 0u, 0u, block * kLanes, result);
    if (why != NULL) return why;
  }
  *cycles = (uint64_t)kJobCycles * groups(outputs) + (uint64_t)groups(inputs) * groups(outputs);
  return NULL;
}

static const char* add(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_OUT_CHANNELS);
  const tensor residual =
      tensor_at(s, "residual", DIANA_DIGITAL_RESIDUAL, DIANA_DIGITAL_OUT_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const char* why = check_tensor(s, &x);
  if (why == NULL) why = check_tensor(s, &residual);
  if (why == NULL) why = check_tensor(s, &y);
  if (why == NULL) why = check_output_stage(s);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (why == NULL) why = check_disjoint(s, &residual, &y);
  if (why != NULL) return why;

  for (uint32_t channel = 0; channel < y.channels; ++channel) {
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        int8_t a[kLanes], b[kLanes], sum[kLanes];
        why = load_segment(s, bus, &x, x.address + channel * x.plane + row * x.pitch, column,
                           kLanes, a);
        if (why == NULL) {
          why = load_segment(s, bus, &residual,
                             residual.address + channel * residual.plane + row * residual.pitch,
                             column, kLanes, b);
        }
        if (why != NULL) return why;
        for (uint32_t lane = 0; lane < kLanes; ++lane)
          sum[lane] = requantised(s, (uint32_t)(a[lane] + b[lane]));
        why = store_vector(s, bus, &y, channel, row, column, sum);
        if (why != NULL) return why;
      }
    }
  }
  *cycles = kJobCycles + (uint64_t)y.channels * y.height * groups(y.width);
  return NULL;
}

/* One element of y: the window that begins at this row and column of x. */
static const char* pool_window(state* s, const heddle_bus* bus, const geometry* g, const tensor* x,
                               uint32_t channel, int64_t top, int64_t left, int largest,
                               int8_t* result) {
  const int64_t begin = left > 0 ? left : 0;
  const int64_t end = left + g->kernel_width < x->width ? left + g->kernel_width : x->width;
  int32_t sum = 0; /* 255 * 255 * 128 at most */
  int8_t most = -128;
  for (uint32_t fy = 0; fy < g->kernel_height && begin < end; ++fy) {
    int8_t elements[kWindow];
    if (top + fy < 0 || top + fy >= x->height) continue;
    const char* why = load(s, bus, "x",
                           x->address + channel * x->plane + (uint32_t)(top + fy) * x->pitch +
                               (uint32_t)begin,
                           elements, (uint32_t)(end - begin));
    if (why != NULL) return why;
    for (int64_t i = 0; i < end - begin; ++i) {
      sum += elements[i];
      if (elements[i] > most) most = elements[i];
    }
  }
  *result = largest ? most : requantised(s, (uint32_t)sum * get(s, DIANA_DIGITAL_MULTIPLIER));
  return NULL;
}

/* The pooling stage: the greatest element of each window, or the sum times a constant. */
static const char* pool(state* s, const heddle_bus* bus, int largest, uint64_t* cycles) {
  const tensor x = tensor_at(s, "x", DIANA_DIGITAL_X, DIANA_DIGITAL_IN_CHANNELS);
  const tensor y = tensor_at(s, "y", DIANA_DIGITAL_Y, DIANA_DIGITAL_OUT_CHANNELS);
  const geometry g = geometry_of(s);
  const char* why = check_tensor(s, &x);
  if (why == NULL) why = check_tensor(s, &y);
  if (why == NULL && !largest) why = check_output_stage(s);
  if (why == NULL) why = check_window(s, &g);
  if (why == NULL) why = check_geometry(s, &g, &x, &y);
  if (why == NULL) why = check_disjoint(s, &x, &y);
  if (why != NULL) return why;
  if (x.channels != y.channels) return wrong(s, "a pooling job has x and y of unequal channels");
  const int32_t multiplier = (int32_t)get(s, DIANA_DIGITAL_MULTIPLIER);
  if (!largest && (multiplier < -128 || multiplier > 127))
    return wrong(s, "the multiplier is %ld, which is no signed byte", (long)multiplier);

  for (uint32_t channel = 0; channel < y.channels; ++channel) {
    for (uint32_t row = 0; row < y.height; ++row) {
      for (uint32_t column = 0; column < y.width; column += kLanes) {
        int8_t vector[kLanes] = {0};
        for (uint32_t lane = 0; lane < kLanes && column + lane < y.width; ++lane) {
          why = pool_window(s, bus, &g, &x, channel, (int64_t)row * g.stride - g.pad_top,
                            (int64_t)(column + lane) * g.stride - g.pad_left, largest,
                            &vector[lane]);
          if (why != NULL) return why;
        }
        why = store_vector(s, bus, &y, channel, row, column, vector);
        if (why != NULL) return why;
      }
    }
  }
  *cycles = kJobCycles + (uint64_t)kPoolCycles * y.channels * y.height * y.width *
                             g.kernel_height * g.kernel_width;
  return NULL;
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (s->pending == 0u) return 0;
    if (s->pending == DIANA_DIGITAL_DENSE) {
      *why = dense(s, bus, cycles);
    } else if (s->pending == DIANA_DIGITAL_ADD) {
      *why = add(s, bus, cycles);
    } else if (s->pending >= DIANA_DIGITAL_MAX_POOL) {
      *why = pool(s, bus, s->pending == DIANA_DIGITAL_MAX_POOL, cycles);
    } else {
      *why = convolve(s, bus, s->pending == DIANA_DIGITAL_DEPTHWISE, cycles);
    }
  }
  s->pending = 0u;
  s->error = *why != NULL;
  return *why == NULL ? 1 : -1;
}

const heddle_model diana_digital_model = {
    HEDDLE_MODEL_VERSION, "diana_digital", sizeof(state), reset,
    read_register,        write_register,  step};
