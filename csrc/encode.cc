#include "encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace edgeface {

namespace {

constexpr float kMiddle = 7.5f;  // a 4-bit code c decodes to (c - 7.5) * step

double squared_norm(const float* values, std::size_t count) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * values[i];
  return sum;
}

float largest(const float* values, std::size_t count) noexcept {
  float size = 0.0f;
  for (std::size_t i = 0; i < count; ++i) size = std::max(size, std::fabs(values[i]));
  return size;
}

// Nearest whole number of |value| < 2^22, ties to even: 1.5 * 2^23 leaves no bit for a fraction.
// std::nearbyint is a call on baseline x86-64, which made building an index five times slower.
float nearest_whole(float value) noexcept {
  constexpr float kNoFraction = 12582912.0f;
  return (value + kNoFraction) - kNoFraction;
}

std::int8_t rounded(float value, float scale) noexcept {
  if (scale == 0.0f) return 0;
  return static_cast<std::int8_t>(std::clamp(nearest_whole(value / scale), -127.0f, 127.0f));
}

// The cell of width `step` that a value lies in, cell 8 beginning at 0; the outermost are open.
std::uint8_t cell(float value, float step) noexcept {
  return static_cast<std::uint8_t>(std::clamp(value / step + 8.0f, 0.0f, 15.0f));
}

// What the two float rows behind a block's codes hold for one of its rows.
void write_terms(std::size_t groups, std::size_t lane, float first, float second,
                 std::uint8_t* block) noexcept {
  std::uint8_t* terms = block + groups * kGroupBytes + lane * sizeof(float);
  std::memcpy(terms, &first, sizeof first);
  std::memcpy(terms + kBlockRows * sizeof(float), &second, sizeof second);
}

// B x is `dims` dot products, each off by at most (dim / 16 + 16) * 2^-24 for unit vectors (the
// longest chain of sums in any kernel); their norm by the root of dims times that, its square by
// twice as much.
double sketch_rounding(std::size_t dim, std::size_t dims) noexcept {
  const double one = (static_cast<double>(dim) / 16.0 + 16.0) * 0x1p-24;
  return 2.0 * kLongestRow * std::sqrt(static_cast<double>(dims)) * one + kRounding;
}

// Rounds a norm up, by more than the float that stores it and the sums behind it can lose.
float not_below(double norm) noexcept { return static_cast<float>(norm * (1.0 + 1e-6) + 1e-7); }

std::int32_t sum_of(const std::vector<std::int8_t>& values) noexcept {
  std::int32_t sum = 0;
  for (const std::int8_t value : values) sum += value;
  return sum;
}

}  // namespace

void encode_i8(const float* row, std::size_t dim, std::size_t lane, std::uint8_t* block) noexcept {
  const float scale = largest(row, dim) / 127.0f;
  double error = 0.0;
  for (std::size_t i = 0; i < dim; ++i) {
    const std::int8_t code = rounded(row[i], scale);
    const double missed = static_cast<double>(row[i]) - static_cast<double>(scale) * code;
    error += missed * missed;
    block[(i / 4 * kBlockRows + lane) * 4 + i % 4] = static_cast<std::uint8_t>(code);
  }
  write_terms(groups_i8(dim), lane, scale, not_below(std::sqrt(error)), block);
}

void encode_i4(const float* row, std::size_t dim, const Basis& basis, const KernelSet& kernels,
               std::size_t lane, std::uint8_t* block) noexcept {
  double error = 0.0, kept = 0.0;
  for (std::size_t d = 0; d < basis.dims; ++d) {
    const float value = kernels.dot_f32(row, basis.rows + d * dim, dim);
    const std::uint8_t code = cell(value, basis.steps[d]);
    const double decoded = (static_cast<double>(code) - kMiddle) * basis.steps[d];
    const double missed = static_cast<double>(value) - decoded;
    error += missed * missed;
    kept += static_cast<double>(value) * value;
    std::uint8_t& byte = block[(d / 8 * kBlockRows + lane) * 4 + d % 4];
    byte = static_cast<std::uint8_t>(d % 8 < 4 ? (byte & 0xf0) | code : (byte & 0x0f) | code << 4);
  }
  // Added before the root, which magnifies it near zero.
  const double rounding = sketch_rounding(dim, basis.dims);
  const double left_out = std::max(0.0, squared_norm(row, dim) - kept) + rounding;
  write_terms(groups_i4(basis.dims), lane, not_below(std::sqrt(error) + rounding),
              not_below(std::sqrt(left_out)), block);
}

void erase_lane(std::size_t groups, std::size_t lane, std::uint8_t* block) noexcept {
  for (std::size_t g = 0; g < groups; ++g) std::memset(block + (g * kBlockRows + lane) * 4, 0, 4);
  const float never = -std::numeric_limits<float>::infinity();
  write_terms(groups, lane, 0.0f, never, block);
}

EncodedProbe encode_probe_i8(const float* probe, std::size_t dim) {
  const float scale = largest(probe, dim) / 127.0f;
  EncodedProbe encoded = {std::vector<std::int8_t>(groups_i8(dim) * 4), {}};
  double error = 0.0;
  for (std::size_t i = 0; i < dim; ++i) {
    encoded.values[i] = rounded(probe[i], scale);
    const double missed =
        static_cast<double>(probe[i]) - static_cast<double>(scale) * encoded.values[i];
    error += missed * missed;
  }
  // q.x <= p.d + ||q - p|| ||d|| + ||q|| e, and ||d|| <= ||x|| + e.
  const float missed = not_below(std::sqrt(error));
  const float norm = not_below(std::sqrt(squared_norm(probe, dim)));
  encoded.scan = {encoded.values.data(),
                  groups_i8(dim),
                  sum_of(encoded.values),
                  scale,
                  0.0f,
                  norm + missed,
                  missed * kLongestRow + kRounding};
  return encoded;
}

EncodedProbe encode_probe_i4(const float* probe, std::size_t dim, const Basis& basis,
                             const KernelSet& kernels) {
  std::vector<float> values(basis.dims), weighted(basis.dims);
  for (std::size_t d = 0; d < basis.dims; ++d) {
    values[d] = kernels.dot_f32(probe, basis.rows + d * dim, dim);
    weighted[d] = values[d] * basis.steps[d];
  }
  const float scale = largest(weighted.data(), basis.dims) / 127.0f;
  EncodedProbe encoded = {std::vector<std::int8_t>(basis.dims), {}};
  double error = 0.0;
  for (std::size_t d = 0; d < basis.dims; ++d) {
    encoded.values[d] = rounded(weighted[d], scale);
    const double missed =
        (static_cast<double>(weighted[d]) - static_cast<double>(scale) * encoded.values[d]) /
        basis.steps[d];
    error += missed * missed;
  }
  const double kept = squared_norm(values.data(), basis.dims);
  const double rounding = sketch_rounding(dim, basis.dims);
  const double left_out = std::max(0.0, squared_norm(probe, dim) - kept) + rounding;
  const float missed = not_below(std::sqrt(error));
  const std::int32_t sum = sum_of(encoded.values);
  encoded.scan = {encoded.values.data(),
                  groups_i4(basis.dims),
                  sum,
                  scale,
                  not_below(std::sqrt(kept)) + missed,
                  not_below(std::sqrt(left_out)),
                  missed * kLongestRow + static_cast<float>(2.0 * rounding) -
                      kMiddle * scale * static_cast<float>(sum)};
  return encoded;
}

}  // namespace edgeface
