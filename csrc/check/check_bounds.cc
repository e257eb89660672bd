// No kernel reads or writes past its arrays: each ends right before a page that nobody may touch.
// Of all tests this one alone sees into masked loads, which ASan does not check.
#include "../kernels/gemm.h"
#include "../kernels/rows.h"
#include "../kernels/scan.h"
#include "../pack.h"
#include "check.h"

namespace edgeface::check {

namespace {

template <template <typename> class Array, typename T>
std::vector<T> values_of(const Array<T>& array, std::size_t count) {
  return std::vector<T>(array.data(), array.data() + count);
}

template <template <typename> class Array>
std::vector<std::uint16_t> scan(Scan* kernel, std::size_t groups, std::size_t values) {
  constexpr std::size_t kBlocks = 2;
  const Array<std::uint8_t> blocks(kBlocks * block_bytes(groups));
  const Array<std::int8_t> probe(values);
  Array<std::uint16_t> survivors(kBlocks);
  kernel(blocks.data(), kBlocks, {probe.data(), groups, 0, 1.0f, 1.0f, 1.0f, 0.0f}, 0.0f,
         survivors.data());
  return values_of(survivors, kBlocks);
}

struct Shape {
  std::size_t rows, depth, columns;
};

template <template <typename> class Array>
std::vector<float> gemm_f32(const KernelSet& kernels, const Shape& s) {
  const GemmF32Kernel& kernel = *kernels.gemm_f32;
  const Array<float> a(s.rows * s.depth), b(s.depth * round_up(s.columns, kernel.panel));
  const Array<float> bias(s.columns);
  Array<float> c(s.rows * s.columns);
  kernel.run({a.data(), s.depth, b.data(), bias.data(), c.data(), s.columns, s.rows, s.depth,
              s.columns, true});
  return values_of(c, s.rows * s.columns);
}

template <template <typename> class Array>
std::vector<float> gemm_i8(const KernelSet& kernels, const Shape& s) {
  const GemmI8Kernel& kernel = *kernels.gemm_i8;
  const std::size_t depth = round_up(s.depth, kDepthStep);
  const std::size_t columns = round_up(s.columns, kernel.panel);
  const Array<std::int8_t> a(s.rows * depth), b(depth * columns);
  const Array<std::int32_t> column_sums(columns);
  const Array<float> a_scale(s.rows), b_scale(s.columns), bias(s.columns);
  Array<float> c(s.rows * s.columns);
  kernel.run({a.data(), depth, b.data(), column_sums.data(), nullptr, c.data(), s.columns,
              a_scale.data(), b_scale.data(), bias.data(), s.rows, s.depth, s.columns, true});
  return values_of(c, s.rows * s.columns);
}

// All row kernels, one after the other, on one row.
template <template <typename> class Array>
std::vector<float> rows_f32(const RowsF32& kernels, std::size_t count) {
  const Array<float> gamma(count), beta(count);
  Array<float> x(count), y(count), scale(1);
  Array<std::int8_t> q(count);
  kernels.layer_norm(x.data(), count, 1, count, gamma.data(), beta.data(), 1e-5f, y.data(), count);
  kernels.gelu(y.data(), count);
  kernels.tanh(y.data(), count);
  kernels.softmax(y.data(), count, 1, count, 1.0f);
  kernels.quantise(y.data(), count, 1, count, q.data(), count, count, scale.data());
  kernels.l2_normalise(y.data(), count, x.data());
  return values_of(x, count);
}

template <template <typename> class Array>
std::vector<float> transpose(const RowsF32& kernels, std::size_t rows, std::size_t columns) {
  const Array<float> x(rows * columns);
  Array<float> y(rows * columns);
  kernels.transpose(x.data(), columns, rows, columns, y.data(), rows);
  return values_of(y, rows * columns);
}

}  // namespace

TEST_CASE("scans stay within their arrays") {
  for (const KernelSet* kernels : all_kernels()) {
    CAPTURE(kernels->isa);
    for (const std::size_t groups : {1, 3, 16, 129}) {
      CHECK(scan<GuardedRow>(kernels->scan_i8, groups, groups * 4) ==
            scan<Row>(kernels->scan_i8, groups, groups * 4));
    }
    for (const std::size_t groups : {4, 12, 20}) {
      CHECK(scan<GuardedRow>(kernels->scan_i4, groups, groups * 8) ==
            scan<Row>(kernels->scan_i4, groups, groups * 8));
    }
  }
}

TEST_CASE("matrix products stay within their arrays") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t rows : {1, 5, 8, 13}) {
      for (const std::size_t columns : {1, 7, 9, 17, 31, 49}) {
        for (const std::size_t depth : {1, 5, 8, 129}) {
          CAPTURE(kernels->isa);
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(depth);
          const Shape shape = {rows, depth, columns};
          CHECK(gemm_f32<GuardedRow>(*kernels, shape) == gemm_f32<Row>(*kernels, shape));
          CHECK(gemm_i8<GuardedRow>(*kernels, shape) == gemm_i8<Row>(*kernels, shape));
        }
      }
    }
  }
}

TEST_CASE("row kernels stay within their arrays") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t count : edge_sizes()) {
      if (count == 0) continue;
      CAPTURE(kernels->isa);
      CAPTURE(count);
      CHECK(rows_f32<GuardedRow>(*kernels->rows_f32, count) ==
            rows_f32<Row>(*kernels->rows_f32, count));
      CHECK(transpose<GuardedRow>(*kernels->rows_f32, 5, count) ==
            transpose<Row>(*kernels->rows_f32, 5, count));
      CHECK(transpose<GuardedRow>(*kernels->rows_f32, count, 7) ==
            transpose<Row>(*kernels->rows_f32, count, 7));
    }
  }
}

}  // namespace edgeface::check
