// Matrix products over arrays that the caller owns.
#include <string>

#include "../aligned.h"
#include "../pack.h"
#include "arrays.h"

namespace edgeface {

namespace {

void require_inner(const py::array& a, const py::array& b) {
  if (a.shape(1) == b.shape(0)) return;
  throw py::value_error("a is " + describe(a) + " and b is " + describe(b) +
                        "; expected (M, K) and (K, N) with the same K");
}

std::size_t size_of(const py::array& array, py::ssize_t axis) {
  return static_cast<std::size_t>(array.shape(axis));
}

py::array_t<float> gemm_f32(const py::object& a_object, const py::object& b_object,
                            const py::object& isa) {
  const auto a = require_array<float>(a_object, "a", 2, "(M, K)");
  const auto b = require_array<float>(b_object, "b", 2, "(K, N)");
  require_inner(a, b);
  const GemmF32Kernel& kernel = *kernels_for(isa).gemm_f32;
  const std::size_t rows = size_of(a, 0), depth = size_of(a, 1), columns = size_of(b, 1);
  py::array_t<float> c({a.shape(0), b.shape(1)});
  float* const out = c.mutable_data();
  const py::gil_scoped_release release;
  AlignedArray<float> packed(round_up(columns, kernel.panel) * depth);
  pack_f32(b.data(), columns, depth, columns, kernel.panel, packed.begin());
  kernel.run({a.data(), depth, packed.begin(), nullptr, out, columns, rows, depth, columns, false});
  return c;
}

// A in rows that end on a whole step of the kernels.
AlignedArray<std::int8_t> padded_rows(const std::int8_t* a, std::size_t rows, std::size_t depth) {
  const std::size_t stride = round_up(depth, kDepthStep);
  AlignedArray<std::int8_t> padded(rows * stride);
  for (std::size_t m = 0; m < rows; ++m) {
    std::copy(a + m * depth, a + (m + 1) * depth, padded.begin() + m * stride);
  }
  return padded;
}

void multiply_i8(const std::int8_t* a, const std::int8_t* b, std::int32_t* c, std::size_t rows,
                 std::size_t depth, std::size_t columns, const GemmI8Kernel& kernel) {
  const std::size_t stride = round_up(depth, kDepthStep);
  const std::size_t packed_columns = round_up(columns, kernel.panel);
  const AlignedArray<std::int8_t> padded = padded_rows(a, rows, depth);
  AlignedArray<std::int8_t> packed(packed_columns * stride);
  AlignedArray<std::int32_t> column_sums(packed_columns);
  pack_i8({b, depth, columns, columns, 1}, kernel.panel, packed.begin(), column_sums.begin());
  GemmI8 gemm = {};
  gemm.a = padded.begin();
  gemm.a_stride = stride;
  gemm.b = packed.begin();
  gemm.column_sums = column_sums.begin();
  gemm.sums = c;
  gemm.c_stride = columns;
  gemm.rows = rows;
  gemm.depth = depth;
  gemm.columns = columns;
  kernel.run(gemm);
}

py::array_t<std::int32_t> gemm_i8(const py::object& a_object, const py::object& b_object,
                                  const py::object& isa) {
  const auto a = require_array<std::int8_t>(a_object, "a", 2, "(M, K)");
  const auto b = require_array<std::int8_t>(b_object, "b", 2, "(K, N)");
  require_inner(a, b);
  require_seven_bits(b, "b");
  if (size_of(a, 1) > kMostDepth) {
    throw py::value_error("K is " + std::to_string(a.shape(1)) + "; expected at most " +
                          std::to_string(kMostDepth) + ", so that no sum leaves int32");
  }
  const GemmI8Kernel& kernel = *kernels_for(isa).gemm_i8;
  py::array_t<std::int32_t> c({a.shape(0), b.shape(1)});
  std::int32_t* const out = c.mutable_data();
  const py::gil_scoped_release release;
  multiply_i8(a.data(), b.data(), out, size_of(a, 0), size_of(a, 1), size_of(b, 1), kernel);
  return c;
}

constexpr const char* kFloatDoc = R"(a · b, (M, K) by (K, N) float32, C-contiguous.)";

constexpr const char* kInt8Doc = R"(a · b exactly, (M, K) by (K, N) int8, C-contiguous, in int32.

b lies within [-127, 127] and K is at most 131072. Releases the GIL.)";

}  // namespace

void bind_gemm(py::module_& m) {
  m.def("gemm_f32", &gemm_f32, kFloatDoc, py::arg("a"), py::arg("b"), py::kw_only(),
        py::arg("isa") = py::none());
  m.def("gemm_i8", &gemm_i8, kInt8Doc, py::arg("a"), py::arg("b"), py::kw_only(),
        py::arg("isa") = py::none());
}

}  // namespace edgeface
