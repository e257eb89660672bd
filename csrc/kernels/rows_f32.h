// The row kernels of rows.h over any Vec (vec_f32_<isa>.h, included first). Each rows_f32_<isa>.cc
// compiles them once; std:: templates are avoided for the reason given there.
#pragma once

#include <math.h>

#include "rows.h"

namespace edgeface {

namespace {

using F = Vec::F;
constexpr std::size_t kLanes = Vec::kLanes;
constexpr float kLargest = 0x1.fffffep127f;  // finite float

// f(offset, count) for each vector of a row, the last with count < kLanes when it is a part.
template <typename Step, typename Part>
void for_each_vector(std::size_t columns, const Step& step, const Part& part) noexcept {
  std::size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) step(i);
  if (i < columns) part(i, columns - i);
}

// e^x for x in [-87.3, 88.3], clamped to that: relative error below 2e-7. x = n ln 2 + r with
// |r| <= ln 2 / 2; the polynomial is Cephes' expf (Moshier), ln 2 in two parts as there.
F exp(F x) noexcept {
  x = Vec::max(Vec::set(-87.3f), Vec::min(Vec::set(88.3f), x));
  const F n = Vec::round(Vec::mul(x, Vec::set(1.44269504088896341f)));
  F r = Vec::fma(n, Vec::set(-0.693359375f), x);
  r = Vec::fma(n, Vec::set(2.12194440e-4f), r);
  F p = Vec::fma(r, Vec::set(1.9875691500e-4f), Vec::set(1.3981999507e-3f));
  p = Vec::fma(p, r, Vec::set(8.3334519073e-3f));
  p = Vec::fma(p, r, Vec::set(4.1665795894e-2f));
  p = Vec::fma(p, r, Vec::set(1.6666665459e-1f));
  p = Vec::fma(p, r, Vec::set(5.0000001201e-1f));
  p = Vec::fma(p, Vec::mul(r, r), Vec::add(r, Vec::set(1.0f)));
  return Vec::times_power_of_2(p, n);
}

float sum_of(const float* x, std::size_t count) noexcept {
  F sum = Vec::set(0.0f);
  for_each_vector(
      count, [&](std::size_t i) { sum = Vec::add(sum, Vec::load(x + i)); },
      [&](std::size_t i, std::size_t n) { sum = Vec::add(sum, Vec::load_part(x + i, n)); });
  return Vec::sum(sum);
}

// Two passes: sum(x^2) - mean^2 cancels.
float sum_of_squares(const float* x, std::size_t count, float mean) noexcept {
  const F center = Vec::set(mean);
  F sum = Vec::set(0.0f);
  for_each_vector(
      count,
      [&](std::size_t i) {
        const F d = Vec::sub(Vec::load(x + i), center);
        sum = Vec::fma(d, d, sum);
      },
      [&](std::size_t i, std::size_t n) {
        float rest[kLanes];
        Vec::store(rest, Vec::sub(Vec::load_part(x + i, n), center));
        const F d = Vec::load_part(rest, n);  // zeros beyond, not -mean
        sum = Vec::fma(d, d, sum);
      });
  return Vec::sum(sum);
}

void layer_norm(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
                const float* gamma, const float* beta, float epsilon, float* y,
                std::size_t y_stride) noexcept {
  const auto count = static_cast<float>(columns);
  for (std::size_t r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    const float mean = sum_of(x, columns) / count;
    const float variance = sum_of_squares(x, columns, mean) / count;
    // 1 / infinity would turn a row that overflows into zeros, which look right.
    const float deviation = variance <= kLargest ? ::sqrtf(variance + epsilon) : NAN;
    const F center = Vec::set(mean), inverse = Vec::set(1.0f / deviation);
    const auto norm = [&](F value, F g, F b) {
      return Vec::fma(Vec::mul(Vec::sub(value, center), inverse), g, b);
    };
    for_each_vector(
        columns,
        [&](std::size_t i) {
          Vec::store(y + i, norm(Vec::load(x + i), Vec::load(gamma + i), Vec::load(beta + i)));
        },
        [&](std::size_t i, std::size_t n) {
          const F g = Vec::load_part(gamma + i, n), b = Vec::load_part(beta + i, n);
          Vec::store_part(y + i, norm(Vec::load_part(x + i, n), g, b), n);
        });
  }
}

float highest_of(const float* x, std::size_t count) noexcept {
  F highest = Vec::set(x[0]);
  for_each_vector(
      count, [&](std::size_t i) { highest = Vec::max(highest, Vec::load(x + i)); },
      [&](std::size_t i, std::size_t n) {
        for (; n > 0; --n) highest = Vec::max(highest, Vec::set(x[i + n - 1]));
      });
  return Vec::highest(highest);
}

void softmax(float* x, std::size_t stride, std::size_t rows, std::size_t columns,
             float scale) noexcept {
  if (columns == 0) return;
  const F factor = Vec::set(scale);
  for (std::size_t r = 0; r < rows; ++r, x += stride) {
    const F highest = Vec::set(highest_of(x, columns));
    F sum = Vec::set(0.0f);
    const auto power = [&](F value) { return exp(Vec::mul(Vec::sub(value, highest), factor)); };
    for_each_vector(
        columns,
        [&](std::size_t i) {
          const F value = power(Vec::load(x + i));
          sum = Vec::add(sum, value);
          Vec::store(x + i, value);
        },
        [&](std::size_t i, std::size_t n) {
          Vec::store_part(x + i, power(Vec::load_part(x + i, n)), n);
          sum = Vec::add(sum, Vec::load_part(x + i, n));
        });
    const F inverse = Vec::set(1.0f / Vec::sum(sum));
    for_each_vector(
        columns, [&](std::size_t i) { Vec::store(x + i, Vec::mul(Vec::load(x + i), inverse)); },
        [&](std::size_t i, std::size_t n) {
          Vec::store_part(x + i, Vec::mul(Vec::load_part(x + i, n), inverse), n);
        });
  }
}

template <typename Function>
void apply(float* x, std::size_t count, const Function& function) noexcept {
  for_each_vector(
      count, [&](std::size_t i) { Vec::store(x + i, function(Vec::load(x + i))); },
      [&](std::size_t i, std::size_t n) {
        Vec::store_part(x + i, function(Vec::load_part(x + i, n)), n);
      });
}

// x/2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3): one exponential.
void gelu(float* x, std::size_t count) noexcept {
  apply(x, count, [](F value) {
    const F square = Vec::mul(value, value);
    const F inner = Vec::fma(square, Vec::set(-0.0713548162726f), Vec::set(-1.59576912160573f));
    return Vec::div(value, Vec::add(Vec::set(1.0f), exp(Vec::mul(value, inner))));
  });
}

void tanh(float* x, std::size_t count) noexcept {
  apply(x, count, [](F value) {
    const F power = exp(Vec::add(value, value));
    return Vec::sub(Vec::set(1.0f), Vec::div(Vec::set(2.0f), Vec::add(power, Vec::set(1.0f))));
  });
}

float highest_magnitude(const float* x, std::size_t count) noexcept {
  F highest = Vec::set(0.0f);
  for_each_vector(
      count, [&](std::size_t i) { highest = Vec::max_magnitude(highest, Vec::load(x + i)); },
      [&](std::size_t i, std::size_t n) {
        highest = Vec::max_magnitude(highest, Vec::load_part(x + i, n));
      });
  return Vec::highest_magnitude(highest);
}

void quantise(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
              std::int8_t* q, std::size_t q_stride, std::size_t q_columns, float* scale) noexcept {
  for (std::size_t r = 0; r < rows; ++r, x += x_stride, q += q_stride) {
    const float highest = highest_magnitude(x, columns);
    scale[r] = highest / 127.0f;
    const bool usable = highest >= 0x1p-120f && highest <= kLargest;
    std::size_t filled = 0;
    if (usable) {
      const F inverse = Vec::set(127.0f / highest);
      for (; filled + kLanes <= columns; filled += kLanes) {
        Vec::store_i8(q + filled, Vec::mul(Vec::load(x + filled), inverse));
      }
      std::int8_t rest[kLanes];
      Vec::store_i8(rest, Vec::mul(Vec::load_part(x + filled, columns - filled), inverse));
      for (std::size_t i = 0; filled < columns; ++i, ++filled) q[filled] = rest[i];
    }
    for (; filled < q_columns; ++filled) q[filled] = 0;
  }
}

float l2_normalise(const float* x, std::size_t count, float* y) noexcept {
  const float norm = ::sqrtf(sum_of_squares(x, count, 0.0f));
  if (norm < kLeastNorm) return 0.0f;
  const F inverse = Vec::set(1.0f / norm);
  for_each_vector(
      count, [&](std::size_t i) { Vec::store(y + i, Vec::mul(Vec::load(x + i), inverse)); },
      [&](std::size_t i, std::size_t n) {
        Vec::store_part(y + i, Vec::mul(Vec::load_part(x + i, n), inverse), n);
      });
  return norm;
}

void transpose(const float* x, std::size_t x_stride, std::size_t rows, std::size_t columns,
               float* y, std::size_t y_stride) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* from = x + r * x_stride;
    std::size_t c = 0;
    for (; c + 4 <= columns; c += 4)
      transpose_4x4(from + c, x_stride, y + c * y_stride + r, y_stride);
    for (; c < columns; ++c) {
      for (std::size_t i = 0; i < 4; ++i) y[c * y_stride + r + i] = from[i * x_stride + c];
    }
  }
  for (; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) y[c * y_stride + r] = x[r * x_stride + c];
  }
}

constexpr RowsF32 kRows = {layer_norm, softmax, gelu, tanh, quantise, l2_normalise, transpose};

}  // namespace

}  // namespace edgeface
