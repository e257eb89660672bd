#include "additive_attention.h"

#include "aligned.h"
#include "pack.h"

namespace edgeface {

namespace {

// x · weightᵀ for x (rows, inputs), weight (outputs, inputs).
AlignedArray<float> project(const float* x, std::size_t rows, std::size_t inputs,
                            const float* weight, std::size_t outputs, const KernelSet& kernels) {
  const std::size_t panel = kernels.gemm_f32->panel;
  AlignedArray<float> packed(round_up(outputs, panel) * inputs), y(rows * outputs);
  pack_transposed(weight, inputs, inputs, outputs, kernels, packed.begin());
  kernels.gemm_f32->run(
      {x, inputs, packed.begin(), nullptr, y.begin(), outputs, rows, inputs, outputs, false});
  return y;
}

// One query's scores of all keys; `hidden` has room for (keys, hidden).
void score_keys(const AdditiveAttention& a, const float* query, const AlignedArray<float>& keys,
                const KernelSet& kernels, float* hidden, float* scores) noexcept {
  for (std::size_t j = 0; j < a.keys; ++j) {
    const float* key = keys.begin() + j * a.hidden;
    for (std::size_t h = 0; h < a.hidden; ++h) hidden[j * a.hidden + h] = query[h] + key[h];
  }
  kernels.rows_f32->tanh(hidden, a.keys * a.hidden);
  for (std::size_t j = 0; j < a.keys; ++j) {
    scores[j] = kernels.dot_f32(hidden + j * a.hidden, a.weight, a.hidden);
  }
}

}  // namespace

void attend_additively(const AdditiveAttention& a, const KernelSet& kernels) {
  const std::size_t panel = kernels.gemm_f32->panel;
  const auto queries =
      project(a.query, a.queries, a.query_width, a.query_weight, a.hidden, kernels);
  const auto keys = project(a.key, a.keys, a.key_width, a.key_weight, a.hidden, kernels);
  AlignedArray<float> hidden(a.keys * a.hidden), scores(a.queries * a.keys);
  AlignedArray<float> values(round_up(a.value_width, panel) * a.keys);
  for (std::size_t i = 0; i < a.queries; ++i) {
    score_keys(a, queries.begin() + i * a.hidden, keys, kernels, hidden.begin(),
               scores.begin() + i * a.keys);
  }
  kernels.rows_f32->softmax(scores.begin(), a.keys, a.queries, a.keys, 1.0f);
  pack_f32(a.value, a.value_width, a.keys, a.value_width, panel, values.begin());
  kernels.gemm_f32->run({scores.begin(), a.keys, values.begin(), nullptr, a.out, a.value_width,
                         a.queries, a.keys, a.value_width, false});
}

}  // namespace edgeface
