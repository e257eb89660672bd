#include <immintrin.h>

#include "dot.h"

namespace edgeface {

namespace {

float sum_lanes(__m256 sum_f32x8) noexcept {
  const __m128 low_f32x4 = _mm256_castps256_ps128(sum_f32x8);
  const __m128 high_f32x4 = _mm256_extractf128_ps(sum_f32x8, 1);
  __m128 sum_f32x4 = _mm_add_ps(low_f32x4, high_f32x4);
  sum_f32x4 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
  return _mm_cvtss_f32(_mm_add_ss(sum_f32x4, _mm_movehdup_ps(sum_f32x4)));
}

}  // namespace

// Four accumulators: an FMA takes 4 to 5 cycles and two may start in each, but two
// loads a product limit this loop to one FMA a cycle, which four chains cover.
float dot_f32_avx2(const float* a, const float* b, std::size_t count) noexcept {
  __m256 sum0_f32x8 = _mm256_setzero_ps(), sum1_f32x8 = _mm256_setzero_ps();
  __m256 sum2_f32x8 = _mm256_setzero_ps(), sum3_f32x8 = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    sum0_f32x8 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0_f32x8);
    sum1_f32x8 =
        _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1_f32x8);
    sum2_f32x8 =
        _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), sum2_f32x8);
    sum3_f32x8 =
        _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), sum3_f32x8);
  }
  for (; i + 8 <= count; i += 8) {
    sum0_f32x8 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0_f32x8);
  }
  const __m256 even_f32x8 = _mm256_add_ps(sum0_f32x8, sum2_f32x8);
  const __m256 odd_f32x8 = _mm256_add_ps(sum1_f32x8, sum3_f32x8);
  float sum = sum_lanes(_mm256_add_ps(even_f32x8, odd_f32x8));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace edgeface
