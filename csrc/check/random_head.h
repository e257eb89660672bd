// An attention head with random weights, and the memory they lie in.
#pragma once

#include <cstddef>
#include <vector>

#include "../head.h"
#include "row.h"

namespace edgeface::check {

struct HeadShape {
  std::size_t channels, tokens, width, heads, hidden, blocks, queries, dim;
  bool gate;
};

class RandomHead {
 public:
  explicit RandomHead(const HeadShape& shape) : width_(shape.width) {
    weights.channels = shape.channels;
    weights.tokens = shape.tokens;
    weights.width = shape.width;
    weights.heads = shape.heads;
    if (shape.gate) weights.gate = linear(shape.channels, 1);
    weights.inlet = linear(shape.channels, shape.width);
    weights.position = array(shape.tokens * shape.width);
    for (std::size_t i = 0; i < shape.blocks; ++i) {
      weights.blocks.push_back({norm(), norm(), linear(shape.width, 3 * shape.width),
                                linear(shape.width, shape.width), linear(shape.width, shape.hidden),
                                linear(shape.hidden, shape.width)});
    }
    weights.pool_norm = norm();
    weights.scores = linear(shape.width, shape.queries);
    weights.project = linear(shape.queries * shape.width, shape.dim);
  }

  HeadWeights weights;

 private:
  const float* array(std::size_t count) {
    arrays_.push_back(Row<float>(count, 1, static_cast<unsigned>(arrays_.size() + 10)));
    return arrays_.back().data();
  }
  NormWeights norm() { return {array(width_), array(width_)}; }
  LinearWeights linear(std::size_t inputs, std::size_t outputs) {
    LinearWeights layer;
    layer.weight = array(inputs * outputs);
    layer.bias = array(outputs);
    layer.inputs = inputs;
    layer.outputs = outputs;
    return layer;
  }

  std::size_t width_;
  std::vector<Row<float>> arrays_;
};

}  // namespace edgeface::check
