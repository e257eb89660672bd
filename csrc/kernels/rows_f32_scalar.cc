#include <cmath>

#include "rows.h"

namespace edgeface {

namespace {

// Everything in double and by the standard library: the judge of the other ISAs. Only quantise is
// in float, because there all ISAs must agree to the last bit.

void layer_norm(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
                const float* gamma, const float* beta, float epsilon, float* y,
                std::size_t y_stride) noexcept {
  for (std::size_t r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < columns; ++i) sum += x[i];
    const double mean = sum / static_cast<double>(columns);
    for (std::size_t i = 0; i < columns; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double variance = squares / static_cast<double>(columns);
    const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(epsilon));
    for (std::size_t i = 0; i < columns; ++i) {
      y[i] = static_cast<float>((x[i] - mean) * inverse * gamma[i] + beta[i]);
    }
  }
}

void softmax(float* x, std::size_t stride, std::size_t rows, std::size_t columns,
             float scale) noexcept {
  for (std::size_t r = 0; r < rows; ++r, x += stride) {
    double sum = 0.0, highest = -INFINITY;
    for (std::size_t i = 0; i < columns; ++i) highest = x[i] > highest ? x[i] : highest;
    for (std::size_t i = 0; i < columns; ++i) sum += std::exp(scale * (x[i] - highest));
    for (std::size_t i = 0; i < columns; ++i) {
      x[i] = static_cast<float>(std::exp(scale * (x[i] - highest)) / sum);
    }
  }
}

void gelu(float* x, std::size_t count) noexcept {
  constexpr double kRootTwoOverPi = 0.79788456080286535588;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = x[i];
    const double inner = kRootTwoOverPi * (value + 0.044715 * value * value * value);
    x[i] = static_cast<float>(0.5 * value * (1.0 + std::tanh(inner)));
  }
}

void tanh(float* x, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>(std::tanh(double{x[i]}));
}

// NaN wins, so that it is not lost on the way to the scale.
float highest_magnitude(const float* x, std::size_t count) noexcept {
  float highest = 0.0f;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isnan(x[i]) || std::fabs(x[i]) > highest) highest = std::fabs(x[i]);
    if (std::isnan(highest)) break;
  }
  return highest;
}

void quantise(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
              std::int8_t* q, std::size_t q_stride, std::size_t q_columns, float* scale) noexcept {
  for (std::size_t r = 0; r < rows; ++r, x += x_stride, q += q_stride) {
    const float highest = highest_magnitude(x, columns);
    scale[r] = highest / 127.0f;
    // Below 2^-120, 127 / highest overflows; such a row is zero for all that follows.
    const bool usable = highest >= 0x1p-120f && std::isfinite(highest);
    const float inverse = usable ? 127.0f / highest : 0.0f;
    for (std::size_t i = 0; i < q_columns; ++i) {
      const bool filled = usable && i < columns;
      q[i] = filled ? static_cast<std::int8_t>(std::nearbyint(x[i] * inverse)) : std::int8_t{0};
    }
  }
}

float l2_normalise(const float* x, std::size_t count, float* y) noexcept {
  double squares = 0.0;
  for (std::size_t i = 0; i < count; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double norm = std::sqrt(squares);
  if (static_cast<float>(norm) < kLeastNorm) return 0.0f;
  for (std::size_t i = 0; i < count; ++i) y[i] = static_cast<float>(x[i] / norm);
  return static_cast<float>(norm);
}

void transpose(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
               float* y, std::size_t y_stride) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) y[c * y_stride + r] = x[r * x_stride + c];
  }
}

}  // namespace

const RowsF32 rows_f32_scalar = {layer_norm, softmax,      gelu,     tanh,
                                 quantise,   l2_normalise, transpose};

}  // namespace edgeface
