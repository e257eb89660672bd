// Packed B of kernels/gemm.h. Done once for weights, and for keys and values at every call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace edgeface {

inline std::size_t round_up(std::size_t count, std::size_t step) noexcept {
  return (count + step - 1) / step * step;
}

// B[k, n] is at b[k * row_stride + n * column_stride]: the transpose of a weight of shape
// (out, in) has strides 1 and in.
template <typename T>
struct StridedMatrix {
  const T* data;
  std::size_t rows, columns;
  std::size_t row_stride, column_stride;
};

// Fills round_up(columns, panel) * rows floats.
void pack_f32(const StridedMatrix<float>& b, std::size_t panel, float* packed) noexcept;

// Fills round_up(columns, panel) * round_up(rows, kDepthStep) bytes of `packed` and
// round_up(columns, panel) of `column_sums`.
void pack_i8(const StridedMatrix<std::int8_t>& b, std::size_t panel, std::int8_t* packed,
             std::int32_t* column_sums) noexcept;

}  // namespace edgeface
