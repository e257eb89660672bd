#include <cmath>
#include <limits>

#include "check.h"

namespace edgeface::check {

namespace {

constexpr double kTolerance = 4e-6;  // of sum(|a[i] * b[i]|), as kernels/dot.h promises

double sum_of_magnitudes(const Row<float>& a, const Row<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::fabs(static_cast<double>(a.data()[i]) * static_cast<double>(b.data()[i]));
  }
  return sum;
}

}  // namespace

TEST_CASE("dot_f32 agrees with scalar at every size and alignment") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t count : edge_sizes()) {
      for (const std::size_t offset : {0, 1}) {
        CAPTURE(kernels->isa);
        CAPTURE(count);
        const Row<float> a(count, offset, 1), b(count, offset, 2);
        const float found = kernels->dot_f32(a.data(), b.data(), count);
        const float expected = scalar_kernels().dot_f32(a.data(), b.data(), count);
        CHECK(std::fabs(found - expected) <= kTolerance * sum_of_magnitudes(a, b));
        record("dot_f32", kernels->isa, found);
      }
    }
  }
}

TEST_CASE("dot_f32 reads nothing past its rows") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t count : edge_sizes()) {
      CAPTURE(kernels->isa);
      CAPTURE(count);
      const Row<float> row(count);
      const GuardedRow<float> guarded(count);
      CHECK(kernels->dot_f32(guarded.data(), guarded.data(), count) ==
            kernels->dot_f32(row.data(), row.data(), count));
    }
  }
}

TEST_CASE("dot_f32 of zeros is zero, of the largest floats infinite") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t count : edge_sizes()) {
      CAPTURE(kernels->isa);
      CAPTURE(count);
      Row<float> row(count);
      row.fill(0.0f);
      CHECK(kernels->dot_f32(row.data(), row.data(), count) == 0.0f);
      row.fill(std::numeric_limits<float>::max());
      CHECK(std::isinf(kernels->dot_f32(row.data(), row.data(), count)) == (count > 0));
    }
  }
}

TEST_CASE("dot_f32 carries a NaN from wherever it stands") {
  constexpr std::size_t kCount = 97;
  for (const KernelSet* kernels : all_kernels()) {
    for (std::size_t i = 0; i < kCount; ++i) {
      CAPTURE(kernels->isa);
      CAPTURE(i);
      Row<float> a(kCount, 0, 1);
      const Row<float> b(kCount, 0, 2);
      a[i] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(kernels->dot_f32(a.data(), b.data(), kCount)));
      CHECK(std::isnan(kernels->dot_f32(b.data(), a.data(), kCount)));
    }
  }
}

}  // namespace edgeface::check
