#include "head.h"

#include <cmath>

#include "pack.h"

namespace edgeface {

namespace {

constexpr float kNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's

// The pooled scores decide what enters the embedding at all, and cost next to nothing.
constexpr Precision kScoresPrecision = Precision::kFloat32;

float sigmoid(float x) noexcept { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

AttentionHead::AttentionHead(const HeadWeights& weights, Precision precision, std::size_t max_batch,
                             const KernelSet& kernels)
    : kernels_(&kernels),
      precision_(precision),
      channels_(weights.channels),
      tokens_(weights.tokens),
      width_(weights.width),
      heads_(weights.heads),
      max_batch_(max_batch),
      position_(weights.position, weights.tokens * weights.width),
      inlet_(weights.inlet, precision, kernels),
      pool_norm_(norm_of(weights.pool_norm)),
      scores_(weights.scores, kScoresPrecision, kernels),
      project_(weights.project, precision, kernels) {
  if (weights.gate.weight != nullptr) {
    gate_weight_ = AlignedArray<float>(weights.gate.weight, channels_);
    gate_bias_ = *weights.gate.bias;
  }
  blocks_.reserve(weights.blocks.size());
  for (const BlockWeights& block : weights.blocks) blocks_.push_back(block_of(block));
  allocate_scratch();
}

AttentionHead::Norm AttentionHead::norm_of(const NormWeights& weights) const {
  return {AlignedArray<float>(weights.gamma, width_), AlignedArray<float>(weights.beta, width_)};
}

AttentionHead::Block AttentionHead::block_of(const BlockWeights& weights) const {
  const auto layer = [this](const LinearWeights& linear) {
    return Linear(linear, precision_, *kernels_);
  };
  return {norm_of(weights.norm1), norm_of(weights.norm2), layer(weights.qkv),
          layer(weights.out),     layer(weights.fc1),     layer(weights.fc2)};
}

std::vector<const Linear*> AttentionHead::layers() const {
  std::vector<const Linear*> all = {&inlet_, &scores_, &project_};
  for (const Block& block : blocks_) {
    all.insert(all.end(), {&block.qkv, &block.out, &block.fc1, &block.fc2});
  }
  return all;
}

void AttentionHead::allocate_scratch() {
  std::size_t wide = channels_, row_bytes = 0;
  for (const Linear* layer : layers()) {
    if (layer == &project_) continue;
    wide = std::max(wide, layer->outputs());
    row_bytes = std::max(row_bytes, layer->row_bytes());
  }
  const std::size_t panel = kernels_->gemm_f32->panel;
  const std::size_t pool = round_up(width_, panel) * tokens_;
  state_ = AlignedArray<float>(tokens_ * width_);
  normed_ = AlignedArray<float>(tokens_ * width_);
  wide_ = AlignedArray<float>(tokens_ * wide);
  scores_by_query_ = AlignedArray<float>(tokens_ * scores_.outputs());
  pooled_ = AlignedArray<float>(max_batch_ * project_.inputs());
  attention_scratch_ =
      AlignedArray<float>(std::max(pool, attention_scratch(attention(), *kernels_)));
  quantised_ =
      AlignedArray<std::int8_t>(std::max(tokens_ * row_bytes, max_batch_ * project_.row_bytes()));
  scales_ = AlignedArray<float>(std::max(tokens_, max_batch_));
}

std::size_t AttentionHead::packed_bytes() const noexcept {
  std::size_t bytes = gate_weight_.bytes() + position_.bytes() + pool_norm_.gamma.bytes() * 2;
  for (const Block& block : blocks_) {
    bytes += block.norm1.gamma.bytes() * 4;
    for (const Linear* layer : {&block.qkv, &block.out, &block.fc1, &block.fc2}) {
      bytes += layer->packed_bytes();
    }
  }
  return bytes + inlet_.packed_bytes() + scores_.packed_bytes() + project_.packed_bytes();
}

std::int64_t AttentionHead::embed(const float* feature, std::size_t count, float* embedding) {
  const std::lock_guard<std::mutex> lock(scratch_mutex_);
  for (std::size_t done = 0; done < count; done += max_batch_) {
    const std::int64_t bad =
        embed_chunk(feature + done * channels_ * tokens_, std::min(max_batch_, count - done),
                    embedding + done * dim());
    if (bad != kAllUnit) return static_cast<std::int64_t>(done) + bad;
  }
  return kAllUnit;
}

// Image by image, so that the tokens of one stay in the second cache; the projection, whose
// weights are most of the head's, once for all.
std::int64_t AttentionHead::embed_chunk(const float* feature, std::size_t count,
                                        float* embedding) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    load_tokens(feature + i * channels_ * tokens_);
    for (const Block& block : blocks_) run_block(block);
    pool(pooled_.begin() + i * project_.inputs());
  }
  project_.run(pooled_.begin(), count, embedding, false, {quantised_.begin(), scales_.begin()});
  for (std::size_t i = 0; i < count; ++i) {
    float* row = embedding + i * dim();
    const float norm = kernels_->rows_f32->l2_normalise(row, dim(), row);
    if (!(norm > 0.0f) || !std::isfinite(norm)) return static_cast<std::int64_t>(i);
  }
  return kAllUnit;
}

void AttentionHead::load_tokens(const float* feature) noexcept {
  float* const tokens = wide_.begin();
  kernels_->rows_f32->transpose(feature, tokens_, channels_, tokens_, tokens, channels_);
  for (std::size_t t = 0; gate_weight_.bytes() > 0 && t < tokens_; ++t) {
    float* token = tokens + t * channels_;
    const float logit = kernels_->dot_f32(token, gate_weight_.begin(), channels_) + gate_bias_;
    const float weight = sigmoid(logit);
    for (std::size_t c = 0; c < channels_; ++c) token[c] *= weight;
  }
  std::copy(position_.begin(), position_.begin() + tokens_ * width_, state_.begin());
  run(inlet_, tokens, state_.begin(), true);
}

void AttentionHead::run(const Linear& layer, const float* x, float* y, bool accumulate) noexcept {
  layer.run(x, tokens_, y, accumulate, {quantised_.begin(), scales_.begin()});
}

void AttentionHead::normalise(const Norm& norm) noexcept {
  kernels_->rows_f32->layer_norm(state_.begin(), width_, tokens_, width_, norm.gamma.begin(),
                                 norm.beta.begin(), kNormEpsilon, normed_.begin(), width_);
}

// Query, key and value stand beside each other in the rows that qkv leaves in wide_.
Attention AttentionHead::attention() noexcept {
  const std::size_t head_width = width_ / heads_, row = 3 * width_;
  const float* qkv = wide_.begin();
  return {qkv,
          qkv + width_,
          qkv + 2 * width_,
          normed_.begin(),
          row,
          row,
          row,
          width_,
          tokens_,
          tokens_,
          heads_,
          head_width,
          head_width,
          1.0f / std::sqrt(static_cast<float>(head_width))};
}

void AttentionHead::run_block(const Block& block) noexcept {
  float *const state = state_.begin(), *const wide = wide_.begin();
  normalise(block.norm1);
  run(block.qkv, normed_.begin(), wide, false);
  attend(attention(), *kernels_, attention_scratch_.begin());
  run(block.out, normed_.begin(), state, true);
  normalise(block.norm2);
  run(block.fc1, normed_.begin(), wide, false);
  kernels_->rows_f32->gelu(wide, tokens_ * block.fc1.outputs());
  run(block.fc2, wide, state, true);
}

void AttentionHead::pool(float* pooled) noexcept {
  const std::size_t queries = scores_.outputs(), panel = kernels_->gemm_f32->panel;
  normalise(pool_norm_);
  run(scores_, normed_.begin(), wide_.begin(), false);
  float* const scores = scores_by_query_.begin();
  kernels_->rows_f32->transpose(wide_.begin(), queries, tokens_, queries, scores, tokens_);
  kernels_->rows_f32->softmax(scores, tokens_, queries, tokens_, 1.0f);
  float* const packed = attention_scratch_.begin();
  pack_f32(normed_.begin(), width_, tokens_, width_, panel, packed);
  kernels_->gemm_f32->run(
      {scores, tokens_, packed, nullptr, pooled, width_, queries, tokens_, width_, false});
}

}  // namespace edgeface
