/* QVanilla as a model: values and cycles of its jobs. README.md says what is published. Only the
 * register map is shared with the driver; the rate QVANILLA_CYCLES_PER_1000_MACS is the SoC's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum {
  kRegisters = QVANILLA_KERNEL_ZERO_POINT / 4 + 1,
  kLargestSize = 65535,
  kLargestKernel = 255,
  kColumns = 256 /* of the host's loops; has no meaning on the device */
};

/* Far more than any image and kernel within 32-bit addresses: a driver's mistake. */
static const uint64_t kMostMacs = (uint64_t)1 << 40;

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* a job was started */
  uint32_t error;
  const char* fault; /* of a register access */
  char message[200];
  uint32_t sums[kColumns]; /* unsigned, since 32-bit adders wrap */
  int8_t image[kColumns + kLargestKernel];
  int8_t weights[kLargestKernel];
} state;

typedef struct job {
  uint32_t ifmap, weights, bias, result, oc, iw, ih, ic, kh, kw;
  int32_t input_zero_point, kernel_zero_point;
} job;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == QVANILLA_STATUS) {
    return (s->pending ? (uint32_t)QVANILLA_BUSY : 0u) | (s->error ? (uint32_t)QVANILLA_ERROR : 0u);
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
  } else if (offset == QVANILLA_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the accelerator was busy";
  } else if (offset == QVANILLA_CONTROL) {
    if (value == QVANILLA_START) {
      s->pending = 1u;
    } else {
      s->fault = "a value other than 1 was written to the control register";
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

/* A dense operand: its place and its bytes. */
typedef struct region {
  const char* name;
  uint32_t address;
  uint64_t bytes;
} region;

static const char* check_region(state* s, const region* r, uint32_t alignment) {
  if (r->address % alignment != 0u) {
    return wrong(s, "the %s has the address 0x%08lx, which is not a multiple of %lu", r->name,
                 (unsigned long)r->address, (unsigned long)alignment);
  }
  if (r->address + r->bytes > (uint64_t)UINT32_MAX + 1u)
    return wrong(s, "the %s runs past the end of the address space", r->name);
  return NULL;
}

static const char* check(state* s, const job* j) {
  const struct {
    const char* name;
    uint32_t value, most;
  } sizes[] = {{"OC", j->oc, kLargestSize},   {"IC", j->ic, kLargestSize},
               {"IH", j->ih, kLargestSize},   {"IW", j->iw, kLargestSize},
               {"KH", j->kh, kLargestKernel}, {"KW", j->kw, kLargestKernel}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    if (sizes[i].value >= 1u && sizes[i].value <= sizes[i].most) continue;
    return wrong(s, "%s is %lu, but it must be 1 to %lu", sizes[i].name,
                 (unsigned long)sizes[i].value, (unsigned long)sizes[i].most);
  }
  const int32_t points[] = {j->input_zero_point, j->kernel_zero_point};
  for (size_t i = 0; i < 2u; ++i) {
    if (points[i] >= -128 && points[i] <= 127) continue;
    return wrong(s, "the %s zero point is %ld, but it must be -128 to 127",
                 i == 0u ? "input" : "kernel", (long)points[i]);
  }
  const uint64_t pixels = (uint64_t)j->ih * j->iw, taps = (uint64_t)j->ic * j->kh * j->kw;
  const region ifmap = {"ifmap", j->ifmap, j->ic * pixels};
  const region inputs[] = {
      ifmap, {"weights", j->weights, j->oc * taps}, {"bias", j->bias, (uint64_t)4u * j->oc}};
  const region result = {"result", j->result, 4u * j->oc * pixels};
  const char* why = check_region(s, &result, 4u);
  for (size_t i = 0; i < 3u && why == NULL; ++i) {
    why = check_region(s, &inputs[i], i == 2u ? 4u : 1u);
    if (why == NULL && inputs[i].address < result.address + result.bytes &&
        result.address < inputs[i].address + inputs[i].bytes) {
      why = wrong(s, "the result overlaps the %s", inputs[i].name);
    }
  }
  if (why == NULL && taps > kMostMacs / (j->oc * pixels))
    why = wrong(s, "a job of more than 2^40 multiplications");
  return why;
}

static const char* load(state* s, const heddle_bus* bus, const char* name, uint32_t address,
                        void* data, uint32_t bytes) {
  if (bus->load(bus->context, address, data, bytes) == 0) return NULL;
  return wrong(s, "the %s lies outside the memories that the accelerator reaches", name);
}

static uint32_t word_of(const uint8_t* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Adds one row of a channel's kernel to the sums of `count` columns from `column` on. What lies
 * outside the row is the zero point, which adds nothing. */
static const char* add_row(state* s, const heddle_bus* bus, const job* j, uint32_t row_address,
                           uint32_t weights_address, uint32_t column, uint32_t count) {
  const char* why = load(s, bus, "weights", weights_address, s->weights, j->kw);
  if (why != NULL) return why;
  const int64_t first = (int64_t)column - (j->kw - 1u) / 2u;
  const int64_t end = first + count + j->kw - 1u;
  const int64_t from = first > 0 ? first : 0, to = end < j->iw ? end : j->iw;
  memset(s->image, j->input_zero_point, sizeof s->image);
  if (from < to) {
    why = load(s, bus, "ifmap", row_address + (uint32_t)from, s->image + (from - first),
               (uint32_t)(to - from));
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
static const char* compute(state* s, const heddle_bus* bus, const job* j, uint32_t k, uint32_t row,
                           uint32_t column, uint32_t count) {
  const uint32_t channel_bytes = j->ih * j->iw, kernel_bytes = j->kh * j->kw;
  uint8_t word[4];
  const char* why = load(s, bus, "bias", j->bias + 4u * k, word, sizeof word);
  if (why != NULL) return why;
  for (uint32_t x = 0; x < count; ++x) s->sums[x] = word_of(word);
  for (uint32_t c = 0; c < j->ic; ++c) {
    for (uint32_t fy = 0; fy < j->kh; ++fy) {
      const int64_t in_row = (int64_t)row + fy - (j->kh - 1u) / 2u;
      if (in_row < 0 || in_row >= j->ih) continue;
      why = add_row(s, bus, j, j->ifmap + c * channel_bytes + (uint32_t)in_row * j->iw,
                    j->weights + (k * j->ic + c) * kernel_bytes + fy * j->kw, column, count);
      if (why != NULL) return why;
    }
  }
  uint8_t bytes[4 * kColumns];
  for (uint32_t i = 0; i < 4u * count; ++i) bytes[i] = (uint8_t)(s->sums[i / 4u] >> 8u * (i % 4u));
  const uint32_t address = j->result + 4u * (k * channel_bytes + row * j->iw + column);
  if (bus->store(bus->context, address, bytes, 4u * count) == 0) return NULL;
  return wrong(s, "the result lies outside the memories that the accelerator may write");
}

static const char* convolve(state* s, const heddle_bus* bus, uint64_t* cycles) {
  job j = {get(s, QVANILLA_IFMAP),
           get(s, QVANILLA_WEIGHTS),
           get(s, QVANILLA_BIAS),
           get(s, QVANILLA_RESULT),
           get(s, QVANILLA_OC),
           get(s, QVANILLA_IW),
           get(s, QVANILLA_IH),
           get(s, QVANILLA_IC),
           get(s, QVANILLA_KH),
           get(s, QVANILLA_KW),
           (int32_t)get(s, QVANILLA_INPUT_ZERO_POINT),
           (int32_t)get(s, QVANILLA_KERNEL_ZERO_POINT)};
  const char* why = check(s, &j);
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
        why = compute(s, bus, &j, k, row, column, rest < kColumns ? rest : (uint32_t)kColumns);
        if (why != NULL) return why;
      }
    }
  }
  /* Rounded up, without a product that could overflow. */
  const uint64_t rate = QVANILLA_CYCLES_PER_1000_MACS;
  *cycles = macs / 1000u * rate + (macs % 1000u * rate + 999u) / 1000u;
  return NULL;
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

const heddle_model qvanilla_model = {HEDDLE_MODEL_VERSION, "qvanilla",     sizeof(state), reset,
                                     read_register,        write_register, step};
