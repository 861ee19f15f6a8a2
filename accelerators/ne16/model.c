/* The engine as a model: values and cycles of its jobs. README.md says where the cycles are from. Only the register map
 * is shared with the driver; NE16_LAUNCH_CYCLES is the SoC's.
 */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum {
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

/* The registers from NE16_X on; then the operation. */
typedef struct job {
  uint32_t x, x_pitch, x_plane, y, y_pitch, y_plane, weights;
  uint32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
  uint32_t kernel, stride, pad_top, pad_left, flags;
  int32_t x_zero_point;
  uint32_t shift;
  int32_t zero_point, minimum, maximum;
  uint32_t operation;
} job;

/* Checks: each returns NULL, or what is wrong. */

static int has(const job* j, uint32_t flag) { return (j->flags & flag) != 0u; }
static int is_depthwise(const job* j) { return j->operation == NE16_DEPTHWISE; }

static const char* check_sizes(heddle_unit* unit, const job* j) {
  const heddle_range sizes[] = {
      {"IN_CHANNELS", j->in_channels, 1, kLargestSize}, {"IN_HEIGHT", j->in_height, 1, kLargestSize},
      {"IN_WIDTH", j->in_width, 1, kLargestSize},       {"OUT_CHANNELS", j->out_channels, 1, kLargestSize},
      {"OUT_HEIGHT", j->out_height, 1, kLargestSize},   {"OUT_WIDTH", j->out_width, 1, kLargestSize}};
  const char* why = heddle_check_ranges(unit, sizes, sizeof sizes / sizeof sizes[0]);
  if (why != NULL) return why;
  if (is_depthwise(j) ? j->kernel != 3u : j->kernel != 1u && j->kernel != 3u)
    return heddle_wrong(unit, "a filter of %lu x %lu", (unsigned long)j->kernel, (unsigned long)j->kernel);
  if (is_depthwise(j) && j->in_channels != j->out_channels)
    return heddle_wrong(unit, "a depthwise job of %lu input and %lu output channels", (unsigned long)j->in_channels,
                        (unsigned long)j->out_channels);
  if (j->stride != 1u && j->stride != 2u) return heddle_wrong(unit, "a stride of %lu", (unsigned long)j->stride);
  if (j->pad_top >= j->kernel || j->pad_left >= j->kernel)
    return heddle_wrong(unit, "padding of %lu rows and %lu columns is not less than the filter",
                        (unsigned long)j->pad_top, (unsigned long)j->pad_left);
  if ((j->out_height - 1u) * j->stride >= j->pad_top + j->in_height ||
      (j->out_width - 1u) * j->stride >= j->pad_left + j->in_width)
    return heddle_wrong(unit, "the last window lies outside the image");
  return NULL;
}

static const char* check_numbers(heddle_unit* unit, const job* j) {
  if ((j->flags & ~(uint32_t)kFlags) != 0u) return heddle_wrong(unit, "FLAGS has bits that mean nothing");
  const int sums = has(j, NE16_SUMS);
  const heddle_range numbers[] = {{"X_ZERO_POINT", j->x_zero_point, -128, 255},
                                  {"SHIFT", j->shift, 0, sums ? 0 : kMostShift},
                                  {"ZERO_POINT", j->zero_point, -32768, 32767},
                                  {"MINIMUM", j->minimum, -128, 255},
                                  {"MAXIMUM", j->maximum, -128, 255}};
  const char* why = heddle_check_ranges(unit, numbers, sizeof numbers / sizeof numbers[0]);
  if (why != NULL) return why;
  if (j->minimum > j->maximum) return heddle_wrong(unit, "the minimum is greater than the maximum");
  if (j->minimum < 0 && j->maximum > 127)
    return heddle_wrong(unit, "results from %ld to %ld fit no byte", (long)j->minimum, (long)j->maximum);
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
  const uint64_t bytes =
      (uint64_t)(height - 1u) * plane + (uint64_t)(width - 1u) * pitch + (uint64_t)channels * element;
  const region r = {name, address, pitch, plane, channels * element, height, width, element, bytes};
  return r;
}

static const char* check_region(heddle_unit* unit, const region* r) {
  if ((r->address | r->pitch | r->plane) % r->alignment != 0u)
    return heddle_wrong(unit, "%s at 0x%08lx, with pitch %lu and plane %lu, is not aligned to %lu bytes", r->name,
                        (unsigned long)r->address, (unsigned long)r->pitch, (unsigned long)r->plane,
                        (unsigned long)r->alignment);
  if ((r->width > 1u && r->pitch < r->pixel_bytes) ||
      (r->height > 1u && r->plane < (uint64_t)(r->width - 1u) * r->pitch + r->pixel_bytes))
    return heddle_wrong(unit, "%s has pitch %lu and plane %lu, too little for %lu columns of %lu bytes", r->name,
                        (unsigned long)r->pitch, (unsigned long)r->plane, (unsigned long)r->width,
                        (unsigned long)r->pixel_bytes);
  return heddle_check_end(unit, r->name, r->address, r->bytes);
}

/* Numbers beside the weights of a channel: bias, and multiplier, addend, shift. */
static uint32_t parameters_of(const job* j) { return has(j, NE16_SUMS) ? 1u : 4u; }

/* Bytes of the constants of one channel, or of 16 of a depthwise job. */
static uint32_t block_bytes(const job* j) {
  const uint32_t taps = j->kernel * j->kernel;
  if (is_depthwise(j)) return kInputs * (4u * parameters_of(j) + taps);
  return 4u * parameters_of(j) + heddle_ceil_div(j->in_channels, kInputs) * taps * kInputs;
}

static const char* check(heddle_unit* unit, const job* j) {
  const char* why = check_sizes(unit, j);
  if (why == NULL) why = check_numbers(unit, j);
  if (why != NULL) return why;
  const uint32_t blocks = is_depthwise(j) ? heddle_ceil_div(j->out_channels, kInputs) : j->out_channels;
  const region x = region_of("the image", j->x, j->x_pitch, j->x_plane, j->in_height, j->in_width, j->in_channels, 1u);
  const region y = region_of("the result", j->y, j->y_pitch, j->y_plane, j->out_height, j->out_width, j->out_channels,
                             has(j, NE16_SUMS) ? 4u : 1u);
  region weights = region_of("the weights", j->weights, 4u, 4u, 1u, 1u, 1u, 4u);
  weights.bytes = (uint64_t)blocks * block_bytes(j);
  const region* const all[] = {&y, &x, &weights};
  for (size_t i = 0; i < 3u && why == NULL; ++i) {
    why = check_region(unit, all[i]);
    if (why == NULL && i > 0u && heddle_overlap(all[i]->address, all[i]->bytes, y.address, y.bytes))
      why = heddle_wrong(unit, "the result overlaps %s", all[i]->name);
  }
  return why;
}

/* What belongs to one channel. */
typedef struct channel {
  int32_t bias, multiplier, addend;
  uint32_t shift;
} channel;

/* The numbers of lane `lane` of a block of `lanes`, each kind after the other. */
static const char* channel_at(heddle_unit* unit, const job* j, uint32_t block, uint32_t lane, uint32_t lanes,
                              channel* c) {
  uint8_t word[4];
  int32_t numbers[4] = {0, 0, 0, 0};
  const char* why = NULL;
  for (uint32_t p = 0; p < parameters_of(j) && why == NULL; ++p) {
    why = heddle_load(unit, "the weights", block + 4u * (p * lanes + lane), word, 4u);
    numbers[p] = (int32_t)heddle_word(word);
  }
  c->bias = numbers[0];
  c->multiplier = has(j, NE16_MULTIPLY) ? numbers[1] : 1;
  c->addend = numbers[2];
  c->shift = j->shift + (uint32_t)numbers[3];
  if (why == NULL && c->shift > kMostShift)
    why = heddle_wrong(unit, "a channel is shifted by %lu bits, but it must be 0 to %d", (unsigned long)c->shift,
                       (int)kMostShift);
  return why;
}

static int32_t requantised(int32_t sum, const channel* c, const job* j) {
  const int64_t half = has(j, NE16_HALF_UP) && c->shift > 0u ? (int64_t)1 << (c->shift - 1u) : 0;
  const int64_t value = (int64_t)sum * c->multiplier + c->addend + half;
  return heddle_clip(heddle_shift_down(value, c->shift) + j->zero_point, j->minimum, j->maximum);
}

/* The products of one pixel with `count` weights of one tap: of `count` input channels, from `first` on. */
static const char* products(heddle_unit* unit, const job* j, uint32_t oy, uint32_t ox, uint32_t tap, uint32_t first,
                            uint32_t count, const int8_t* weights, uint32_t* sum) {
  const int64_t row = (int64_t)oy * j->stride + tap / j->kernel - j->pad_top;
  const int64_t column = (int64_t)ox * j->stride + tap % j->kernel - j->pad_left;
  if (row < 0 || row >= j->in_height || column < 0 || column >= j->in_width) return NULL;
  uint8_t pixel[kInputs];
  const uint32_t address = j->x + (uint32_t)row * j->x_plane + (uint32_t)column * j->x_pitch + first;
  const char* why = heddle_load(unit, "the image", address, pixel, count);
  for (uint32_t c = 0; c < count && why == NULL; ++c) {
    const int32_t value = has(j, NE16_X_SIGNED) ? (int8_t)pixel[c] : pixel[c];
    *sum += (uint32_t)((value - j->x_zero_point) * weights[c]);
  }
  return why;
}

/* One output channel of one pixel: `block` is where its constants are. */
static const char* sum_of(heddle_unit* unit, const job* j, uint32_t block, uint32_t k, uint32_t oy, uint32_t ox,
                          uint32_t* sum) {
  const uint32_t taps = j->kernel * j->kernel;
  int8_t weights[kLargestKernel * kLargestKernel * kInputs];
  const char* why = NULL;
  if (is_depthwise(j)) {
    why = heddle_load(unit, "the weights", block + 4u * kInputs * parameters_of(j), weights, taps * kInputs);
    for (uint32_t tap = 0; tap < taps && why == NULL; ++tap)
      why = products(unit, j, oy, ox, tap, k, 1u, weights + tap * kInputs + k % kInputs, sum);
    return why;
  }
  block += 4u * parameters_of(j);
  for (uint32_t c = 0; c < j->in_channels && why == NULL; c += kInputs, block += taps * kInputs) {
    const uint32_t count = j->in_channels - c < (uint32_t)kInputs ? j->in_channels - c : (uint32_t)kInputs;
    why = heddle_load(unit, "the weights", block, weights, taps * kInputs);
    for (uint32_t tap = 0; tap < taps && why == NULL; ++tap)
      why = products(unit, j, oy, ox, tap, c, count, weights + tap * kInputs, sum);
  }
  return why;
}

static const char* compute_channel(heddle_unit* unit, const job* j, uint32_t k) {
  const uint32_t lanes = is_depthwise(j) ? kInputs : 1u, element = has(j, NE16_SUMS) ? 4u : 1u;
  const uint32_t block = j->weights + k / lanes * block_bytes(j);
  channel numbers;
  const char* why = channel_at(unit, j, block, k % lanes, lanes, &numbers);
  for (uint32_t p = 0; p < j->out_height * j->out_width && why == NULL; ++p) {
    const uint32_t oy = p / j->out_width, ox = p % j->out_width;
    uint32_t sum = (uint32_t)numbers.bias; /* unsigned, since 32-bit adders wrap */
    why = sum_of(unit, j, block, k, oy, ox, &sum);
    if (why != NULL) break;
    const uint32_t value = has(j, NE16_SUMS) ? sum : (uint32_t)requantised((int32_t)sum, &numbers, j);
    uint8_t bytes[4];
    heddle_put_word(bytes, value);
    why = heddle_store(unit, "the result", j->y + oy * j->y_plane + ox * j->y_pitch + k * element, bytes, element);
  }
  return why;
}

/* Sub-tile after sub-tile, of each all blocks of output channels. */
static uint64_t cycles_of(const job* j) {
  const uint32_t step = j->stride == 1u ? (uint32_t)kSide : 2u; /* rows and columns of results in a sub-tile */
  const uint64_t tiles = (uint64_t)heddle_ceil_div(j->out_height, step) * heddle_ceil_div(j->out_width, step);
  const uint64_t pixels = (uint64_t)j->out_height * j->out_width;
  const uint32_t window = kSide + j->kernel - 1u;
  const uint32_t load_cycles = kLoad + window * window;
  const uint32_t output = has(j, NE16_SUMS) ? kBias : kShift + kBias + (has(j, NE16_MULTIPLY) ? kMultiply : 0);
  const uint32_t streamed = has(j, NE16_SUMS) ? 4u : 1u; /* cycles a pixel of a block of results */
  if (is_depthwise(j)) {
    const uint64_t blocks = heddle_ceil_div(j->out_channels, kInputs);
    return tiles * (blocks * (load_cycles + kSetUp3x3 + kDepthwiseOffset + kExit3x3 + output) +
                    (uint64_t)kBits * j->out_channels) +
           blocks * pixels * streamed;
  }
  const uint64_t inputs = heddle_ceil_div(j->in_channels, kInputs), blocks = heddle_ceil_div(j->out_channels, kOutputs);
  const uint32_t once = j->kernel == 3u ? load_cycles + kSetUp3x3 + kExit3x3 : load_cycles + kSetUp1x1;
  const uint32_t result = j->kernel == 3u ? kBits : 1u;
  const uint32_t extra = j->kernel == 3u ? 0u : kOut1x1;
  return tiles * (blocks * (inputs * once + extra + output) + inputs * j->out_channels * result) +
         blocks * pixels * streamed;
}

static const char* perform(void* state, uint64_t* cycles) {
  heddle_unit* unit = state;
  job j;
  heddle_decode(unit, NE16_X, &j, offsetof(job, operation));
  j.operation = unit->pending;
  const char* why = check(unit, &j);
  for (uint32_t k = 0; why == NULL && k < j.out_channels; ++k) why = compute_channel(unit, &j, k);
  if (why == NULL) *cycles = NE16_LAUNCH_CYCLES + cycles_of(&j);
  return why;
}

static const heddle_unit_kind kKind = {.noun = "engine",
                                       .last_register = NE16_MAXIMUM,
                                       .start_register = NE16_START,
                                       .operations = NE16_DEPTHWISE,
                                       .no_operation = "the start register got the number of no operation",
                                       .perform = perform};

static void reset(void* state) { heddle_unit_reset(state, sizeof(heddle_unit), &kKind); }

const heddle_model ne16_model = {HEDDLE_MODEL_VERSION, "ne16",          sizeof(heddle_unit), reset, heddle_unit_read,
                                 heddle_unit_write,    heddle_unit_step};
