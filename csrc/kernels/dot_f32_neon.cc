#include <arm_neon.h>

#include "dot.h"

namespace edgeface {

// Loads stand together before the products that use them: on the in-order A53 and A55
// the compiler's load-then-use order stalls on every load.
float dot_f32_neon(const float* a, const float* b, std::size_t count) noexcept {
  float32x4_t sum0_f32x4 = vdupq_n_f32(0.0f), sum1_f32x4 = vdupq_n_f32(0.0f);
  float32x4_t sum2_f32x4 = vdupq_n_f32(0.0f), sum3_f32x4 = vdupq_n_f32(0.0f);
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const float32x4_t a0_f32x4 = vld1q_f32(a + i), a1_f32x4 = vld1q_f32(a + i + 4);
    const float32x4_t a2_f32x4 = vld1q_f32(a + i + 8), a3_f32x4 = vld1q_f32(a + i + 12);
    const float32x4_t b0_f32x4 = vld1q_f32(b + i), b1_f32x4 = vld1q_f32(b + i + 4);
    const float32x4_t b2_f32x4 = vld1q_f32(b + i + 8), b3_f32x4 = vld1q_f32(b + i + 12);
    sum0_f32x4 = vfmaq_f32(sum0_f32x4, a0_f32x4, b0_f32x4);
    sum1_f32x4 = vfmaq_f32(sum1_f32x4, a1_f32x4, b1_f32x4);
    sum2_f32x4 = vfmaq_f32(sum2_f32x4, a2_f32x4, b2_f32x4);
    sum3_f32x4 = vfmaq_f32(sum3_f32x4, a3_f32x4, b3_f32x4);
  }
  for (; i + 4 <= count; i += 4) {
    sum0_f32x4 = vfmaq_f32(sum0_f32x4, vld1q_f32(a + i), vld1q_f32(b + i));
  }
  const float32x4_t even_f32x4 = vaddq_f32(sum0_f32x4, sum2_f32x4);
  const float32x4_t odd_f32x4 = vaddq_f32(sum1_f32x4, sum3_f32x4);
  float sum = vaddvq_f32(vaddq_f32(even_f32x4, odd_f32x4));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace edgeface
