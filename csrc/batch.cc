#include "batch.h"

#include "encode.h"
#include "pack.h"

namespace edgeface {

Batch::Batch(const MatrixView& probes, const KernelSet& kernels)
    : gemm_(*kernels.gemm_f32),
      probes_(probes.rows),
      dim_(probes.columns),
      packed_(round_up(probes.rows, kernels.gemm_f32->panel) * probes.columns) {
  pack_transposed(probes.data, dim_, dim_, probes_, kernels, packed_.begin());
}

void Batch::multiply(const float* rows, std::size_t count, float* products) const noexcept {
  gemm_.run({rows, dim_, packed_.begin(), nullptr, products, probes_, count, dim_, probes_, false});
}

// kernels/gemm.h: dim * 2^-24 * sum(|a * b|), and that sum is at most the product of the norms.
float Batch::rounding() const noexcept {
  return kRounding + static_cast<float>(dim_) * 0x1p-24f * kLongestRow * kLongestRow;
}

std::uint16_t Batch::survivors(const float* products, std::size_t count, std::size_t q,
                               float floor) const noexcept {
  const float reach = floor - rounding();
  unsigned mask = 0;
  for (std::size_t r = 0; r < count; ++r) {
    mask |= (products[r * probes_ + q] < reach ? 0u : 1u) << r;
  }
  return static_cast<std::uint16_t>(mask);
}

}  // namespace edgeface
