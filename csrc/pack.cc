#include "pack.h"

#include <algorithm>
#include <cstring>

namespace edgeface {

void pack_f32(const float* b, std::size_t stride, std::size_t depth, std::size_t columns,
              std::size_t panel, float* packed) noexcept {
  for (std::size_t column = 0; column < columns; column += panel) {
    const std::size_t count = std::min(panel, columns - column);
    for (std::size_t k = 0; k < depth; ++k, packed += panel) {
      std::memcpy(packed, b + k * stride + column, count * sizeof(float));
      std::fill(packed + count, packed + panel, 0.0f);
    }
  }
}

void pack_transposed(const float* b, std::size_t stride, std::size_t depth, std::size_t columns,
                     const KernelSet& kernels, float* packed) noexcept {
  const std::size_t panel = kernels.gemm_f32->panel;
  for (std::size_t column = 0; column < columns; column += panel) {
    const std::size_t count = std::min(panel, columns - column);
    float* const start = packed + column * depth;
    if (count < panel) std::fill(start, start + panel * depth, 0.0f);
    kernels.rows_f32->transpose(b + column * stride, stride, count, depth, start, panel);
  }
}

void pack_i8(const StridedInt8& b, std::size_t panel, std::int8_t* packed,
             std::int32_t* column_sums) noexcept {
  const std::size_t depth = round_up(b.rows, kDepthStep), columns = round_up(b.columns, panel);
  std::fill(packed, packed + depth * columns, std::int8_t{0});
  std::fill(column_sums, column_sums + columns, 0);
  for (std::size_t n = 0; n < b.columns; ++n) {
    std::int8_t* panel_start = packed + n / panel * panel * depth;
    for (std::size_t k = 0; k < b.rows; ++k) {
      const std::int8_t value = b.data[k * b.row_stride + n * b.column_stride];
      const std::size_t group = k / kDepthGroup * panel + n % panel;
      panel_start[group * kDepthGroup + k % kDepthGroup] = value;
      column_sums[n] += value;
    }
  }
}

}  // namespace edgeface
