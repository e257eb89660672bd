// Float rows against a batch of probes as one matrix product: each row is read once for all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aligned.h"
#include "dispatch.h"
#include "match.h"

namespace edgeface {

// Fewer probes are faster one by one: a product takes whole vectors of them.
constexpr std::size_t kLeastBatch = 8;

// Probes packed once, for any number of workers at the same time.
class Batch {
 public:
  Batch(const MatrixView& probes, const KernelSet& kernels);

  // products (count, Q) = rows (count, dim) times probes. Sums in another order than dot_f32.
  void multiply(const float* rows, std::size_t count, float* products) const noexcept;

  // By how much a product of unit vectors can differ from their dot_f32.
  float rounding() const noexcept;

  // Bit r: row r of a block of products (count, Q), count at most 16, reaches the floor of probe q.
  std::uint16_t survivors(const float* products, std::size_t count, std::size_t q,
                          float floor) const noexcept;

 private:
  const GemmF32Kernel& gemm_;
  std::size_t probes_, dim_;
  AlignedArray<float> packed_;
};

}  // namespace edgeface
