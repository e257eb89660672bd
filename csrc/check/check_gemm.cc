#include <algorithm>
#include <cmath>

#include "../pack.h"
#include "check.h"

namespace edgeface::check {

namespace {

// Around the strips and panels of every ISA.
const std::size_t kRowCounts[] = {0, 1, 2, 3, 5, 6, 7, 8, 13};
const std::size_t kColumnCounts[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49};
const std::size_t kDepths[] = {0, 1, 3, 4, 5, 8, 9, 49, 129};

struct Shape {
  std::size_t rows, depth, columns;
};

template <typename Claim>
void for_each_shape(const Claim& claim) {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t rows : kRowCounts) {
      for (const std::size_t columns : kColumnCounts) {
        for (const std::size_t depth : kDepths) {
          CAPTURE(kernels->isa);
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(depth);
          claim(*kernels, Shape{rows, depth, columns});
        }
      }
    }
  }
}

std::vector<float> pack(const Row<float>& b, const Shape& shape, std::size_t panel) {
  std::vector<float> packed(round_up(shape.columns, panel) * shape.depth);
  pack_f32(b.data(), shape.columns, shape.depth, shape.columns, panel, packed.data());
  return packed;
}

Row<float> multiply(const KernelSet& kernels, const Shape& shape, const Row<float>& a,
                    const Row<float>& b, bool accumulate) {
  const std::vector<float> packed = pack(b, shape, kernels.gemm_f32->panel);
  const Row<float> bias(shape.columns, 1, 3);
  Row<float> c(shape.rows * shape.columns, 1, 4);
  kernels.gemm_f32->run({a.data(), shape.depth, packed.data(), bias.data(), c.data(), shape.columns,
                         shape.rows, shape.depth, shape.columns, accumulate});
  return c;
}

// A packed B and what else an INT8 product takes, on the heap so that ASan sees its ends.
struct Int8Product {
  Int8Product(const KernelSet& kernels, const Shape& shape, std::int8_t a_value,
              std::int8_t b_value)
      : kernel(*kernels.gemm_i8),
        a(shape.rows * round_up(shape.depth, kDepthStep)),
        b(shape.depth * shape.columns, 0, 2),
        packed(round_up(shape.columns, kernel.panel) * round_up(shape.depth, kDepthStep)),
        column_sums(round_up(shape.columns, kernel.panel)),
        sums(shape.rows * shape.columns) {
    if (a_value != 0) a.fill(a_value);
    if (b_value != 0) b.fill(b_value);
    std::replace(b.data(), b.data() + b.size(), std::int8_t{-128}, std::int8_t{-127});
    pack_i8({b.data(), shape.depth, shape.columns, shape.columns, 1}, kernel.panel, packed.data(),
            column_sums.data());
  }

  GemmI8 call(const Shape& shape) {
    GemmI8 gemm = {};
    gemm.a = a.data();
    gemm.a_stride = round_up(shape.depth, kDepthStep);
    gemm.b = packed.data();
    gemm.column_sums = column_sums.data();
    gemm.c_stride = shape.columns;
    gemm.rows = shape.rows;
    gemm.depth = shape.depth;
    gemm.columns = shape.columns;
    return gemm;
  }

  const GemmI8Kernel& kernel;
  Row<std::int8_t> a, b;
  std::vector<std::int8_t> packed;
  std::vector<std::int32_t> column_sums, sums;
};

}  // namespace

TEST_CASE("gemm_f32 agrees with scalar for every shape, with bias and C's own value") {
  for_each_shape([](const KernelSet& kernels, const Shape& shape) {
    const Row<float> a(shape.rows * shape.depth, 1, 1), b(shape.depth * shape.columns, 1, 2);
    const double tolerance = 1e-6 * (2.0 + static_cast<double>(shape.depth));
    for (const bool accumulate : {false, true}) {
      const Row<float> found = multiply(kernels, shape, a, b, accumulate);
      const Row<float> expected = multiply(scalar_kernels(), shape, a, b, accumulate);
      double worst = 0.0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(found.data()[i]) -
                                          static_cast<double>(expected.data()[i])));
      }
      CHECK(worst <= tolerance);
      record("gemm_f32", kernels.isa, found.data(), found.size() * sizeof(float));
    }
  });
}

TEST_CASE("gemm_i8 is exact on every ISA, for random and for worst values") {
  const std::int8_t values[][2] = {{0, 0}, {-128, -127}, {-128, 127}, {127, 127}, {127, -127}};
  for_each_shape([&](const KernelSet& kernels, const Shape& shape) {
    for (const auto& [a_value, b_value] : values) {
      Int8Product found(kernels, shape, a_value, b_value);
      Int8Product expected(scalar_kernels(), shape, a_value, b_value);
      GemmI8 call = found.call(shape), judge = expected.call(shape);
      call.sums = found.sums.data();
      judge.sums = expected.sums.data();
      found.kernel.run(call);
      expected.kernel.run(judge);
      CHECK(found.sums == expected.sums);
      record("gemm_i8", kernels.isa, found.sums.data(), found.sums.size() * sizeof(std::int32_t));
    }
  });
}

TEST_CASE("gemm_i8 scales to the same floats on every ISA, to the last bit") {
  for_each_shape([](const KernelSet& kernels, const Shape& shape) {
    const Row<float> a_scale(shape.rows, 1, 5), b_scale(shape.columns, 1, 6);
    const Row<float> bias(shape.columns, 1, 7);
    for (const bool accumulate : {false, true}) {
      std::vector<float> results[2];
      for (const KernelSet* each : {&kernels, &scalar_kernels()}) {
        Int8Product product(*each, shape, 0, 0);
        const Row<float> start(shape.rows * shape.columns, 0, 8);
        std::vector<float>& c = results[each == &kernels ? 0 : 1];
        c.assign(start.data(), start.data() + start.size());
        GemmI8 call = product.call(shape);
        call.c = c.data();
        call.a_scale = a_scale.data();
        call.b_scale = b_scale.data();
        call.bias = bias.data();
        call.accumulate = accumulate;
        product.kernel.run(call);
      }
      if (&kernels != &scalar_kernels()) CHECK(results[0] == results[1]);
    }
  });
}

}  // namespace edgeface::check
