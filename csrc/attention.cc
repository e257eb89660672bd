#include "attention.h"

#include "pack.h"

namespace edgeface {

namespace {

// Where a call's intermediate results lie in its scratch.
struct Layout {
  std::size_t keys, values, scores;

  std::size_t total(std::size_t queries, std::size_t key_count) const noexcept {
    return scores + queries * round_up(key_count, 16);
  }
};

Layout layout_of(const Attention& a, std::size_t panel) noexcept {
  const std::size_t keys = round_up(a.keys, panel) * a.width;
  const std::size_t values = round_up(a.value_width, panel) * a.keys;
  return {0, keys, keys + round_up(values, 16)};
}

}  // namespace

std::size_t attention_scratch(const Attention& shape, const KernelSet& kernels) noexcept {
  return layout_of(shape, kernels.gemm_f32->panel).total(shape.queries, shape.keys);
}

void attend(const Attention& a, const KernelSet& kernels, float* scratch) noexcept {
  const std::size_t panel = kernels.gemm_f32->panel, score_stride = round_up(a.keys, 16);
  const Layout layout = layout_of(a, panel);
  float* const scores = scratch + layout.scores;
  for (std::size_t head = 0; head < a.heads; ++head) {
    const float* query = a.query + head * a.width;
    const float* key = a.key + head * a.width;
    const float* value = a.value + head * a.value_width;
    float* out = a.out + head * a.value_width;
    pack_transposed(key, a.key_stride, a.width, a.keys, kernels, scratch + layout.keys);
    pack_f32(value, a.value_stride, a.keys, a.value_width, panel, scratch + layout.values);
    kernels.gemm_f32->run({query, a.query_stride, scratch + layout.keys, nullptr, scores,
                           score_stride, a.queries, a.width, a.keys, false});
    kernels.rows_f32->softmax(scores, score_stride, a.queries, a.keys, a.scale);
    kernels.gemm_f32->run({scores, score_stride, scratch + layout.values, nullptr, out,
                           a.out_stride, a.queries, a.keys, a.value_width, false});
  }
}

}  // namespace edgeface
