// gemm_i8 over any VecI8 (gemm_i8_<isa>.cc defines it before): as gemm_f32_tile.h, with sums in
// int32 that are scaled to float while they are still in registers.
//
// VecI8 says: Sum, the sums of kColumns columns in flight; A, kStep values of a row, broadcast; B,
// kStep rows of kColumns columns; dot(sum, a, b); store(sum, column_sums, int32 out[kColumns]).
#pragma once

#include "gemm.h"
#include "gemm_strips.h"

namespace edgeface {

namespace {

// c = sums * a_scale * b_scale + bias in exactly this order on every ISA.
void scale_row(const GemmI8& g, std::size_t row, std::size_t column, const std::int32_t* sums,
               std::size_t count) noexcept {
  float* c = g.c + row * g.c_stride + column;
  const float a_scale = g.a_scale[row];
  for (std::size_t i = 0; i < count; ++i) {
    float value = static_cast<float>(sums[i]) * a_scale * g.b_scale[column + i];
    if (g.bias != nullptr) value += g.bias[column + i];
    c[i] = g.accumulate ? value + c[i] : value;
  }
}

template <std::size_t kMaxRows>
struct TileI8 {
  static constexpr std::size_t kRows = kMaxRows, kVectors = 2, kLanes = VecI8::kColumns;
  static constexpr std::size_t kPanel = kVectors * kLanes;

  template <std::size_t rows, std::size_t vectors>
  static void step(const std::int8_t* a, std::size_t a_stride, const std::int8_t* b,
                   VecI8::Sum (&sum)[rows][vectors]) noexcept {
    VecI8::B b_vector[vectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < vectors; ++v) {
      b_vector[v] = VecI8::load(b + v * kLanes * kDepthGroup, kPanel * kDepthGroup);
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) {
      const auto a_values = VecI8::broadcast(a + r * a_stride);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) {
        sum[r][v] = VecI8::dot(sum[r][v], a_values, b_vector[v]);
      }
    }
  }

  template <std::size_t rows, std::size_t vectors>
  static void run(const GemmI8& g, std::size_t row, std::size_t column) noexcept {
    const std::size_t padded = (g.depth + kDepthStep - 1) / kDepthStep * kDepthStep;
    const std::int8_t* a = g.a + row * g.a_stride;
    const std::int8_t* b = g.b + column * padded;
    VecI8::Sum sum[rows][vectors] = {};
    for (std::size_t k = 0; k < padded; k += VecI8::kStep) {
      step<rows, vectors>(a + k, g.a_stride, b + k * kPanel, sum);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      store_row<vectors>(g, row + r, column, sum[r]);
    }
  }

  template <std::size_t vectors>
  static void store_row(const GemmI8& g, std::size_t row, std::size_t column,
                        const VecI8::Sum* sum) noexcept {
    std::int32_t sums[kPanel];
    for (std::size_t v = 0; v < vectors; ++v) {
      VecI8::store(sum[v], g.column_sums + column + v * kLanes, sums + v * kLanes);
    }
    const std::size_t left = g.columns - column;
    const std::size_t count = left < vectors * kLanes ? left : vectors * kLanes;
    if (g.sums == nullptr) return scale_row(g, row, column, sums, count);
    for (std::size_t i = 0; i < count; ++i) g.sums[row * g.c_stride + column + i] = sums[i];
  }
};

}  // namespace

}  // namespace edgeface
