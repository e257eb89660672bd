// Additive attention (Bahdanau, Cho and Bengio 2015) over the kernels.
#pragma once

#include <cstddef>

#include "dispatch.h"

namespace edgeface {

struct AdditiveAttention {
  const float* query;         // (queries, query_width)
  const float* key;           // (keys, key_width)
  const float* value;         // (keys, value_width)
  const float* query_weight;  // (hidden, query_width)
  const float* key_weight;    // (hidden, key_width)
  const float* weight;        // (hidden,)
  std::size_t queries, keys, query_width, key_width, value_width, hidden;
  float* out;  // (queries, value_width)
};

// score[i, j] = weight · tanh(query_weight · query[i] + key_weight · key[j]);
// out[i] = sum_j softmax_j(score[i]) value[j]. Throws std::bad_alloc.
void attend_additively(const AdditiveAttention& attention, const KernelSet& kernels);

}  // namespace edgeface
