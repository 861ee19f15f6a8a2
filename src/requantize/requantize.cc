#include "requantize/requantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "import/import.h"
#include "ops/op.h"
#include "requantize/equalise.h"
#include "requantize/fit.h"
#include "requantize/ternary.h"
#include "requantize/workspace.h"
#include "requantize/write.h"

namespace heddle {
namespace {

using namespace requantizing;

constexpr int64_t kMostSumShift = 8;

double decibels(double signal, double noise) {
  if (noise <= 0) return kInfinity;
  return 10 * std::log10(std::max(signal, 1e-300) / noise);
}

class Requantizer {
 public:
  Requantizer(const Graph& source, const std::vector<Sample>& samples,
              const RequantizeOptions& options)
      : source_(source), samples_(samples), options_(options), w_(source) {}

  // With `even` the channels' ranges are evened out first; nothing is done where there are none.
  Result<Requantized> run(bool even) {
    Result<RealNetwork> network = real_meaning(source_, options_.file);
    if (!network.ok()) return network.errors();
    w_.network = std::move(*network);
    Result<ScaleGroups> groups = scale_groups(w_.network, options_.file);
    if (!groups.ok()) return groups.errors();
    w_.groups = std::move(*groups);
    w_.bases.resize(w_.groups.groups.size());
    show("reference on the calibration samples");
    Result<std::vector<std::vector<Tensor>>> reference = interpret_all(source_, samples_);
    if (!reference.ok()) return reference.errors();
    w_.reference = std::move(*reference);
    const int equalised = even ? equalise(w_.network, source_, w_.reference, options_.ternary) : 0;
    if (even && equalised == 0) return Requantized{};

    for (const RealLayer& layer : w_.network.layers) {
      if (is_ternary(layer)) narrow(layer.inputs[0]);
    }
    for (ValueId id : w_.network.inputs) add_input(id);
    for (const RealLayer& layer : w_.network.layers) {
      if (!errors_.empty()) break;
      show(layer.name);
      if (layer.kind == RealLayer::Kind::linear) {
        add_linear(layer);
      } else if (layer.kind == RealLayer::Kind::sum) {
        add_sum(layer);
      } else {
        add_same(layer);
      }
    }
    if (!errors_.empty()) return errors_;
    Requantized result = finish();
    result.equalised = equalised;
    return result;
  }

 private:
  void show(const std::string& what) const {
    if (options_.progress) options_.progress(terminal_text(what));
  }
  void fail(const RealLayer& layer, const std::string& why, const std::string& remedy) {
    Place place = in_file(options_.file);
    place.node = fmt::format("{} ({})", layer.name, layer.op);
    errors_.push_back(error_at(std::move(place), why, remedy));
  }

  bool is_ternary(const RealLayer& layer) const {
    return layer.kind == RealLayer::Kind::linear && layer.op == "conv2d" &&
           options_.ternary.contains(layer.name);
  }
  // The tensor gets 7 bits, and with it what is only moved into it.
  void narrow(ValueId id) {
    w_.narrow.insert(id);
    for (const RealLayer& layer : w_.network.layers) {
      if (layer.output != id || layer.kind != RealLayer::Kind::same) continue;
      for (ValueId x : layer.inputs) narrow(x);
    }
  }

  // ---- layers

  void add_input(ValueId id) {
    const Value& value = source_.value(id);
    IntegerTensor x{w_.shape(id), 1, 0, -128, 127, {}};
    const bool real = value.type.dtype == DType::float32;
    // A quantised input is told by the name of what is quantised.
    const bool inner = value.producer.valid();
    NamedInput input{source_.value(inner ? source_.node(value.producer).inputs[0] : id).name, id,
                     kInt8, 0};
    if (real) {
      const Reals all = w_.reals({id}, w_.all_samples());
      const double most = largest_magnitude(all, -kInfinity, kInfinity);
      x.scale = most == 0 ? 1 : most / 127;
      for (const std::vector<double>& sample : all) {
        std::vector<int32_t> q;
        for (double number : sample)
          q.push_back(static_cast<int32_t>(requantized_input(number, x.scale)));
        x.data.push_back(std::move(q));
      }
      notes_.push_back(
          fmt::format("input `{}` takes integers now: round(real / {:.9g}), clipped to [-128, 127]",
                      terminal_text(input.name), x.scale));
    } else {
      const Range range = value.type.range;
      if (range.hi - range.lo > 255) {
        RealLayer named;
        named.name = input.name;
        named.op = "input";
        return fail(named,
                    fmt::format("its integers are {} to {}, more than 8 bits", range.lo, range.hi),
                    "say what it holds, e.g. `--input-type NAME=int8`");
      }
      input.range = range;
      if (!kInt8.contains(range)) input.moved = range.lo + 128;
      x.zero = static_cast<int64_t>(w_.zero(id)) - input.moved;
      x.lo = range.lo - input.moved;
      x.hi = range.hi - input.moved;
      for (size_t s = 0; s < samples_.size(); ++s) {
        std::vector<int32_t> q;
        for (int64_t element : w_.reference[s][static_cast<size_t>(id.index)].to_ints())
          q.push_back(static_cast<int32_t>(element - input.moved));
        x.data.push_back(std::move(q));
      }
      if (input.moved != 0) {
        notes_.push_back(
            fmt::format("input `{}` holds {} to {}: {} is taken off first, for 8 bits with a sign",
                        terminal_text(input.name), range.lo, range.hi, input.moved));
      }
    }
    w_.set_scale(id, x.scale);
    inputs_.push_back(std::move(input));
    w_.tensors.emplace(id, std::move(x));
  }

  void add_linear(const RealLayer& layer) {
    const IntegerTensor& x = w_.tensor(layer.inputs[0]);
    if (elements_of(x.shape) == 0 || x.shape[0] != 1)
      return fail(layer,
                  fmt::format("its input has shape {}: only single samples are requantised",
                              to_string(x.shape)),
                  "give the model a batch of 1");
    if (x.zero != 0 && layer.op == "depthwise_conv2d" && x.shape.size() != 4)
      return fail(layer, "it averages an input that is no image", "");
    const Reals targets = w_.reals(layer.target, w_.all_samples());
    Reals searched;
    for (size_t s : search_samples(samples_.size())) searched.push_back(targets[s]);
    const std::vector<double> scales = w_.scales_for(layer.output, layer.lo, layer.hi, searched);
    const Reals results = w_.searched_reals(layer.output);
    Fitting fitting{layer, x, targets, results, scales, {}, 1, w_.range_of(layer.output)};
    set_cost(w_, layer, searched, fitting);
    const bool ternary = is_ternary(layer);
    if (ternary && (x.zero != 0 || !kInt7.contains(Range{x.lo, x.hi}))) {
      return fail(
          layer,
          fmt::format("an analog array reads 7 bits around 0, its input holds {} to {} around {}",
                      x.lo, x.hi, x.zero),
          "leave the layer that reads the network's input out of `--ternary`");
    }
    IntegerLayer made = ternary ? fit_ternary(fitting) : fit_linear(fitting);
    made.name = layer.name;
    made.inputs = layer.inputs;
    made.output = layer.output;
    w_.set_scale(layer.output, made.scale);
    add(std::move(made), targets, layer.lo, layer.hi);
  }

  // Runs the layer, keeps it, and says how near to the source it came.
  void add(IntegerLayer layer, const Reals& targets, double lo, double hi) {
    std::vector<const IntegerTensor*> inputs;
    for (ValueId id : layer.inputs) inputs.push_back(&w_.tensor(id));
    IntegerTensor y{w_.shape(layer.output), layer.scale, 0, layer.lo, layer.hi, {}};
    if (layer.kind == RealLayer::Kind::same) y.zero = inputs[0]->zero;
    y.data = run_layer(layer, inputs, y.shape);
    double noise = 0, signal = 0, count = 0;
    for (size_t s = 0; s < targets.size(); ++s) {
      for (size_t i = 0; i < targets[s].size(); ++i) {
        const double real = std::clamp(targets[s][i], lo, hi);
        const double error = static_cast<double>(y.data[s][i] - y.zero) * y.scale - real;
        noise += error * error;
        signal += real * real;
      }
      count += static_cast<double>(targets[s].size());
    }
    layer.noise = noise / std::max(count, 1.0);
    layer.signal = signal / std::max(count, 1.0);
    w_.tensors.insert_or_assign(layer.output, std::move(y));
    layers_.push_back(std::move(layer));
  }

  // The layer that makes a tensor which only `reader` reads: its bias may have more in it.
  IntegerLayer* only_for(ValueId id, const RealLayer& reader) {
    if (source_.is_output(id)) return nullptr;
    for (const RealLayer& layer : w_.network.layers) {
      if (&layer == &reader) continue;
      if (std::find(layer.inputs.begin(), layer.inputs.end(), id) != layer.inputs.end())
        return nullptr;
    }
    if (std::find(w_.network.outputs.begin(), w_.network.outputs.end(), id) !=
        w_.network.outputs.end())
      return nullptr;
    for (IntegerLayer& layer : layers_) {
      const bool biased = layer.kind == RealLayer::Kind::linear && !layer.converter;
      if (layer.output == id && biased) return &layer;
    }
    return nullptr;
  }

  void add_sum(const RealLayer& layer) {
    const IntegerTensor &a = w_.tensor(layer.inputs[0]), &b = w_.tensor(layer.inputs[1]);
    if (a.zero != 0 || b.zero != 0)
      return fail(
          layer,
          fmt::format("it adds an input whose zero point is {}", a.zero != 0 ? a.zero : b.zero),
          "put a layer between the input and the sum");
    const Reals targets = w_.reals(layer.target, w_.all_samples());
    IntegerLayer sum;
    sum.kind = RealLayer::Kind::sum;
    sum.name = layer.name;
    sum.op = "add";
    sum.inputs = layer.inputs;
    sum.output = layer.output;
    const double unit = a.scale * layer.factors[0];
    IntegerLayer* producer = only_for(layer.inputs[0], layer);
    if (producer == nullptr && layer.inputs[0] != layer.inputs[1])
      producer = only_for(layer.inputs[1], layer);
    const std::optional<double> known = w_.known_scale(layer.output);
    const Reals results = w_.searched_reals(layer.output);
    double least = kInfinity;
    int64_t added = 0;
    for (int64_t shift = 1; shift <= kMostSumShift; ++shift) {
      const double scale = std::ldexp(unit, static_cast<int>(shift));
      if (known && std::abs(scale - *known) > 1e-6 * scale) continue;
      for (int64_t half : {int64_t{1} << (shift - 1), int64_t{0}}) {
        // What the sum has beside its operands, in steps of theirs.
        const int64_t more = half + std::llround(layer.bias[0] / unit);
        if (more != 0 && producer == nullptr) continue;
        IntegerLayer tried = sum;
        tried.shift = shift;
        tried.scale = scale;
        const Range bounds = integer_bounds(layer.lo, layer.hi, scale, w_.range_of(layer.output));
        tried.lo = bounds.lo;
        tried.hi = bounds.hi;
        const double noise = sum_noise(tried, a, b, more, targets, results, layer);
        if (noise >= least) continue;
        least = noise;
        added = more;
        sum = tried;
      }
    }
    if (least == kInfinity) {
      return fail(layer, "its result must have a scale that is no power of two of its operands'",
                  "put a convolution or dense layer behind it");
    }
    if (added != 0) {
      for (int64_t& bias : producer->bias) bias += added << producer->shift;
      IntegerTensor& x = w_.tensor(producer->output);
      std::vector<const IntegerTensor*> inputs;
      for (ValueId id : producer->inputs) inputs.push_back(&w_.tensor(id));
      x.data = run_layer(*producer, inputs, x.shape);
    }
    w_.set_scale(layer.output, sum.scale);
    add(std::move(sum), targets, layer.lo, layer.hi);
  }

  // Square error; less than any where the source's results are met exactly.
  double sum_noise(const IntegerLayer& sum, const IntegerTensor& a, const IntegerTensor& b,
                   int64_t more, const Reals& targets, const Reals& results,
                   const RealLayer& layer) const {
    double noise = 0;
    bool exact = true;
    const std::vector<size_t> which = search_samples(targets.size());
    for (size_t n = 0; n < which.size(); ++n) {
      const size_t s = which[n];
      for (size_t i = 0; i < targets[s].size(); ++i) {
        const int64_t q =
            std::clamp((a.data[s][i] + b.data[s][i] + more) >> sum.shift, sum.lo, sum.hi);
        const double real = static_cast<double>(q) * sum.scale;
        const double error = real - std::clamp(targets[s][i], layer.lo, layer.hi);
        noise += error * error;
        exact = exact && real == results[n][i];
      }
    }
    return exact ? -1 : noise;
  }

  void add_same(const RealLayer& layer) {
    const IntegerTensor& x = w_.tensor(layer.inputs[0]);
    IntegerLayer same;
    same.name = layer.name;
    same.op = layer.op;
    same.attributes = layer.attributes;
    same.inputs = layer.inputs;
    same.output = layer.output;
    same.scale = x.scale * layer.factors[0];
    const auto bound = [&](double real) {
      const double q = std::floor(real / same.scale + 0.5) + static_cast<double>(x.zero);
      return static_cast<int64_t>(
          std::clamp(q, static_cast<double>(kInt8.lo), static_cast<double>(kInt8.hi)));
    };
    Range range{x.lo, x.hi};
    for (ValueId id : layer.inputs) {
      const IntegerTensor& other = w_.tensor(id);
      range = {std::min(range.lo, other.lo), std::max(range.hi, other.hi)};
      if (other.zero != x.zero)
        return fail(layer, "it joins tensors of different zero points",
                    "put a layer between the input and it");
    }
    same.lo = std::clamp(bound(layer.lo), range.lo, range.hi);
    same.hi = std::clamp(bound(layer.hi), range.lo, range.hi);
    w_.set_scale(layer.output, same.scale);
    add(std::move(same), {}, 0, 0);
  }

  // ---- the end

  Requantized finish() {
    Requantized result;
    result.onnx = write_onnx({source_.name, inputs_, layers_, w_.tensors, w_.network.outputs});
    show("reading what was written");
    Result<Graph> graph = import_onnx(result.onnx, source_.name, {});
    HEDDLE_CHECK(graph.ok(), "the written network is not read: " +
                                 (graph.ok() ? "" : format_diagnostics(graph.errors())));
    result.graph = std::move(*graph);
    check_first_sample(result.graph);
    result.noise = output_noise();
    result.notes = w_.network.notes;
    result.notes.insert(result.notes.end(), notes_.begin(), notes_.end());
    for (const NamedInput& input : inputs_)
      result.inputs.push_back({input.source, w_.tensor(input.source).scale});
    for (ValueId id : w_.network.outputs)
      result.outputs.push_back({id, w_.zero(id), w_.tensor(id).scale});
    for (const IntegerLayer& layer : layers_) {
      if (layer.kind == RealLayer::Kind::same) continue;
      RequantizedLayer row;
      row.name = layer.name;
      row.op = layer.op;
      row.scale = layer.scale;
      row.shift = layer.shift;
      row.lo = layer.lo;
      row.hi = layer.hi;
      row.ternary = layer.converter.has_value();
      for (int64_t w : layer.weights)
        row.largest_weight = std::max(row.largest_weight, std::abs(w));
      row.clipped_weights = layer.clipped;
      row.signal_to_noise = decibels(layer.signal, layer.noise);
      result.layers.push_back(std::move(row));
    }
    return result;
  }

  double output_noise() const {
    double noise = 0, signal = 0;
    for (ValueId id : w_.network.outputs) {
      const IntegerTensor& y = w_.tensor(id);
      for (size_t s = 0; s < y.data.size(); ++s) {
        const std::vector<double> elements =
            numbers_of(w_.reference[s][static_cast<size_t>(id.index)]);
        for (size_t i = 0; i < elements.size(); ++i) {
          const double real = elements[i] - w_.zero(id);
          const double error = static_cast<double>(y.data[s][i] - y.zero) * y.scale - real;
          noise += error * error;
          signal += real * real;
        }
      }
    }
    return noise / std::max(signal, 1e-300);
  }

  // What was written and read again computes what was chosen.
  void check_first_sample(const Graph& graph) const {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const TensorType& type = graph.value(graph.inputs[i]).type;
      inputs.emplace_back(type.dtype, type.shape);
      const std::vector<int32_t>& q = w_.tensors.at(inputs_[i].source).data[0];
      for (size_t e = 0; e < q.size(); ++e)
        inputs[i].set(static_cast<int64_t>(e), q[e] + inputs_[i].moved);
    }
    const Result<std::vector<Tensor>> values = interpret(graph, inputs);
    HEDDLE_CHECK(values.ok(), "the written network does not run");
    for (size_t o = 0; o < w_.network.outputs.size(); ++o) {
      const std::vector<int32_t>& q = w_.tensors.at(w_.network.outputs[o]).data[0];
      const Tensor& y = (*values)[static_cast<size_t>(graph.outputs[o].index)];
      for (size_t e = 0; e < q.size(); ++e)
        HEDDLE_CHECK(y.at(static_cast<int64_t>(e)) == q[e],
                     "the written network computes other integers");
    }
  }

  const Graph& source_;
  const std::vector<Sample>& samples_;
  const RequantizeOptions& options_;
  Workspace w_;
  std::vector<IntegerLayer> layers_;
  std::vector<NamedInput> inputs_;
  std::vector<std::string> notes_;
  Diagnostics errors_;
};

}  // namespace

int64_t requantized_input(double real, double scale) {
  return static_cast<int64_t>(std::clamp(std::floor(real / scale + 0.5), -128.0, 127.0));
}

Result<Requantized> requantize(const Graph& source, const std::vector<Sample>& calibration,
                               const RequantizeOptions& options) {
  Result<Requantized> plain = Requantizer(source, calibration, options).run(false);
  if (!plain.ok() || plain->noise == 0) return plain;
  Result<Requantized> even = Requantizer(source, calibration, options).run(true);
  if (!even.ok()) return even;
  return even->equalised > 0 && even->noise < plain->noise ? std::move(even) : std::move(plain);
}

}  // namespace heddle
