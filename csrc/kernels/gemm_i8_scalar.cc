#include "gemm.h"

namespace edgeface {

namespace {

constexpr std::size_t kPanel = 4;

std::int32_t dot(const GemmI8& g, std::size_t m, std::size_t n) noexcept {
  const std::size_t padded = (g.depth + kDepthStep - 1) / kDepthStep * kDepthStep;
  const std::int8_t* panel = g.b + n / kPanel * kPanel * padded;
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < g.depth; ++k) {
    const std::size_t group = k / kDepthGroup * kPanel + n % kPanel;
    sum += g.a[m * g.a_stride + k] * panel[group * kDepthGroup + k % kDepthGroup];
  }
  return sum;
}

void run(const GemmI8& g) noexcept {
  for (std::size_t m = 0; m < g.rows; ++m) {
    for (std::size_t n = 0; n < g.columns; ++n) {
      const std::int32_t sum = dot(g, m, n);
      if (g.sums != nullptr) {
        g.sums[m * g.c_stride + n] = sum;
        continue;
      }
      float value = static_cast<float>(sum) * g.a_scale[m] * g.b_scale[n];
      if (g.bias != nullptr) value += g.bias[n];
      float& c = g.c[m * g.c_stride + n];
      c = g.accumulate ? value + c : value;
    }
  }
}

}  // namespace

const GemmI8Kernel gemm_i8_scalar = {kPanel, run};

}  // namespace edgeface
