// Multi-head scaled dot-product attention (Vaswani et al. 2017) over the kernels.
#pragma once

#include <cstddef>

#include "dispatch.h"

namespace edgeface {

struct Attention {
  const float* query;  // (queries, heads * width)
  const float* key;    // (keys, heads * width)
  const float* value;  // (keys, heads * value_width)
  float* out;          // (queries, heads * value_width)
  std::size_t query_stride, key_stride, value_stride, out_stride;
  std::size_t queries, keys, heads, width, value_width;
  float scale;  // of the products, 1/sqrt(width) as a rule; >= 0
};

// Floats of scratch that `attend` needs.
std::size_t attention_scratch(const Attention& shape, const KernelSet& kernels) noexcept;

// out = softmax(scale * query · keyᵀ) · value for each head; zeros when keys == 0.
void attend(const Attention& attention, const KernelSet& kernels, float* scratch) noexcept;

}  // namespace edgeface
