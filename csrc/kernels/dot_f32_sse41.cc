#include <smmintrin.h>

#include "dot.h"

namespace edgeface {

namespace {

__m128 multiply_add(const float* a, const float* b, __m128 sum_f32x4) noexcept {
  return _mm_add_ps(sum_f32x4, _mm_mul_ps(_mm_loadu_ps(a), _mm_loadu_ps(b)));
}

float sum_lanes(__m128 sum_f32x4) noexcept {
  sum_f32x4 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
  return _mm_cvtss_f32(_mm_add_ss(sum_f32x4, _mm_movehdup_ps(sum_f32x4)));
}

}  // namespace

float dot_f32_sse41(const float* a, const float* b, std::size_t count) noexcept {
  __m128 sum0_f32x4 = _mm_setzero_ps(), sum1_f32x4 = _mm_setzero_ps();
  __m128 sum2_f32x4 = _mm_setzero_ps(), sum3_f32x4 = _mm_setzero_ps();
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    sum0_f32x4 = multiply_add(a + i, b + i, sum0_f32x4);
    sum1_f32x4 = multiply_add(a + i + 4, b + i + 4, sum1_f32x4);
    sum2_f32x4 = multiply_add(a + i + 8, b + i + 8, sum2_f32x4);
    sum3_f32x4 = multiply_add(a + i + 12, b + i + 12, sum3_f32x4);
  }
  for (; i + 4 <= count; i += 4) sum0_f32x4 = multiply_add(a + i, b + i, sum0_f32x4);
  const __m128 even_f32x4 = _mm_add_ps(sum0_f32x4, sum2_f32x4);
  const __m128 odd_f32x4 = _mm_add_ps(sum1_f32x4, sum3_f32x4);
  float sum = sum_lanes(_mm_add_ps(even_f32x4, odd_f32x4));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace edgeface
