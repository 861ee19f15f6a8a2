/* The array as a model: values and cycles of its jobs. README.md says where the cycles are from. Only the register map
 * is shared with the driver; GEMMINI_LIKE_LAUNCH_CYCLES is the SoC's.
 */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum {
  kDim = GEMMINI_LIKE_DIM,
  kLargestSize = 65535,
  kLargestKernel = 15,
  kChannelBytes = 8 * kDim /* bias and scale of 16 channels */
};

typedef struct state {
  heddle_unit unit;
  uint32_t accumulator[GEMMINI_LIKE_ROWS][kDim]; /* unsigned, since 32-bit adders wrap */
} state;

/* The registers from GEMMINI_LIKE_X on. */
typedef struct job {
  uint32_t x, x_pitch, x_plane, y, y_pitch, y_plane, weights;
  uint32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
  uint32_t kernel_height, kernel_width, stride, pad_top, pad_left;
  int32_t x_zero_point, zero_point, minimum, maximum;
} job;

/* Checks: each returns NULL, or what is wrong. */

static uint32_t blocks_of(uint32_t channels) { return heddle_ceil_div(channels, kDim); }

static const char* check_sizes(heddle_unit* unit, const job* j) {
  const heddle_range sizes[] = {{"IN_CHANNELS", j->in_channels, 1, kLargestSize},
                                {"IN_HEIGHT", j->in_height, 1, kLargestSize},
                                {"IN_WIDTH", j->in_width, 1, kLargestSize},
                                {"OUT_CHANNELS", j->out_channels, 1, kLargestSize},
                                {"OUT_HEIGHT", j->out_height, 1, GEMMINI_LIKE_ROWS},
                                {"OUT_WIDTH", j->out_width, 1, GEMMINI_LIKE_ROWS},
                                {"KERNEL_HEIGHT", j->kernel_height, 1, kLargestKernel},
                                {"KERNEL_WIDTH", j->kernel_width, 1, kLargestKernel},
                                {"STRIDE", j->stride, 1, kLargestKernel}};
  const char* why = heddle_check_ranges(unit, sizes, sizeof sizes / sizeof sizes[0]);
  if (why != NULL) return why;
  if (j->out_height * j->out_width > GEMMINI_LIKE_ROWS)
    return heddle_wrong(unit, "%lu pixels, but the accumulator has %d rows",
                        (unsigned long)(j->out_height * j->out_width), (int)GEMMINI_LIKE_ROWS);
  if (j->pad_top >= j->kernel_height || j->pad_left >= j->kernel_width)
    return heddle_wrong(unit, "padding of %lu rows and %lu columns is not less than the kernel",
                        (unsigned long)j->pad_top, (unsigned long)j->pad_left);
  if ((j->out_height - 1u) * j->stride >= j->pad_top + j->in_height ||
      (j->out_width - 1u) * j->stride >= j->pad_left + j->in_width)
    return heddle_wrong(unit, "the last window lies outside the image");
  const heddle_range bytes[] = {{"X_ZERO_POINT", j->x_zero_point, -128, 127},
                                {"ZERO_POINT", j->zero_point, -128, 127},
                                {"MINIMUM", j->minimum, -128, 127},
                                {"MAXIMUM", j->maximum, -128, 127}};
  why = heddle_check_ranges(unit, bytes, sizeof bytes / sizeof bytes[0]);
  if (why != NULL) return why;
  return j->minimum <= j->maximum ? NULL : heddle_wrong(unit, "the minimum is greater than the maximum");
}

/* An operand: its place, its distances, its bytes. */
typedef struct region {
  const char* name;
  uint32_t address, pitch, plane, channels, height, width;
  uint64_t bytes;
} region;

static const char* check_region(heddle_unit* unit, const region* r) {
  if ((r->address | r->pitch | r->plane) % kDim != 0u)
    return heddle_wrong(unit, "%s at 0x%08lx, with pitch %lu and plane %lu, is not in rows of 16 bytes", r->name,
                        (unsigned long)r->address, (unsigned long)r->pitch, (unsigned long)r->plane);
  if (r->pitch < kDim * blocks_of(r->channels) || r->plane < (uint64_t)r->width * r->pitch)
    return heddle_wrong(unit, "%s has pitch %lu and plane %lu, too little for %lu columns of %lu channels", r->name,
                        (unsigned long)r->pitch, (unsigned long)r->plane, (unsigned long)r->width,
                        (unsigned long)r->channels);
  return heddle_check_end(unit, r->name, r->address, r->bytes);
}

static uint64_t weight_bytes(const job* j) {
  const uint64_t block = (uint64_t)j->kernel_height * j->kernel_width * blocks_of(j->in_channels) * kDim * kDim;
  return blocks_of(j->out_channels) * (kChannelBytes + block);
}

static const char* check(heddle_unit* unit, const job* j) {
  const char* why = check_sizes(unit, j);
  if (why != NULL) return why;
  const region x = {"the image",    j->x,         j->x_pitch,  j->x_plane,
                    j->in_channels, j->in_height, j->in_width, (uint64_t)j->in_height * j->x_plane};
  const region y = {"the result",    j->y,          j->y_pitch,   j->y_plane,
                    j->out_channels, j->out_height, j->out_width, (uint64_t)j->out_height * j->y_plane};
  const region weights = {"the weights", j->weights, kDim, kDim, 1u, 1u, 1u, weight_bytes(j)};
  const region* const all[] = {&y, &x, &weights};
  for (size_t i = 0; i < 3u && why == NULL; ++i) {
    why = check_region(unit, all[i]);
    if (why == NULL && i > 0u && heddle_overlap(all[i]->address, all[i]->bytes, y.address, y.bytes))
      why = heddle_wrong(unit, "the result overlaps %s", all[i]->name);
  }
  return why;
}

static float scale_of(const uint8_t* bytes) {
  const uint32_t word = heddle_word(bytes);
  float scale;
  memcpy(&scale, &word, sizeof scale);
  return scale;
}

/* One pass: 16 x 16 weights stay in the array, all pixels run through it. */
static const char* pass(state* s, const job* j, uint32_t weights, uint32_t fy, uint32_t fx, uint32_t channel) {
  int8_t array[kDim][kDim], pixel[kDim];
  const char* why = heddle_load(&s->unit, "the weights", weights, array, sizeof array);
  for (uint32_t p = 0; p < j->out_height * j->out_width && why == NULL; ++p) {
    const int64_t row = (int64_t)(p / j->out_width * j->stride + fy) - j->pad_top;
    const int64_t column = (int64_t)(p % j->out_width * j->stride + fx) - j->pad_left;
    if (row < 0 || row >= j->in_height || column < 0 || column >= j->in_width) continue;
    why = heddle_load(&s->unit, "the image",
                      j->x + (uint32_t)row * j->x_plane + (uint32_t)column * j->x_pitch + channel, pixel, sizeof pixel);
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
static const char* compute_block(state* s, const job* j, uint32_t block, uint32_t weights) {
  uint8_t channels[kChannelBytes];
  const uint32_t pixels = j->out_height * j->out_width;
  const char* why = heddle_load(&s->unit, "the weights", weights, channels, sizeof channels);
  for (uint32_t p = 0; p < pixels; ++p)
    for (uint32_t k = 0; k < kDim; ++k) s->accumulator[p][k] = heddle_word(channels + 4u * k);
  weights += kChannelBytes;
  for (uint32_t tap = 0; tap < j->kernel_height * j->kernel_width; ++tap) {
    for (uint32_t c = 0; c < j->in_channels && why == NULL; c += kDim, weights += kDim * kDim)
      why = pass(s, j, weights, tap / j->kernel_width, tap % j->kernel_width, c);
  }
  for (uint32_t p = 0; p < pixels && why == NULL; ++p) {
    int8_t out[kDim];
    for (uint32_t k = 0; k < kDim; ++k) {
      const int real = block * kDim + k < j->out_channels;
      out[k] = real ? requantised(s->accumulator[p][k], scale_of(channels + 4u * (kDim + k)), j) : (int8_t)0;
    }
    const uint32_t address = j->y + p / j->out_width * j->y_plane + p % j->out_width * j->y_pitch + block * kDim;
    why = heddle_store(&s->unit, "the result", address, out, sizeof out);
  }
  return why;
}

static const char* perform(void* opaque, uint64_t* cycles) {
  state* s = opaque;
  job j;
  heddle_decode(&s->unit, GEMMINI_LIKE_X, &j, sizeof j);
  const char* why = check(&s->unit, &j);
  if (why != NULL) return why;
  const uint32_t blocks = blocks_of(j.out_channels);
  const uint32_t block_bytes = (uint32_t)(weight_bytes(&j) / blocks);
  for (uint32_t block = 0; block < blocks && why == NULL; ++block)
    why = compute_block(s, &j, block, j.weights + block * block_bytes);
  /* A pass takes a row of pixels a cycle, and no less than the next weights take to come in. */
  const uint64_t pixels = (uint64_t)j.out_height * j.out_width;
  const uint64_t passes = (uint64_t)j.kernel_height * j.kernel_width * blocks_of(j.in_channels);
  const uint64_t row = pixels > (uint64_t)kDim ? pixels : (uint64_t)kDim;
  *cycles = GEMMINI_LIKE_LAUNCH_CYCLES + blocks * (3u * (uint64_t)kDim + passes * row + pixels);
  return why;
}

static const heddle_unit_kind kKind = {.noun = "array",
                                       .last_register = GEMMINI_LIKE_MAXIMUM,
                                       .start_register = GEMMINI_LIKE_START,
                                       .operations = 1u,
                                       .no_operation = "a value other than 1 was written to the start register",
                                       .perform = perform};

static void reset(void* opaque) { heddle_unit_reset(opaque, sizeof(state), &kKind); }

const heddle_model gemmini_like_model = {HEDDLE_MODEL_VERSION, "gemmini_like",    sizeof(state),   reset,
                                         heddle_unit_read,     heddle_unit_write, heddle_unit_step};
