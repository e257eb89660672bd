// The 4 x 4 transpose of every x86 Vec; in an anonymous namespace as vec_f32_avx512vnni.h says.
#pragma once

#include <smmintrin.h>

#include <cstddef>

namespace edgeface {

namespace {

inline void transpose_4x4(const float* x, std::size_t x_stride, float* y,
                          std::size_t y_stride) noexcept {
  __m128 row0 = _mm_loadu_ps(x), row1 = _mm_loadu_ps(x + x_stride);
  __m128 row2 = _mm_loadu_ps(x + 2 * x_stride), row3 = _mm_loadu_ps(x + 3 * x_stride);
  _MM_TRANSPOSE4_PS(row0, row1, row2, row3);
  _mm_storeu_ps(y, row0);
  _mm_storeu_ps(y + y_stride, row1);
  _mm_storeu_ps(y + 2 * y_stride, row2);
  _mm_storeu_ps(y + 3 * y_stride, row3);
}

}  // namespace

}  // namespace edgeface
