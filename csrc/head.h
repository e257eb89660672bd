// The attention head: feature map → embedding, as export/dsanet.py's Head, and L2 normalised.
//
// tokens = featureᵀ (times a sigmoid gate), inlet + position; pre-norm blocks of self-attention and
// a tanh-GELU MLP; multi-query attention pooling; project.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "attention.h"
#include "linear.h"

namespace edgeface {

struct NormWeights {
  const float* gamma = nullptr;
  const float* beta = nullptr;
};

struct BlockWeights {
  NormWeights norm1, norm2;
  LinearWeights qkv, out, fc1, fc2;
};

// Every array of a head; sizes agree, as bindings/head_weights.cc checks.
struct HeadWeights {
  std::size_t channels = 0, tokens = 0, width = 0, heads = 0;
  LinearWeights gate;  // no weight: no gate
  LinearWeights inlet;
  const float* position = nullptr;  // (tokens, width)
  std::vector<BlockWeights> blocks;
  NormWeights pool_norm;
  LinearWeights scores;  // width → queries
  LinearWeights project;
};

constexpr std::int64_t kAllUnit = -1;

class AttentionHead {
 public:
  // Copies and packs the weights. `kernels` must outlive the head.
  AttentionHead(const HeadWeights& weights, Precision precision, std::size_t max_batch,
                const KernelSet& kernels);

  // feature: (count, channels, tokens). embedding: (count, dim), unit L2. Allocates nothing; calls
  // from several threads take turns. Returns kAllUnit, or the first image whose embedding has no
  // finite norm above zero: then `embedding` is void.
  std::int64_t embed(const float* feature, std::size_t count, float* embedding);

  std::size_t dim() const noexcept { return project_.outputs(); }
  std::size_t channels() const noexcept { return channels_; }
  std::size_t tokens() const noexcept { return tokens_; }
  Precision precision() const noexcept { return precision_; }
  const char* isa() const noexcept { return kernels_->isa; }
  std::size_t packed_bytes() const noexcept;

 private:
  struct Norm {
    AlignedArray<float> gamma, beta;
  };
  struct Block {
    Norm norm1, norm2;
    Linear qkv, out, fc1, fc2;
  };

  Norm norm_of(const NormWeights& weights) const;
  Block block_of(const BlockWeights& weights) const;
  void allocate_scratch();
  Attention attention() noexcept;
  std::vector<const Linear*> layers() const;

  void load_tokens(const float* feature) noexcept;
  void normalise(const Norm& norm) noexcept;
  void run(const Linear& layer, const float* x, float* y, bool accumulate) noexcept;
  void run_block(const Block& block) noexcept;
  void pool(float* pooled) noexcept;
  std::int64_t embed_chunk(const float* feature, std::size_t count, float* embedding) noexcept;

  const KernelSet* kernels_;
  Precision precision_;
  std::size_t channels_, tokens_, width_, heads_, max_batch_;
  AlignedArray<float> gate_weight_;  // empty: no gate
  float gate_bias_ = 0.0f;
  AlignedArray<float> position_;
  Linear inlet_;
  std::vector<Block> blocks_;
  Norm pool_norm_;
  Linear scores_, project_;

  std::mutex scratch_mutex_;  // of everything below
  AlignedArray<float> state_, normed_, wide_, scores_by_query_, pooled_, attention_scratch_;
  AlignedArray<std::int8_t> quantised_;
  AlignedArray<float> scales_;
};

}  // namespace edgeface
