#include "pack.h"

#include <algorithm>
#include <cstring>

namespace edgeface {

namespace {

// Whole rows of a panel lie together in B: values of an attention head.
void pack_rows(const StridedMatrix<float>& b, std::size_t column, std::size_t panel,
               float* packed) noexcept {
  const std::size_t count = std::min(panel, b.columns - column);
  for (std::size_t k = 0; k < b.rows; ++k, packed += panel) {
    std::memcpy(packed, b.data + k * b.row_stride + column, count * sizeof(float));
    std::fill(packed + count, packed + panel, 0.0f);
  }
}

void pack_columns(const StridedMatrix<float>& b, std::size_t column, std::size_t panel,
                  float* packed) noexcept {
  for (std::size_t n = 0; n < panel; ++n) {
    const bool exists = column + n < b.columns;
    const float* source = exists ? b.data + (column + n) * b.column_stride : nullptr;
    for (std::size_t k = 0; k < b.rows; ++k) {
      packed[k * panel + n] = exists ? source[k * b.row_stride] : 0.0f;
    }
  }
}

}  // namespace

void pack_f32(const StridedMatrix<float>& b, std::size_t panel, float* packed) noexcept {
  const auto pack_panel = b.column_stride == 1 ? pack_rows : pack_columns;
  for (std::size_t column = 0; column < b.columns; column += panel) {
    pack_panel(b, column, panel, packed + column * b.rows);
  }
}

void pack_i8(const StridedMatrix<std::int8_t>& b, std::size_t panel, std::int8_t* packed,
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
