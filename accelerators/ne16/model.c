/* The engine as a model: values and cycles of its jobs. README.md says where the cycles are from. Only the register map
 * is shared with the driver; NE16_LAUNCH_CYCLES is the SoC's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum {
  kRegisters = NE16_MAXIMUM / 4 + 1,
  kLargestSize = 65535,
  kInputs = 16, /* of a block: channels that are summed at once, or that a depthwise job computes */
  kOutputs = 32,
  kLargestKernel = 3,
  kSide = 3, /* of a sub-tile */
  kMostShift = 62,
  kFlags = NE16_X_SIGNED | NE16_SUMS | NE16_MULTIPLY | NE16_HALF_UP
};

/* Cycles: README.md. */
enum {
  kLoad = 6, /* and one a pixel */
  kSetUp3x3 = 6,
  kSetUp1x1 = 10,
  kExit3x3 = 8,
  kBits = 8, /* of a weight, one a cycle */
  kDepthwiseOffset = 34,
  kShift = 7,
  kMultiply = 4 * 8 + 9,
  kBias = 8,
  kOut1x1 = 3
};

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* the operation that was started */
  uint32_t error;
  const char* fault; /* of a register access */
  char message[200];
} state;

typedef struct job {
  uint32_t operation;
  uint32_t x, x_pitch, x_plane, y, y_pitch, y_plane, weights;
  uint32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
  uint32_t kernel, stride, pad_top, pad_left, flags;
  int32_t x_zero_point;
  uint32_t shift;
  int32_t zero_point, minimum, maximum;
} job;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }
static int32_t get_signed(const state* s, uint32_t offset) { return (int32_t)get(s, offset); }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == NE16_STATUS) {
    return (s->pending ? (uint32_t)NE16_BUSY : 0u) | (s->error ? (uint32_t)NE16_ERROR : 0u);
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
  } else if (offset == NE16_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the engine was busy";
  } else if (offset == NE16_START) {
    if (value == NE16_CONV2D || value == NE16_DEPTHWISE) {
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

static uint32_t blocks_of(uint32_t channels, uint32_t size) { return (channels + size - 1u) / size; }
static int has(const job* j, uint32_t flag) { return (j->flags & flag) != 0u; }
static int is_depthwise(const job* j) { return j->operation == NE16_DEPTHWISE; }

static const char* check_sizes(state* s, const job* j) {
  const struct {
    const char* name;
    uint32_t value;
  } sizes[] = {{"IN_CHANNELS", j->in_channels},   {"IN_HEIGHT", j->in_height},   {"IN_WIDTH", j->in_width},
               {"OUT_CHANNELS", j->out_channels}, {"OUT_HEIGHT", j->out_height}, {"OUT_WIDTH", j->out_width}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    if (sizes[i].value >= 1u && sizes[i].value <= kLargestSize) continue;
    return wrong(s, "%s is %lu, but it must be 1 to %d", sizes[i].name, (unsigned long)sizes[i].value,
                 (int)kLargestSize);
  }
  if (is_depthwise(j) ? j->kernel != 3u : j->kernel != 1u && j->kernel != 3u)
    return wrong(s, "a filter of %lu x %lu", (unsigned long)j->kernel, (unsigned long)j->kernel);
  if (is_depthwise(j) && j->in_channels != j->out_channels)
    return wrong(s, "a depthwise job of %lu input and %lu output channels", (unsigned long)j->in_channels,
                 (unsigned long)j->out_channels);
  if (j->stride != 1u && j->stride != 2u) return wrong(s, "a stride of %lu", (unsigned long)j->stride);
  if (j->pad_top >= j->kernel || j->pad_left >= j->kernel)
    return wrong(s, "padding of %lu rows and %lu columns is not less than the filter", (unsigned long)j->pad_top,
                 (unsigned long)j->pad_left);
  if ((j->out_height - 1u) * j->stride >= j->pad_top + j->in_height ||
      (j->out_width - 1u) * j->stride >= j->pad_left + j->in_width)
    return wrong(s, "the last window lies outside the image");
  return NULL;
}

static const char* check_numbers(state* s, const job* j) {
  if ((j->flags & ~(uint32_t)kFlags) != 0u) return wrong(s, "FLAGS has bits that mean nothing");
  const int sums = has(j, NE16_SUMS);
  const struct {
    const char* name;
    int64_t value, least, most;
  } numbers[] = {{"X_ZERO_POINT", j->x_zero_point, -128, 255},
                 {"SHIFT", j->shift, 0, sums ? 0 : kMostShift},
                 {"ZERO_POINT", j->zero_point, -32768, 32767},
                 {"MINIMUM", j->minimum, -128, 255},
                 {"MAXIMUM", j->maximum, -128, 255}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
    if (numbers[i].value >= numbers[i].least && numbers[i].value <= numbers[i].most) continue;
    return wrong(s, "%s is %ld, but it must be %ld to %ld", numbers[i].name, (long)numbers[i].value,
                 (long)numbers[i].least, (long)numbers[i].most);
  }
  if (j->minimum > j->maximum) return wrong(s, "the minimum is greater than the maximum");
  if (j->minimum < 0 && j->maximum > 127)
    return wrong(s, "results from %ld to %ld fit no byte", (long)j->minimum, (long)j->maximum);
  return NULL;
}

/* An operand: its place, its distances, its bytes. */
typedef struct region {
  const char* name;
  uint32_t address, pitch, plane, pixel_bytes, height, width, alignment;
  uint64_t bytes;
} region;

static region region_of(const char* name, uint32_t address, uint32_t pitch, uint32_t plane, uint32_t height,
                        uint32_t width, uint32_t channels, uint32_t element) {
  const uint64_t bytes = (uint64_t)(height - 1u) * plane + (uint64_t)(width - 1u) * pitch + (uint64_t)channels * element;
  const region r = {name, address, pitch, plane, channels * element, height, width, element, bytes};
  return r;
}

static const char* check_region(state* s, const region* r) {
  if ((r->address | r->pitch | r->plane) % r->alignment != 0u)
    return wrong(s, "the %s at 0x%08lx, with pitch %lu and plane %lu, is not aligned to %lu bytes", r->name,
                 (unsigned long)r->address, (unsigned long)r->pitch, (unsigned long)r->plane,
                 (unsigned long)r->alignment);
  if ((r->width > 1u && r->pitch < r->pixel_bytes) ||
      (r->height > 1u && r->plane < (uint64_t)(r->width - 1u) * r->pitch + r->pixel_bytes))
    return wrong(s, "the %s has pitch %lu and plane %lu, too little for %lu columns of %lu bytes", r->name,
                 (unsigned long)r->pitch, (unsigned long)r->plane, (unsigned long)r->width,
                 (unsigned long)r->pixel_bytes);
  if (r->address + r->bytes > (uint64_t)UINT32_MAX + 1u)
    return wrong(s, "the %s runs past the end of the address space", r->name);
  return NULL;
}

/* Numbers beside the weights of a channel: bias, and multiplier, addend, shift. */
static uint32_t parameters_of(const job* j) { return has(j, NE16_SUMS) ? 1u : 4u; }

/* Bytes of the constants of one channel, or of 16 of a depthwise job. */
static uint32_t block_bytes(const job* j) {
  const uint32_t taps = j->kernel * j->kernel;
  if (is_depthwise(j)) return kInputs * (4u * parameters_of(j) + taps);
  return 4u * parameters_of(j) + blocks_of(j->in_channels, kInputs) * taps * kInputs;
}

static const char* check(state* s, const job* j) {
  const char* why = check_sizes(s, j);
  if (why == NULL) why = check_numbers(s, j);
  if (why != NULL) return why;
  const uint32_t blocks = is_depthwise(j) ? blocks_of(j->out_channels, kInputs) : j->out_channels;
  const region x = region_of("image", j->x, j->x_pitch, j->x_plane, j->in_height, j->in_width, j->in_channels, 1u);
  const region y = region_of("result", j->y, j->y_pitch, j->y_plane, j->out_height, j->out_width, j->out_channels,
                             has(j, NE16_SUMS) ? 4u : 1u);
  region weights = region_of("weights", j->weights, 4u, 4u, 1u, 1u, 1u, 4u);
  weights.bytes = (uint64_t)blocks * block_bytes(j);
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
  return wrong(s, "the %s lies outside the memories that the engine reaches", name);
}

static int32_t word_at(const uint8_t* bytes) {
  return (int32_t)(bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
}

/* What belongs to one channel. */
typedef struct channel {
  int32_t bias, multiplier, addend;
  uint32_t shift;
} channel;

/* The numbers of lane `lane` of a block of `lanes`, each kind after the other. */
static const char* channel_at(state* s, const heddle_bus* bus, const job* j, uint32_t block, uint32_t lane, uint32_t lanes,
                              channel* c) {
  uint8_t word[4];
  int32_t numbers[4] = {0, 0, 0, 0};
  const char* why = NULL;
  for (uint32_t p = 0; p < parameters_of(j) && why == NULL; ++p) {
    why = load(s, bus, "weights", block + 4u * (p * lanes + lane), word, 4u);
    numbers[p] = word_at(word);
  }
  c->bias = numbers[0];
  c->multiplier = has(j, NE16_MULTIPLY) ? numbers[1] : 1;
  c->addend = numbers[2];
  c->shift = j->shift + (uint32_t)numbers[3];
  if (why == NULL && c->shift > kMostShift)
    why = wrong(s, "a channel is shifted by %lu bits, but it must be 0 to %d", (unsigned long)c->shift, (int)kMostShift);
  return why;
}

static int32_t requantised(int32_t sum, const channel* c, const job* j) {
  const int64_t half = has(j, NE16_HALF_UP) && c->shift > 0u ? (int64_t)1 << (c->shift - 1u) : 0;
  int64_t value = (int64_t)sum * c->multiplier + c->addend + half;
  value = value >= 0 ? value >> c->shift : ~(~value >> c->shift);
  value += j->zero_point;
  return (int32_t)(value < j->minimum ? j->minimum : value > j->maximum ? j->maximum : value);
}

/* The products of one pixel with `count` weights of one tap: of `count` input channels, from `first` on. */
static const char* products(state* s, const heddle_bus* bus, const job* j, uint32_t oy, uint32_t ox, uint32_t tap,
                            uint32_t first, uint32_t count, const int8_t* weights, uint32_t* sum) {
  const int64_t row = (int64_t)oy * j->stride + tap / j->kernel - j->pad_top;
  const int64_t column = (int64_t)ox * j->stride + tap % j->kernel - j->pad_left;
  if (row < 0 || row >= j->in_height || column < 0 || column >= j->in_width) return NULL;
  uint8_t pixel[kInputs];
  const uint32_t address = j->x + (uint32_t)row * j->x_plane + (uint32_t)column * j->x_pitch + first;
  const char* why = load(s, bus, "image", address, pixel, count);
  for (uint32_t c = 0; c < count && why == NULL; ++c) {
    const int32_t value = has(j, NE16_X_SIGNED) ? (int8_t)pixel[c] : pixel[c];
    *sum += (uint32_t)((value - j->x_zero_point) * weights[c]);
  }
  return why;
}

/* One output channel of one pixel: `block` is where its constants are. */
static const char* sum_of(state* s, const heddle_bus* bus, const job* j, uint32_t block, uint32_t k, uint32_t oy,
                          uint32_t ox, uint32_t* sum) {
  const uint32_t taps = j->kernel * j->kernel;
  int8_t weights[kLargestKernel * kLargestKernel * kInputs];
  const char* why = NULL;
  if (is_depthwise(j)) {
    why = load(s, bus, "weights", block + 4u * kInputs * parameters_of(j), weights, taps * kInputs);
    for (uint32_t tap = 0; tap < taps && why == NULL; ++tap)
      why = products(s, bus, j, oy, ox, tap, k, 1u, weights + tap * kInputs + k % kInputs, sum);
    return why;
  }
  block += 4u * parameters_of(j);
  for (uint32_t c = 0; c < j->in_channels && why == NULL; c += kInputs, block += taps * kInputs) {
    const uint32_t count = j->in_channels - c < (uint32_t)kInputs ? j->in_channels - c : (uint32_t)kInputs;
    why = load(s, bus, "weights", block, weights, taps * kInputs);
    for (uint32_t tap = 0; tap < taps && why == NULL; ++tap)
      why = products(s, bus, j, oy, ox, tap, c, count, weights + tap * kInputs, sum);
  }
  return why;
}

static const char* compute_channel(state* s, const heddle_bus* bus, const job* j, uint32_t k) {
  const uint32_t lanes = is_depthwise(j) ? kInputs : 1u, element = has(j, NE16_SUMS) ? 4u : 1u;
  const uint32_t block = j->weights + k / lanes * block_bytes(j);
  channel numbers;
  const char* why = channel_at(s, bus, j, block, k % lanes, lanes, &numbers);
  for (uint32_t p = 0; p < j->out_height * j->out_width && why == NULL; ++p) {
    const uint32_t oy = p / j->out_width, ox = p % j->out_width;
    uint32_t sum = (uint32_t)numbers.bias; /* unsigned, since 32-bit adders wrap */
    why = sum_of(s, bus, j, block, k, oy, ox, &sum);
    if (why != NULL) break;
    const uint32_t value = has(j, NE16_SUMS) ? sum : (uint32_t)requantised((int32_t)sum, &numbers, j);
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    if (bus->store(bus->context, j->y + oy * j->y_plane + ox * j->y_pitch + k * element, bytes, element) != 0)
      why = wrong(s, "the result lies outside the memories that the engine may write");
  }
  return why;
}

/* Sub-tile after sub-tile, of each all blocks of output channels. */
static uint64_t cycles_of(const job* j) {
  const uint32_t step = j->stride == 1u ? (uint32_t)kSide : 2u; /* rows and columns of results in a sub-tile */
  const uint64_t tiles = (uint64_t)blocks_of(j->out_height, step) * blocks_of(j->out_width, step);
  const uint64_t pixels = (uint64_t)j->out_height * j->out_width;
  const uint32_t window = kSide + j->kernel - 1u;
  const uint32_t load_cycles = kLoad + window * window;
  const uint32_t output = has(j, NE16_SUMS) ? kBias : kShift + kBias + (has(j, NE16_MULTIPLY) ? kMultiply : 0);
  const uint32_t streamed = has(j, NE16_SUMS) ? 4u : 1u; /* cycles a pixel of a block of results */
  if (is_depthwise(j)) {
    const uint64_t blocks = blocks_of(j->out_channels, kInputs);
    return tiles * (blocks * (load_cycles + kSetUp3x3 + kDepthwiseOffset + kExit3x3 + output) +
                    (uint64_t)kBits * j->out_channels) +
           blocks * pixels * streamed;
  }
  const uint64_t inputs = blocks_of(j->in_channels, kInputs), blocks = blocks_of(j->out_channels, kOutputs);
  const uint32_t once = j->kernel == 3u ? load_cycles + kSetUp3x3 + kExit3x3 : load_cycles + kSetUp1x1;
  const uint32_t result = j->kernel == 3u ? kBits : 1u;
  const uint32_t extra = j->kernel == 3u ? 0u : kOut1x1;
  return tiles * (blocks * (inputs * once + extra + output) + inputs * j->out_channels * result) +
         blocks * pixels * streamed;
}

static const char* compute(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const job j = {s->pending, get(s, NE16_X), get(s, NE16_X_PITCH), get(s, NE16_X_PLANE),
                 get(s, NE16_Y), get(s, NE16_Y_PITCH), get(s, NE16_Y_PLANE), get(s, NE16_WEIGHTS),
                 get(s, NE16_IN_CHANNELS), get(s, NE16_IN_HEIGHT), get(s, NE16_IN_WIDTH),
                 get(s, NE16_OUT_CHANNELS), get(s, NE16_OUT_HEIGHT), get(s, NE16_OUT_WIDTH),
                 get(s, NE16_KERNEL), get(s, NE16_STRIDE), get(s, NE16_PAD_TOP), get(s, NE16_PAD_LEFT),
                 get(s, NE16_FLAGS), get_signed(s, NE16_X_ZERO_POINT), get(s, NE16_SHIFT),
                 get_signed(s, NE16_ZERO_POINT), get_signed(s, NE16_MINIMUM), get_signed(s, NE16_MAXIMUM)};
  const char* why = check(s, &j);
  for (uint32_t k = 0; why == NULL && k < j.out_channels; ++k) why = compute_channel(s, bus, &j, k);
  if (why == NULL) *cycles = NE16_LAUNCH_CYCLES + cycles_of(&j);
  return why;
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (!s->pending) return 0;
    *why = compute(s, bus, cycles);
  }
  s->pending = 0u;
  s->error = *why != NULL;
  return *why == NULL ? 1 : -1;
}

const heddle_model ne16_model = {HEDDLE_MODEL_VERSION, "ne16", sizeof(state), reset, read_register, write_register, step};
