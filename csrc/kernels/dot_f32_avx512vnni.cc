#include <immintrin.h>

#include "dot.h"

namespace edgeface {

// Four accumulators cover the FMA's latency; the rest of fewer than 16 elements is one masked
// step, which reads nothing beyond the end.
float dot_f32_avx512vnni(const float* a, const float* b, std::size_t count) noexcept {
  __m512 sum0_f32x16 = _mm512_setzero_ps(), sum1_f32x16 = _mm512_setzero_ps();
  __m512 sum2_f32x16 = _mm512_setzero_ps(), sum3_f32x16 = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    sum0_f32x16 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0_f32x16);
    sum1_f32x16 =
        _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1_f32x16);
    sum2_f32x16 =
        _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), sum2_f32x16);
    sum3_f32x16 =
        _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), sum3_f32x16);
  }
  for (; i + 16 <= count; i += 16) {
    sum0_f32x16 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0_f32x16);
  }
  const auto rest = static_cast<__mmask16>((1u << (count - i)) - 1u);
  sum1_f32x16 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rest, a + i),
                                _mm512_maskz_loadu_ps(rest, b + i), sum1_f32x16);
  const __m512 even_f32x16 = _mm512_add_ps(sum0_f32x16, sum2_f32x16);
  const __m512 odd_f32x16 = _mm512_add_ps(sum1_f32x16, sum3_f32x16);
  return _mm512_reduce_add_ps(_mm512_add_ps(even_f32x16, odd_f32x16));
}

}  // namespace edgeface
