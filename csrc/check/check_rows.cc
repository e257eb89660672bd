#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"

namespace edgeface::check {

namespace {

constexpr std::size_t kRows = 3;

template <typename Claim>
void for_each_width(const Claim& claim) {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t columns : edge_sizes()) {
      for (const std::size_t offset : {0, 1}) {
        CAPTURE(kernels->isa);
        CAPTURE(columns);
        CAPTURE(offset);
        claim(*kernels, columns, Row<float>(kRows * columns, offset, 1));
      }
    }
  }
}

double worst_difference(const Row<float>& found, const Row<float>& expected) {
  double worst = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(found.data()[i]) -
                                      static_cast<double>(expected.data()[i])));
  }
  return worst;
}

void record_row(const char* op, const KernelSet& kernels, const Row<float>& row) {
  record(op, kernels.isa, row.data(), row.size() * sizeof(float));
}

}  // namespace

TEST_CASE("layer_norm agrees with scalar at every width and alignment") {
  for_each_width([](const KernelSet& kernels, std::size_t columns, const Row<float>& x) {
    const Row<float> gamma(columns, 1, 2), beta(columns, 1, 3);
    Row<float> found(x.size(), 1), expected(x.size());
    kernels.rows_f32->layer_norm(x.data(), columns, kRows, columns, gamma.data(), beta.data(),
                                 1e-5f, found.data(), columns);
    scalar_kernels().rows_f32->layer_norm(x.data(), columns, kRows, columns, gamma.data(),
                                          beta.data(), 1e-5f, expected.data(), columns);
    CHECK(worst_difference(found, expected) <= 2e-5);
    record_row("layer_norm_f32", kernels, found);
  });
}

TEST_CASE("softmax agrees with scalar and sums to one") {
  for_each_width([](const KernelSet& kernels, std::size_t columns, Row<float> x) {
    Row<float> expected = x;
    kernels.rows_f32->softmax(x.data(), columns, kRows, columns, 20.0f);
    scalar_kernels().rows_f32->softmax(expected.data(), columns, kRows, columns, 20.0f);
    CHECK(worst_difference(x, expected) <= 8e-6);
    for (std::size_t r = 0; r < kRows && columns > 0; ++r) {
      double sum = 0.0;
      for (std::size_t i = 0; i < columns; ++i) sum += x[r * columns + i];
      CHECK(std::fabs(sum - 1.0) <= 1e-5);
    }
  });
}

TEST_CASE("gelu and tanh agree with scalar from tiny to huge arguments") {
  for (const KernelSet* kernels : all_kernels()) {
    CAPTURE(kernels->isa);
    std::vector<float> arguments = {0.0f};
    for (float x = 1e-30f; x < 1e30f; x *= 1.07f) arguments.insert(arguments.end(), {x, -x});
    for (const float start : arguments) {
      float found[2] = {start, start}, expected[2] = {start, start};
      kernels->rows_f32->gelu(found, 1);
      kernels->rows_f32->tanh(found + 1, 1);
      scalar_kernels().rows_f32->gelu(expected, 1);
      scalar_kernels().rows_f32->tanh(expected + 1, 1);
      CAPTURE(start);
      CHECK(std::fabs(found[0] - expected[0]) <= 1e-6f * std::fabs(start));
      CHECK(std::fabs(found[1] - expected[1]) <= 3e-7f);
    }
  }
}

TEST_CASE("gelu and tanh touch every element once") {
  for_each_width([](const KernelSet& kernels, std::size_t, Row<float> x) {
    Row<float> expected = x;
    kernels.rows_f32->gelu(x.data(), x.size());
    scalar_kernels().rows_f32->gelu(expected.data(), x.size());
    CHECK(worst_difference(x, expected) <= 1e-6);
    kernels.rows_f32->tanh(x.data(), x.size());
    scalar_kernels().rows_f32->tanh(expected.data(), x.size());
    CHECK(worst_difference(x, expected) <= 2e-6);
  });
}

TEST_CASE("quantise agrees with scalar to the last bit and fills up with zeros") {
  for_each_width([](const KernelSet& kernels, std::size_t columns, const Row<float>& x) {
    const std::size_t filled = columns + 5;
    Row<std::int8_t> found(kRows * filled), expected(kRows * filled);
    float scales[kRows], expected_scales[kRows];
    kernels.rows_f32->quantise(x.data(), columns, kRows, columns, found.data(), filled, filled,
                               scales);
    scalar_kernels().rows_f32->quantise(x.data(), columns, kRows, columns, expected.data(), filled,
                                        filled, expected_scales);
    CHECK(std::equal(found.data(), found.data() + found.size(), expected.data()));
    CHECK(std::equal(scales, scales + kRows, expected_scales));
    CHECK(std::count(found.data() + columns, found.data() + filled, 0) == 5);
    record("quantise_i8", kernels.isa, found.data(), found.size());
  });
}

TEST_CASE("quantise marks a row that is not finite by its scale, and loses no subnormal row") {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const KernelSet* kernels : all_kernels()) {
    for (std::size_t position = 0; position < 40; ++position) {
      CAPTURE(kernels->isa);
      CAPTURE(position);
      Row<float> x(40);
      std::int8_t q[40];
      float scale;
      const auto quantise_with = [&](float value) {
        x[position] = value;
        kernels->rows_f32->quantise(x.data(), 40, 1, 40, q, 40, 40, &scale);
      };
      quantise_with(-kInfinity);
      CHECK((std::isinf(scale) && std::count(q, q + 40, 0) == 40));
      quantise_with(kNaN);
      CHECK((std::isnan(scale) && std::count(q, q + 40, 0) == 40));
      x.fill(0.0f);
      quantise_with(1e-40f);
      CHECK((scale >= 0.0f && std::count(q, q + 40, 0) == 40));
      quantise_with(-3e38f);
      CHECK((q[position] == -127 && std::isfinite(scale)));
    }
  }
}

TEST_CASE("transpose moves every element to its place") {
  for_each_width([](const KernelSet& kernels, std::size_t columns, const Row<float>&) {
    for (const std::size_t rows : {kRows, 2 * kRows + 1}) {
      const Row<float> wide(rows * columns, 1, 2);
      Row<float> found(columns * rows, 1);
      kernels.rows_f32->transpose(wide.data(), columns, rows, columns, found.data(), rows);
      bool right = true;
      for (std::size_t i = 0; i < wide.size(); ++i) {
        right &= found[i % columns * rows + i / columns] == wide.data()[i];
      }
      CHECK(right);
    }
  });
}

TEST_CASE("l2_normalise agrees with scalar; zero and overflow show in the norm") {
  for_each_width([](const KernelSet& kernels, std::size_t, Row<float> x) {
    if (x.size() == 0) return;
    Row<float> found(x.size()), expected(x.size());
    const float norm = kernels.rows_f32->l2_normalise(x.data(), x.size(), found.data());
    scalar_kernels().rows_f32->l2_normalise(x.data(), x.size(), expected.data());
    CHECK((norm > 0.0f && worst_difference(found, expected) <= 1e-6));
    record_row("l2_normalise_f32", kernels, found);
    for (const float nothing : {0.0f, 1e-23f, 1e-19f}) {
      x.fill(nothing);
      CHECK(kernels.rows_f32->l2_normalise(x.data(), x.size(), found.data()) == 0.0f);
    }
    x[x.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(kernels.rows_f32->l2_normalise(x.data(), x.size(), found.data())));
  });
}

}  // namespace edgeface::check
