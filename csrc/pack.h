// Packed B of kernels/gemm.h. Done once for weights, and for keys and values at every call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dispatch.h"

namespace edgeface {

inline std::size_t round_up(std::size_t count, std::size_t step) noexcept {
  return (count + step - 1) / step * step;
}

// B (depth, columns) in rows that start `stride` floats apart. Fills round_up(columns, panel) *
// depth floats.
void pack_f32(const float* b, std::size_t stride, std::size_t depth, std::size_t columns,
              std::size_t panel, float* packed) noexcept;

// The same of a transpose: B[k, n] is at b[n * stride + k], as torch.nn.Linear's weight has it.
void pack_transposed(const float* b, std::size_t stride, std::size_t depth, std::size_t columns,
                     const KernelSet& kernels, float* packed) noexcept;

// INT8: B[k, n] is at data[k * row_stride + n * column_stride].
struct StridedInt8 {
  const std::int8_t* data;
  std::size_t rows, columns;
  std::size_t row_stride, column_stride;
};

// Fills round_up(columns, panel) * round_up(rows, kDepthStep) bytes of `packed` and
// round_up(columns, panel) of `column_sums`.
void pack_i8(const StridedInt8& b, std::size_t panel, std::int8_t* packed,
             std::int32_t* column_sums) noexcept;

}  // namespace edgeface
