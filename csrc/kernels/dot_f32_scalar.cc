#include "dot.h"

namespace edgeface {

// Sums in double: the product of two floats is exact there, so that this kernel is
// right to the last float bit and can judge the others.
float dot_f32_scalar(const float* a, const float* b, std::size_t count) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return static_cast<float>(sum);
}

}  // namespace edgeface
