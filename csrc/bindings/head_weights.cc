#include "head_weights.h"

#include <algorithm>

namespace edgeface {

namespace {

std::string shape_text(std::size_t rows, std::size_t columns) {
  const auto size = [](std::size_t n) { return n == 0 ? std::string("any") : std::to_string(n); };
  return "(" + size(rows) + ", " + size(columns) + ")";
}

[[noreturn]] void refuse_shape(const std::string& name, const py::array& found,
                               const std::string& expected) {
  throw py::value_error(name + " is " + describe(found) + "; expected shape " + expected +
                        " to fit the head's other arrays; check that all come from one checkpoint");
}

void require_shape(const std::string& name, const py::array& array, std::size_t rows,
                   std::size_t columns) {
  const auto fits = [&](py::ssize_t axis, std::size_t expected) {
    const auto size = static_cast<std::size_t>(array.shape(axis));
    return size > 0 && (expected == 0 || size == expected);
  };
  if (!fits(0, rows) || !fits(1, columns)) {
    refuse_shape(name, array, shape_text(rows, columns));
  }
}

}  // namespace

WeightReader::WeightReader(const py::object& weights, Precision precision) : precision_(precision) {
  if (!py::hasattr(weights, "keys")) {
    throw py::type_error(std::string("weights is a ") + Py_TYPE(weights.ptr())->tp_name +
                         "; expected a mapping of state_dict names to arrays");
  }
  left_.attr("update")(weights);  // a copy: names are taken out of it
}

bool WeightReader::has(const std::string& name) const { return left_.contains(name); }

py::object WeightReader::take(const std::string& name) {
  if (!has(name)) {
    throw py::value_error("weights lack '" + name +
                          "'; expected the arrays of export.dsanet.Head's state_dict");
  }
  kept_.push_back(left_.attr("pop")(name));
  return kept_.back();
}

py::array_t<float> WeightReader::matrix(const std::string& name, std::size_t rows,
                                        std::size_t columns) {
  const auto array = require_array<float>(take(name), name.c_str(), 2, "(out, in)");
  require_shape(name, array, rows, columns);
  require_finite(array, name.c_str());
  return array;
}

py::array_t<float> WeightReader::vector(const std::string& name, std::size_t size) {
  const auto array = require_array<float>(take(name), name.c_str(), 1, "(out,)");
  if (static_cast<std::size_t>(array.size()) != size) {
    refuse_shape(name, array, "(" + std::to_string(size) + ",)");
  }
  require_finite(array, name.c_str());
  return array;
}

NormWeights WeightReader::norm(const std::string& name, std::size_t width) {
  return {vector(name + ".weight", width).data(), vector(name + ".bias", width).data()};
}

LinearWeights WeightReader::float_linear(const std::string& name, std::size_t outputs,
                                         std::size_t inputs) {
  const auto weight = matrix(name + ".weight", outputs, inputs);
  LinearWeights layer;
  layer.weight = weight.data();
  layer.outputs = static_cast<std::size_t>(weight.shape(0));
  layer.inputs = static_cast<std::size_t>(weight.shape(1));
  layer.bias = vector(name + ".bias", layer.outputs).data();
  return layer;
}

LinearWeights WeightReader::linear(const std::string& name, std::size_t outputs,
                                   std::size_t inputs) {
  const LinearWeights layer = any_linear(name, outputs, inputs);
  if (precision_ == Precision::kInt8 && layer.inputs > kMostDepth) {
    throw py::value_error(name + ".weight has " + std::to_string(layer.inputs) +
                          " inputs; expected at most " + std::to_string(kMostDepth) +
                          " in int8, so that no sum leaves int32; use precision=\"float32\"");
  }
  return layer;
}

LinearWeights WeightReader::any_linear(const std::string& name, std::size_t outputs,
                                       std::size_t inputs) {
  const std::string weight_name = name + ".weight";
  if (!has(weight_name) || !py::isinstance<py::array_t<std::int8_t>>(left_[weight_name.c_str()])) {
    return float_linear(name, outputs, inputs);
  }
  if (precision_ != Precision::kInt8) {
    throw py::value_error(weight_name + " is int8 and the head's precision is float32; pass " +
                          "precision=\"int8\" or float32 weights");
  }
  const auto weight =
      require_array<std::int8_t>(take(weight_name), weight_name.c_str(), 2, "(out, in)");
  require_shape(weight_name, weight, outputs, inputs);
  require_seven_bits(weight, weight_name.c_str());
  LinearWeights layer;
  layer.weight_i8 = weight.data();
  layer.outputs = static_cast<std::size_t>(weight.shape(0));
  layer.inputs = static_cast<std::size_t>(weight.shape(1));
  layer.scale = vector(weight_name + ".scale", layer.outputs).data();
  layer.bias = vector(name + ".bias", layer.outputs).data();
  return layer;
}

BlockWeights WeightReader::block(const std::string& name, std::size_t width) {
  BlockWeights block;
  block.norm1 = norm(name + "norm1", width);
  block.norm2 = norm(name + "norm2", width);
  block.qkv = linear(name + "qkv", 3 * width, width);
  block.out = linear(name + "out", width, width);
  block.fc1 = linear(name + "fc1", kAny, width);
  block.fc2 = linear(name + "fc2", width, block.fc1.outputs);
  return block;
}

void WeightReader::refuse_other_pooling() const {
  if (has("pool.scores.weight")) return;
  const char* found = has("pool.weight") ? "gdconv" : "gap (no array of 'pool')";
  throw py::value_error(std::string("weights lack 'pool.scores.weight': their pooling is ") +
                        found + "; expected attention pooling; run such a head in the whole graph");
}

void WeightReader::refuse_rest() const {
  if (left_.empty()) return;
  std::string names;
  for (const auto& item : left_) {
    names += (names.empty() ? "'" : "', '") + py::str(item.first).cast<std::string>();
  }
  throw py::value_error("weights hold " + names +
                        "', which a head of these sizes has not; check the checkpoint");
}

HeadWeights WeightReader::read(std::size_t heads) {
  HeadWeights head;
  refuse_other_pooling();
  const auto position = matrix("position", kAny, kAny);
  head.position = position.data();
  head.tokens = static_cast<std::size_t>(position.shape(0));
  head.width = static_cast<std::size_t>(position.shape(1));
  head.heads = heads;
  if (heads == 0 || head.width % heads != 0) {
    throw py::value_error("heads is " + std::to_string(heads) + "; expected a divisor of the " +
                          std::to_string(head.width) + " columns of position");
  }
  head.inlet = linear("inlet", head.width, kAny);
  head.channels = head.inlet.inputs;
  if (has("gate.weight")) head.gate = float_linear("gate", 1, head.channels);
  for (std::size_t i = 0; has("blocks." + std::to_string(i) + ".norm1.weight"); ++i) {
    head.blocks.push_back(block("blocks." + std::to_string(i) + ".", head.width));
  }
  head.pool_norm = norm("pool.norm", head.width);
  head.scores = float_linear("pool.scores", kAny, head.width);
  head.project = linear("project", kAny, head.scores.outputs * head.width);
  refuse_rest();
  return head;
}

}  // namespace edgeface
