#include "gemm.h"

namespace edgeface {

namespace {

constexpr std::size_t kPanel = 4;

// Sums in double: the judge of the other ISAs.
void run(const GemmF32& g) noexcept {
  for (std::size_t m = 0; m < g.rows; ++m) {
    for (std::size_t n = 0; n < g.columns; ++n) {
      const float* column = g.b + n / kPanel * kPanel * g.depth + n % kPanel;
      double sum = 0.0;
      for (std::size_t k = 0; k < g.depth; ++k) {
        sum +=
            static_cast<double>(g.a[m * g.a_stride + k]) * static_cast<double>(column[k * kPanel]);
      }
      if (g.bias != nullptr) sum += static_cast<double>(g.bias[n]);
      float& c = g.c[m * g.c_stride + n];
      c = static_cast<float>(g.accumulate ? sum + static_cast<double>(c) : sum);
    }
  }
}

}  // namespace

const GemmF32Kernel gemm_f32_scalar = {kPanel, run};

}  // namespace edgeface
