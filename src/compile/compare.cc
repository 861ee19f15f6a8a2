#include "compile/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/text.h"
#include "graph/quantise.h"
#include "ops/op.h"

namespace heddle {
namespace {

Shape unflatten(int64_t flat, const Shape& shape) {
  if (shape.empty()) return {0};
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = flat % shape[d];
    flat /= shape[d];
  }
  return index;
}

double as_double(const Number& number) {
  return std::visit([](auto value) { return static_cast<double>(value); }, number);
}

bool same(const Number& a, const Number& b) {
  const float* const x = std::get_if<float>(&a);
  const float* const y = std::get_if<float>(&b);
  if (x != nullptr && y != nullptr)
    return std::memcmp(x, y, sizeof *x) == 0 || (std::isnan(*x) && std::isnan(*y));
  return a.index() == b.index() ? a == b : as_double(a) == as_double(b);
}

std::optional<Divergence> other_size(const std::string& layer, int64_t sample,
                                     const Tensor& expected, const Tensor& got) {
  if (expected.elements() == got.elements()) return std::nullopt;
  return Divergence{layer, sample, {}, expected.elements(), got.elements()};
}

// The scale of the dequantize that makes a float32 value; nothing if none does, or one per channel.
std::optional<double> step_of(const Graph& graph, ValueId id) {
  for (NodeId producer = graph.value(id).producer; producer.valid();) {
    const Node& node = graph.node(producer);
    if (node.op == "dequantize") {
      const std::optional<Tensor>& scale = graph.value(node.inputs[1]).constant;
      if (!scale || scale->elements() != 1 || scale->dtype() != DType::float32) return std::nullopt;
      return scale->float_at(0);
    }
    if (!in_class(op_of(node), "view")) return std::nullopt;
    producer = graph.value(node.inputs[0]).producer;
  }
  return std::nullopt;
}

// How one output is compared.
struct OutputRule {
  enum Kind { equal, steps, relative } kind = equal;
  double step = 1;        // of `steps`
  bool as_reals = false;  // integers become real numbers first
  bool as_steps = false;  // expected real numbers become integers first
};

Result<OutputRule> rule_for(const Graph& graph, ValueId id, const Sample& expected, size_t output,
                            const Criterion& criterion) {
  const Value& value = graph.value(id);
  const std::string name = terminal_text(value.name);
  const bool real = value.type.dtype == DType::float32;
  const bool reals_expected = expected[output].dtype() == DType::float32;
  const std::optional<double> step = real ? step_of(graph, id) : 1;
  OutputRule rule;
  if (criterion.max_lsb && step) {
    rule.kind = OutputRule::steps;
    rule.step = *step;
  } else if (criterion.tolerance) {
    rule.kind = OutputRule::relative;
    rule.as_reals = !real;
    if (!real && !value.quantisation) {
      return error_at({},
                      fmt::format("a tolerance for output `{}`, an integer without a scale", name),
                      "compare its integers: leave `--tolerance` away, or give `--max-lsb N`");
    }
  } else if (criterion.max_lsb) {
    return error_at({},
                    fmt::format("`--max-lsb` for output `{}`, which is float32 and no "
                                "dequantised integer: it has no steps",
                                name),
                    "give `--tolerance T` for it: |a - b| <= T * max|b|");
  }
  rule.as_steps = !real && reals_expected && !rule.as_reals;
  if (rule.as_steps && !value.quantisation) {
    return error_at({},
                    fmt::format("real numbers are expected of output `{}`, an integer without "
                                "a scale",
                                name),
                    "give its integers");
  }
  return rule;
}

// The expected tensor in the unit that the rule compares in.
Tensor expected_in_unit(const Value& value, const OutputRule& rule, const Tensor& expected) {
  if (rule.as_steps) {
    Tensor integers(DType::int64, expected.shape());
    for (int64_t i = 0; i < expected.elements(); ++i) {
      const float real = expected.float_at(i);
      integers.set(i, std::isnan(real)
                          ? INT64_MIN
                          : quantise(real, *value.quantisation, range_of(value.type.dtype)));
    }
    return integers;
  }
  const bool integers = expected.dtype() != DType::float32;
  if (!integers || (value.type.dtype != DType::float32 && !rule.as_reals)) return expected;
  Tensor reals(DType::float32, expected.shape());
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const int64_t integer = expected.at(i);
    reals.set_float(i, static_cast<float>(rule.as_reals ? real_value(integer, *value.quantisation)
                                                        : static_cast<double>(integer)));
  }
  return reals;
}

Tensor got_in_unit(const Value& value, const OutputRule& rule, const Tensor& got) {
  if (!rule.as_reals) return got;
  Tensor reals(DType::float32, got.shape());
  for (int64_t i = 0; i < got.elements(); ++i)
    reals.set_float(i, static_cast<float>(real_value(got.at(i), *value.quantisation)));
  return reals;
}

std::vector<double> doubles_of(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = as_double(number_at(tensor, static_cast<int64_t>(i)));
  return values;
}

// Indices of the `count` largest elements, the first of equal ones first.
std::vector<size_t> largest(const std::vector<double>& values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(count);
  return order;
}

// Sums over all samples of one output.
struct Sums {
  double squares = 0, dot = 0, expected = 0, got = 0;
  int64_t samples = 0, same_top = 0, common_top = 0;
};

void add(Sums& sums, Metrics& metrics, const std::vector<double>& expected,
         const std::vector<double>& got, const Shape& shape) {
  constexpr size_t kTop = 5;
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool equal = got[i] == expected[i];  // infinities too
    const double difference = equal ? 0 : std::fabs(got[i] - expected[i]);
    metrics.largest = std::isnan(difference) ? difference : std::max(metrics.largest, difference);
    sums.squares += difference * difference;
    sums.dot += expected[i] * got[i];
    sums.expected += expected[i] * expected[i];
    sums.got += got[i] * got[i];
  }
  ++sums.samples;
  const bool vector = !shape.empty() && shape.back() == elements_of(shape);
  if (!vector || expected.size() < 2) return;
  sums.same_top += largest(expected, 1) == largest(got, 1);
  metrics.top_1 = static_cast<double>(sums.same_top) / static_cast<double>(sums.samples);
  if (expected.size() <= kTop) return;
  const std::vector<size_t> of_got = largest(got, kTop);
  for (const size_t index : largest(expected, kTop))
    sums.common_top += std::count(of_got.begin(), of_got.end(), index);
  metrics.top_5 = static_cast<double>(sums.common_top) / static_cast<double>(kTop * sums.samples);
}

void finish(const Sums& sums, Metrics& metrics) {
  if (metrics.elements == 0) return;
  metrics.rmse = std::sqrt(sums.squares / static_cast<double>(metrics.elements));
  const double norm = std::sqrt(sums.expected) * std::sqrt(sums.got);
  const bool both_zero = sums.expected == 0 && sums.got == 0;
  metrics.cosine = both_zero ? 1 : norm == 0 ? 0 : std::min(1.0, sums.dot / norm);
}

// Whether the element is within the bound.
bool within(const OutputRule& rule, const Criterion& criterion, double expected, double got,
            double scale) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
  if (expected == got) return true;  // infinities
  const double difference = std::fabs(got - expected);
  switch (rule.kind) {
    case OutputRule::equal:
      return false;
    case OutputRule::steps:
      return std::round(difference / rule.step) <= static_cast<double>(*criterion.max_lsb);
    case OutputRule::relative:
      return difference <= *criterion.tolerance * scale;
  }
  return false;
}

// Elements of a dequantised output that differ by a rounding of float32 only are the same step.
bool counts_as_equal(const OutputRule& rule, double expected, double got) {
  if (std::isnan(expected) && std::isnan(got)) return true;
  if (rule.kind == OutputRule::steps) return std::round(std::fabs(got - expected) / rule.step) == 0;
  return expected == got;
}

std::string describe(const Criterion& criterion) {
  std::string text;
  if (criterion.max_lsb) {
    text = fmt::format("at most {} LSB", *criterion.max_lsb);
    if (criterion.max_fraction < 1)
      text += fmt::format(" on at most {:.4g} % of the elements", criterion.max_fraction * 100);
  }
  if (criterion.tolerance) {
    text +=
        fmt::format("{}|a - b| <= {:g} * max|b|", text.empty() ? "" : "; ", *criterion.tolerance);
  }
  return text;
}

}  // namespace

std::string to_string(const Number& number) {
  return std::visit([](auto value) { return fmt::format("{}", value); }, number);
}

Number number_at(const Tensor& tensor, int64_t flat) {
  if (tensor.dtype() == DType::float32) return tensor.float_at(flat);
  return tensor.at(flat);
}

std::string to_string(const Divergence& d) {
  if (d.index.empty())
    return fmt::format("{}: sample {} has {} elements, {} expected", d.layer, d.sample,
                       to_string(d.got), to_string(d.expected));
  return fmt::format("{}: sample {}, element {}: {} expected, got {}", d.layer, d.sample,
                     to_string(d.index), to_string(d.expected), to_string(d.got));
}

std::optional<Divergence> compare(const std::string& layer, int64_t sample, const Tensor& expected,
                                  const Tensor& got) {
  if (std::optional<Divergence> size = other_size(layer, sample, expected, got)) return size;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const Number e = number_at(expected, i), g = number_at(got, i);
    if (!same(e, g)) return Divergence{layer, sample, unflatten(i, expected.shape()), e, g};
  }
  return std::nullopt;
}

Result<Comparison> compare_outputs(const Graph& graph, const std::vector<std::vector<Tensor>>& got,
                                   const std::vector<Sample>& expected,
                                   const Criterion& criterion) {
  HEDDLE_CHECK(got.size() == expected.size(), "outputs and expected outputs are no pairs");
  Comparison comparison;
  comparison.criterion = describe(criterion);
  comparison.samples = static_cast<int64_t>(got.size());
  std::optional<Divergence> first_of_all;
  std::vector<char> exact(got.size(), 1);
  int64_t elements = 0, differing = 0;
  const std::vector<ValueId> returned = graph.returned_outputs();
  for (size_t o = 0; o < returned.size() && !got.empty(); ++o) {
    const Value& value = graph.value(returned[o]);
    Result<OutputRule> rule = rule_for(graph, returned[o], expected[0], o, criterion);
    if (!rule.ok()) return rule.errors();
    Metrics metrics;
    metrics.output = terminal_text(value.name);
    Sums sums;
    for (size_t s = 0; s < got.size(); ++s) {
      const Tensor e = expected_in_unit(value, *rule, expected[s][o]);
      const Tensor g = got_in_unit(value, *rule, got[s][o]);
      const std::string where = "output " + metrics.output;
      const auto diverge = [&](std::optional<Divergence>& first, Divergence divergence) {
        const bool earlier = !first || divergence.sample < first->sample;
        if (earlier) first = std::move(divergence);
      };
      if (auto size = other_size(where, static_cast<int64_t>(s), e, g)) {
        exact[s] = 0;
        comparison.met = false;
        diverge(comparison.first, *size);
        continue;
      }
      const std::vector<double> es = doubles_of(e), gs = doubles_of(g);
      double scale = 0;
      for (const double x : es) scale = std::isfinite(x) ? std::max(scale, std::fabs(x)) : scale;
      for (size_t i = 0; i < es.size(); ++i) {
        if (counts_as_equal(*rule, es[i], gs[i])) continue;
        ++metrics.differing;
        exact[s] = 0;
        const int64_t flat = static_cast<int64_t>(i);
        const Divergence divergence{where, static_cast<int64_t>(s), unflatten(flat, e.shape()),
                                    number_at(e, flat), number_at(g, flat)};
        if (!first_of_all || divergence.sample < first_of_all->sample) first_of_all = divergence;
        if (within(*rule, criterion, es[i], gs[i], scale)) continue;
        comparison.met = false;
        diverge(comparison.first, divergence);
      }
      metrics.elements += static_cast<int64_t>(es.size());
      add(sums, metrics, es, gs, e.shape());
    }
    finish(sums, metrics);
    if (rule->kind == OutputRule::steps) {
      elements += metrics.elements;
      differing += metrics.differing;
    }
    comparison.outputs.push_back(std::move(metrics));
  }
  if (static_cast<double>(differing) > criterion.max_fraction * static_cast<double>(elements))
    comparison.met = false;
  if (!comparison.first) comparison.first = std::move(first_of_all);
  comparison.exact = std::count(exact.begin(), exact.end(), 1);
  return comparison;
}

}  // namespace heddle
