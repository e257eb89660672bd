// What happens to the rows of a matrix between two products. Every kernel takes rows of `columns`
// floats whose starts are `stride` floats apart, and allows columns == 0 and rows == 0.
//
// Errors are against exact arithmetic on the same floats. NaN in a row gives NaN somewhere in the
// same row of the result (a NaN scale, for quantise), and so does infinity in layer_norm, softmax
// (if it is positive) and quantise (an infinite scale).
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeface {

constexpr float kLeastNorm = 1e-16f;

struct RowsF32 {
  // y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, the biased variance.
  // |error| <= 4e-6 * (max|x - mean| / sqrt(variance + epsilon) * |gamma| + |beta|), and the
  // rounding of the mean: columns * 2^-24 * max|x| / sqrt(variance + epsilon) * |gamma|. Rows whose
  // variance overflows (deviations beyond 1e18) are right in scalar and NaN elsewhere.
  void (*layer_norm)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
                     const float* gamma, const float* beta, float epsilon, float* y,
                     std::size_t y_stride) noexcept;

  // x = exp(scale * (x - max)) / sum over each row, in place; scale >= 0. |error| <= 2e-6 +
  // 2^-22 * scale * max|x|; what is below 1e-38 may come out as that.
  void (*softmax)(float* x, std::size_t stride, std::size_t rows, std::size_t columns,
                  float scale) noexcept;

  // x = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) in place. |error| <= 1e-6 * |x|.
  void (*gelu)(float* x, std::size_t count) noexcept;

  // x = tanh(x) in place. |error| <= 3e-7.
  void (*tanh)(float* x, std::size_t count) noexcept;

  // Per row: scale = max|x| / 127, q = round(x * (127 / max|x|)), ties to even, in [-127, 127]; q
  // is 0 for a row whose max|x| is below 2^-120 or not finite. Fills q with zeros up to q_columns
  // >= columns. All ISAs agree to the last bit.
  void (*quantise)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
                   std::int8_t* q, std::size_t q_stride, std::size_t q_columns,
                   float* scale) noexcept;

  // y = x / |x|; returns |x|. When |x| is not finite (beyond 1e19 too) or below kLeastNorm, whose
  // squares a float cannot hold, y is void; the latter returns 0.
  // |error| <= 1e-6 per element.
  float (*l2_normalise)(const float* x, std::size_t count, float* y) noexcept;

  // y[c, r] = x[r, c] for x (rows, columns); x and y do not overlap.
  void (*transpose)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
                    float* y, std::size_t y_stride) noexcept;
};

extern const RowsF32 rows_f32_scalar, rows_f32_sse41, rows_f32_avx2, rows_f32_avx512vnni,
    rows_f32_neon;

}  // namespace edgeface
