/* QVanilla as a model: values and cycles of its jobs. README.md says what is published. Only the
 * register map is shared with the driver; the rate QVANILLA_CYCLES_PER_1000_MACS is the SoC's.
 */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum {
  kLargestSize = 65535,
  kLargestKernel = 255,
  kColumns = 256 /* of the host's loops; has no meaning on the device */
};

/* Far more than any image and kernel within 32-bit addresses: a driver's mistake. */
static const uint64_t kMostMacs = (uint64_t)1 << 40;

typedef struct state {
  heddle_unit unit;
  uint32_t sums[kColumns]; /* unsigned, since 32-bit adders wrap */
  int8_t image[kColumns + kLargestKernel];
  int8_t weights[kLargestKernel];
} state;

/* The registers from QVANILLA_IFMAP on. */
typedef struct job {
  uint32_t ifmap, weights, bias, result, oc, iw, ih, ic, kh, kw;
  int32_t input_zero_point, kernel_zero_point;
} job;

/* Checks: each returns NULL, or what is wrong. */

/* A dense operand: its place and its bytes. */
typedef struct region {
  const char* name;
  uint32_t address;
  uint64_t bytes;
} region;

static const char* check_region(heddle_unit* unit, const region* r, uint32_t alignment) {
  if (r->address % alignment != 0u) {
    return heddle_wrong(unit, "%s has the address 0x%08lx, which is not a multiple of %lu", r->name,
                        (unsigned long)r->address, (unsigned long)alignment);
  }
  return heddle_check_end(unit, r->name, r->address, r->bytes);
}

static const char* check(heddle_unit* unit, const job* j) {
  const heddle_range ranges[] = {{"OC", j->oc, 1, kLargestSize},
                                 {"IC", j->ic, 1, kLargestSize},
                                 {"IH", j->ih, 1, kLargestSize},
                                 {"IW", j->iw, 1, kLargestSize},
                                 {"KH", j->kh, 1, kLargestKernel},
                                 {"KW", j->kw, 1, kLargestKernel},
                                 {"the input zero point", j->input_zero_point, -128, 127},
                                 {"the kernel zero point", j->kernel_zero_point, -128, 127}};
  const char* why = heddle_check_ranges(unit, ranges, sizeof ranges / sizeof ranges[0]);
  if (why != NULL) return why;
  const uint64_t pixels = (uint64_t)j->ih * j->iw, taps = (uint64_t)j->ic * j->kh * j->kw;
  const region ifmap = {"the ifmap", j->ifmap, j->ic * pixels};
  const region inputs[] = {ifmap,
                           {"the weights", j->weights, j->oc * taps},
                           {"the bias", j->bias, (uint64_t)4u * j->oc}};
  const region result = {"the result", j->result, 4u * j->oc * pixels};
  why = check_region(unit, &result, 4u);
  for (size_t i = 0; i < 3u && why == NULL; ++i) {
    why = check_region(unit, &inputs[i], i == 2u ? 4u : 1u);
    if (why == NULL &&
        heddle_overlap(inputs[i].address, inputs[i].bytes, result.address, result.bytes)) {
      why = heddle_wrong(unit, "the result overlaps %s", inputs[i].name);
    }
  }
  if (why == NULL && taps > kMostMacs / (j->oc * pixels))
    why = heddle_wrong(unit, "a job of more than 2^40 multiplications");
  return why;
}

/* Adds one row of a channel's kernel to the sums of `count` columns from `column` on. What lies
 * outside the row is the zero point, which adds nothing. */
static const char* add_row(state* s, const job* j, uint32_t row_address, uint32_t weights_address,
                           uint32_t column, uint32_t count) {
  const char* why = heddle_load(&s->unit, "the weights", weights_address, s->weights, j->kw);
  if (why != NULL) return why;
  const int64_t first = (int64_t)column - (j->kw - 1u) / 2u;
  const int64_t end = first + count + j->kw - 1u;
  const int64_t from = first > 0 ? first : 0, to = end < j->iw ? end : j->iw;
  memset(s->image, j->input_zero_point, sizeof s->image);
  if (from < to) {
    why = heddle_load(&s->unit, "the ifmap", row_address + (uint32_t)from,
                      s->image + (from - first), (uint32_t)(to - from));
    if (why != NULL) return why;
  }
  for (uint32_t fx = 0; fx < j->kw; ++fx) {
    const int32_t weight = s->weights[fx] - j->kernel_zero_point;
    for (uint32_t x = 0; x < count; ++x)
      s->sums[x] += (uint32_t)((s->image[x + fx] - j->input_zero_point) * weight);
  }
  return NULL;
}

/* `count` results of one row of one output channel. */
static const char* compute(state* s, const job* j, uint32_t k, uint32_t row, uint32_t column,
                           uint32_t count) {
  const uint32_t channel_bytes = j->ih * j->iw, kernel_bytes = j->kh * j->kw;
  uint8_t word[4];
  const char* why = heddle_load(&s->unit, "the bias", j->bias + 4u * k, word, sizeof word);
  if (why != NULL) return why;
  for (uint32_t x = 0; x < count; ++x) s->sums[x] = heddle_word(word);
  for (uint32_t c = 0; c < j->ic; ++c) {
    for (uint32_t fy = 0; fy < j->kh; ++fy) {
      const int64_t in_row = (int64_t)row + fy - (j->kh - 1u) / 2u;
      if (in_row < 0 || in_row >= j->ih) continue;
      why = add_row(s, j, j->ifmap + c * channel_bytes + (uint32_t)in_row * j->iw,
                    j->weights + (k * j->ic + c) * kernel_bytes + fy * j->kw, column, count);
      if (why != NULL) return why;
    }
  }
  uint8_t bytes[4 * kColumns];
  for (uint32_t x = 0; x < count; ++x) heddle_put_word(bytes + 4u * x, s->sums[x]);
  const uint32_t address = j->result + 4u * (k * channel_bytes + row * j->iw + column);
  return heddle_store(&s->unit, "the result", address, bytes, 4u * count);
}

static const char* perform(void* opaque, uint64_t* cycles) {
  state* s = opaque;
  job j;
  heddle_decode(&s->unit, QVANILLA_IFMAP, &j, sizeof j);
  const char* why = check(&s->unit, &j);
  if (why != NULL) return why;
  const uint64_t macs = (uint64_t)j.oc * j.ic * j.kh * j.kw * j.ih * j.iw;
  if (j.kh == 1u && j.kw == 1u) { /* pixels know no neighbours: one long row, fewer bus accesses */
    j.iw *= j.ih;
    j.ih = 1u;
  }
  for (uint32_t k = 0; k < j.oc; ++k) {
    for (uint32_t row = 0; row < j.ih; ++row) {
      for (uint32_t column = 0; column < j.iw; column += kColumns) {
        const uint32_t rest = j.iw - column;
        why = compute(s, &j, k, row, column, rest < kColumns ? rest : (uint32_t)kColumns);
        if (why != NULL) return why;
      }
    }
  }
  /* Rounded up, without a product that could overflow. */
  const uint64_t rate = QVANILLA_CYCLES_PER_1000_MACS;
  *cycles = macs / 1000u * rate + (macs % 1000u * rate + 999u) / 1000u;
  return NULL;
}

static const heddle_unit_kind kKind = {
    .noun = "accelerator",
    .last_register = QVANILLA_KERNEL_ZERO_POINT,
    .start_register = QVANILLA_CONTROL,
    .operations = QVANILLA_START,
    .no_operation = "a value other than 1 was written to the control register",
    .perform = perform};

static void reset(void* opaque) { heddle_unit_reset(opaque, sizeof(state), &kKind); }

const heddle_model qvanilla_model = {
    HEDDLE_MODEL_VERSION, "qvanilla",        sizeof(state),   reset,
    heddle_unit_read,     heddle_unit_write, heddle_unit_step};
