/* The array as a model: values and cycles of its jobs. README.md says where the cycles are from. Only the register map
 * is shared with the driver; GEMMINI_LIKE_LAUNCH_CYCLES is the SoC's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum {
  kDim = GEMMINI_LIKE_DIM,
  kRegisters = GEMMINI_LIKE_MAXIMUM / 4 + 1,
  kLargestSize = 65535,
  kLargestKernel = 15,
  kChannelBytes = 8 * kDim /* bias and scale of 16 channels */
};

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* a job was started */
  uint32_t error;
  const char* fault; /* of a register access */
  char message[200];
  uint32_t accumulator[GEMMINI_LIKE_ROWS][kDim]; /* unsigned, since 32-bit adders wrap */
} state;

typedef struct job {
  uint32_t x, x_pitch, x_plane, y, y_pitch, y_plane, weights;
  uint32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
  uint32_t kernel_height, kernel_width, stride, pad_top, pad_left;
  int32_t x_zero_point, zero_point, minimum, maximum;
} job;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }
static int32_t get_signed(const state* s, uint32_t offset) { return (int32_t)get(s, offset); }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == GEMMINI_LIKE_STATUS) {
    return (s->pending ? (uint32_t)GEMMINI_LIKE_BUSY : 0u) | (s->error ? (uint32_t)GEMMINI_LIKE_ERROR : 0u);
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
  } else if (offset == GEMMINI_LIKE_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the array was busy";
  } else if (offset == GEMMINI_LIKE_START) {
    if (value == 1u) {
      s->pending = 1u;
    } else {
      s->fault = "a value other than 1 was written to the start register";
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

static uint32_t blocks_of(uint32_t channels) { return (channels + kDim - 1u) / kDim; }

static const char* check_sizes(state* s, const job* j) {
  const struct {
    const char* name;
    uint32_t value, most;
  } sizes[] = {
      {"IN_CHANNELS", j->in_channels, kLargestSize},   {"IN_HEIGHT", j->in_height, kLargestSize},
      {"IN_WIDTH", j->in_width, kLargestSize},         {"OUT_CHANNELS", j->out_channels, kLargestSize},
      {"OUT_HEIGHT", j->out_height, GEMMINI_LIKE_ROWS}, {"OUT_WIDTH", j->out_width, GEMMINI_LIKE_ROWS},
      {"KERNEL_HEIGHT", j->kernel_height, kLargestKernel}, {"KERNEL_WIDTH", j->kernel_width, kLargestKernel},
      {"STRIDE", j->stride, kLargestKernel}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    if (sizes[i].value >= 1u && sizes[i].value <= sizes[i].most) continue;
    return wrong(s, "%s is %lu, but it must be 1 to %lu", sizes[i].name, (unsigned long)sizes[i].value,
                 (unsigned long)sizes[i].most);
  }
  if (j->out_height * j->out_width > GEMMINI_LIKE_ROWS)
    return wrong(s, "%lu pixels, but the accumulator has %d rows", (unsigned long)(j->out_height * j->out_width),
                 (int)GEMMINI_LIKE_ROWS);
  if (j->pad_top >= j->kernel_height || j->pad_left >= j->kernel_width)
    return wrong(s, "padding of %lu rows and %lu columns is not less than the kernel", (unsigned long)j->pad_top,
                 (unsigned long)j->pad_left);
  if ((j->out_height - 1u) * j->stride >= j->pad_top + j->in_height ||
      (j->out_width - 1u) * j->stride >= j->pad_left + j->in_width)
    return wrong(s, "the last window lies outside the image");
  const int32_t bytes[] = {j->x_zero_point, j->zero_point, j->minimum, j->maximum};
  static const char* const names[] = {"X_ZERO_POINT", "ZERO_POINT", "MINIMUM", "MAXIMUM"};
  for (size_t i = 0; i < 4u; ++i) {
    if (bytes[i] >= -128 && bytes[i] <= 127) continue;
    return wrong(s, "%s is %ld, but it must be -128 to 127", names[i], (long)bytes[i]);
  }
  return j->minimum <= j->maximum ? NULL : wrong(s, "the minimum is greater than the maximum");
}

/* An operand: its place, its distances, its bytes. */
typedef struct region {
  const char* name;
  uint32_t address, pitch, plane, channels, height, width;
  uint64_t bytes;
} region;

static const char* check_region(state* s, const region* r) {
  if ((r->address | r->pitch | r->plane) % kDim != 0u)
    return wrong(s, "the %s at 0x%08lx, with pitch %lu and plane %lu, is not in rows of 16 bytes", r->name,
                 (unsigned long)r->address, (unsigned long)r->pitch, (unsigned long)r->plane);
  if (r->pitch < kDim * blocks_of(r->channels) || r->plane < (uint64_t)r->width * r->pitch)
    return wrong(s, "the %s has pitch %lu and plane %lu, too little for %lu columns of %lu channels", r->name,
                 (unsigned long)r->pitch, (unsigned long)r->plane, (unsigned long)r->width, (unsigned long)r->channels);
  if (r->address + r->bytes > (uint64_t)UINT32_MAX + 1u)
    return wrong(s, "the %s runs past the end of the address space", r->name);
  return NULL;
}

static uint64_t weight_bytes(const job* j) {
  const uint64_t block = (uint64_t)j->kernel_height * j->kernel_width * blocks_of(j->in_channels) * kDim * kDim;
  return blocks_of(j->out_channels) * (kChannelBytes + block);
}

static const char* check(state* s, const job* j) {
  const char* why = check_sizes(s, j);
  if (why != NULL) return why;
  const region x = {"image", j->x, j->x_pitch, j->x_plane, j->in_channels, j->in_height, j->in_width,
                    (uint64_t)j->in_height * j->x_plane};
  const region y = {"result", j->y, j->y_pitch, j->y_plane, j->out_channels, j->out_height, j->out_width,
                    (uint64_t)j->out_height * j->y_plane};
  const region weights = {"weights", j->weights, kDim, kDim, 1u, 1u, 1u, weight_bytes(j)};
  const region* const all[] = {&y, &x, &weights};
  for (size_t i = 0; i < 3u && why == NULL; ++i) {
    why = check_region(s, all[i]);
    if (why == NULL && i > 0u && all[i]->address < y.address + y.bytes && y.address < all[i]->address + all[i]->bytes)
      why = wrong(s, "the result overlaps the %s", all[i]->name);
  }
  return why;
}

static const char* load(state* s, const heddle_bus* bus, const char* name, uint32_t address, void* data, uint32_t bytes) {
  if (bus->load(bus->context, address, data, bytes) == 0) return NULL;
  return wrong(s, "the %s lies outside the memories that the array reaches", name);
}

static uint32_t word_of(const uint8_t* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static float scale_of(const uint8_t* bytes) {
  const uint32_t word = word_of(bytes);
  float scale;
  memcpy(&scale, &word, sizeof scale);
  return scale;
}

/* One pass: 16 x 16 weights stay in the array, all pixels run through it. */
static const char* pass(state* s, const heddle_bus* bus, const job* j, uint32_t weights, uint32_t fy, uint32_t fx,
                        uint32_t channel) {
  int8_t array[kDim][kDim], pixel[kDim];
  const char* why = load(s, bus, "weights", weights, array, sizeof array);
  for (uint32_t p = 0; p < j->out_height * j->out_width && why == NULL; ++p) {
    const int64_t row = (int64_t)(p / j->out_width * j->stride + fy) - j->pad_top;
    const int64_t column = (int64_t)(p % j->out_width * j->stride + fx) - j->pad_left;
    if (row < 0 || row >= j->in_height || column < 0 || column >= j->in_width) continue;
    why = load(s, bus, "image", j->x + (uint32_t)row * j->x_plane + (uint32_t)column * j->x_pitch + channel, pixel,
               sizeof pixel);
    for (uint32_t c = 0; c < kDim; ++c) {
      const int32_t value = pixel[c] - j->x_zero_point;
      for (uint32_t k = 0; k < kDim; ++k) s->accumulator[p][k] += (uint32_t)(value * array[c][k]);
    }
  }
  return why;
}

/* float32 at every step; the sum with 1.5 * 2^23 leaves no room for a fraction. */
static int8_t requantised(uint32_t sum, float scale, const job* j) {
  const float least = (float)(j->minimum - j->zero_point), most = (float)(j->maximum - j->zero_point);
  volatile float real = (float)(int32_t)sum * scale;
  if (!(real > least)) real = least;
  if (real > most) real = most;
  real = real + 12582912.0f;
  real = real - 12582912.0f;
  return (int8_t)((int32_t)real + j->zero_point);
}

/* 16 output channels of all pixels. */
static const char* compute_block(state* s, const heddle_bus* bus, const job* j, uint32_t block, uint32_t weights) {
  uint8_t channels[kChannelBytes];
  const uint32_t pixels = j->out_height * j->out_width;
  const char* why = load(s, bus, "weights", weights, channels, sizeof channels);
  for (uint32_t p = 0; p < pixels; ++p)
    for (uint32_t k = 0; k < kDim; ++k) s->accumulator[p][k] = word_of(channels + 4u * k);
  weights += kChannelBytes;
  for (uint32_t tap = 0; tap < j->kernel_height * j->kernel_width; ++tap) {
    for (uint32_t c = 0; c < j->in_channels && why == NULL; c += kDim, weights += kDim * kDim)
      why = pass(s, bus, j, weights, tap / j->kernel_width, tap % j->kernel_width, c);
  }
  for (uint32_t p = 0; p < pixels && why == NULL; ++p) {
    int8_t out[kDim];
    for (uint32_t k = 0; k < kDim; ++k) {
      const int real = block * kDim + k < j->out_channels;
      out[k] = real ? requantised(s->accumulator[p][k], scale_of(channels + 4u * (kDim + k)), j) : (int8_t)0;
    }
    const uint32_t address =
        j->y + p / j->out_width * j->y_plane + p % j->out_width * j->y_pitch + block * kDim;
    if (bus->store(bus->context, address, out, sizeof out) != 0)
      why = wrong(s, "the result lies outside the memories that the array may write");
  }
  return why;
}

static const char* convolve(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const job j = {get(s, GEMMINI_LIKE_X), get(s, GEMMINI_LIKE_X_PITCH), get(s, GEMMINI_LIKE_X_PLANE),
                 get(s, GEMMINI_LIKE_Y), get(s, GEMMINI_LIKE_Y_PITCH), get(s, GEMMINI_LIKE_Y_PLANE),
                 get(s, GEMMINI_LIKE_WEIGHTS), get(s, GEMMINI_LIKE_IN_CHANNELS), get(s, GEMMINI_LIKE_IN_HEIGHT),
                 get(s, GEMMINI_LIKE_IN_WIDTH), get(s, GEMMINI_LIKE_OUT_CHANNELS), get(s, GEMMINI_LIKE_OUT_HEIGHT),
                 get(s, GEMMINI_LIKE_OUT_WIDTH), get(s, GEMMINI_LIKE_KERNEL_HEIGHT), get(s, GEMMINI_LIKE_KERNEL_WIDTH),
                 get(s, GEMMINI_LIKE_STRIDE), get(s, GEMMINI_LIKE_PAD_TOP), get(s, GEMMINI_LIKE_PAD_LEFT),
                 get_signed(s, GEMMINI_LIKE_X_ZERO_POINT), get_signed(s, GEMMINI_LIKE_ZERO_POINT),
                 get_signed(s, GEMMINI_LIKE_MINIMUM), get_signed(s, GEMMINI_LIKE_MAXIMUM)};
  const char* why = check(s, &j);
  if (why != NULL) return why;
  const uint32_t blocks = blocks_of(j.out_channels);
  const uint32_t block_bytes = (uint32_t)(weight_bytes(&j) / blocks);
  for (uint32_t block = 0; block < blocks && why == NULL; ++block)
    why = compute_block(s, bus, &j, block, j.weights + block * block_bytes);
  /* A pass takes a row of pixels a cycle, and no less than the next weights take to come in. */
  const uint64_t pixels = (uint64_t)j.out_height * j.out_width;
  const uint64_t passes = (uint64_t)j.kernel_height * j.kernel_width * blocks_of(j.in_channels);
  const uint64_t row = pixels > (uint64_t)kDim ? pixels : (uint64_t)kDim;
  *cycles = GEMMINI_LIKE_LAUNCH_CYCLES + blocks * (3u * (uint64_t)kDim + passes * row + pixels);
  return why;
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (!s->pending) return 0;
    *why = convolve(s, bus, cycles);
  }
  s->pending = 0u;
  s->error = *why != NULL;
  return *why == NULL ? 1 : -1;
}

const heddle_model gemmini_like_model = {HEDDLE_MODEL_VERSION, "gemmini_like", sizeof(state), reset,
                                         read_register,        write_register, step};
