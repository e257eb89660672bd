// gemm_f32 over any Vec (vec_f32_<isa>.h, included first): a tile of kRows x 2 vectors of C stays
// in registers over the whole depth.
#pragma once

#include "gemm.h"
#include "gemm_strips.h"

namespace edgeface {

namespace {

// One row of a tile: bias, C's own value, and only the columns that exist.
template <std::size_t kVectors>
void store_row(const GemmF32& g, std::size_t row, std::size_t column, const Vec::F* sum) noexcept {
  float* c = g.c + row * g.c_stride + column;
  for (std::size_t v = 0; v < kVectors; ++v, c += Vec::kLanes, column += Vec::kLanes) {
    Vec::F value = sum[v];
    const std::size_t left = g.columns - column;
    if (left >= Vec::kLanes) {
      if (g.bias != nullptr) value = Vec::add(value, Vec::load(g.bias + column));
      if (g.accumulate) value = Vec::add(value, Vec::load(c));
      Vec::store(c, value);
    } else {
      if (g.bias != nullptr) value = Vec::add(value, Vec::load_part(g.bias + column, left));
      if (g.accumulate) value = Vec::add(value, Vec::load_part(c, left));
      Vec::store_part(c, value, left);
    }
  }
}

template <std::size_t kMaxRows>
struct TileF32 {
  static constexpr std::size_t kRows = kMaxRows, kVectors = 2, kLanes = Vec::kLanes;
  static constexpr std::size_t kPanel = kVectors * kLanes;

  // Few rows alone would wait for each FMA: they keep several sums per element.
  template <std::size_t rows>
  static constexpr std::size_t kChains = rows == 1   ? 4
                                         : rows <= 3 ? 2
                                                     : 1;

  template <std::size_t rows, std::size_t vectors>
  static void step(const float* a, std::size_t a_stride, const float* b,
                   Vec::F (&sum)[rows][vectors]) noexcept {
    Vec::F b_vector[vectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < vectors; ++v) b_vector[v] = Vec::load(b + v * kLanes);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
      const Vec::F a_value = Vec::set(a[r * a_stride]);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) {
        sum[r][v] = Vec::fma(a_value, b_vector[v], sum[r][v]);
      }
    }
  }

  template <std::size_t rows, std::size_t vectors>
  static void run(const GemmF32& g, std::size_t row, std::size_t column) noexcept {
    constexpr std::size_t chains = kChains<rows>;
    const float* a = g.a + row * g.a_stride;
    const float* b = g.b + column * g.depth;
    Vec::F sum[chains][rows][vectors];
    for (auto& chain : sum) {
      for (auto& of_row : chain) {
        for (auto& value : of_row) value = Vec::set(0.0f);
      }
    }
    std::size_t k = 0;
    for (; k + chains <= g.depth; k += chains) {
#pragma GCC unroll 4
      for (std::size_t i = 0; i < chains; ++i) {
        step<rows, vectors>(a + k + i, g.a_stride, b + (k + i) * kPanel, sum[i]);
      }
    }
    for (; k < g.depth; ++k) step<rows, vectors>(a + k, g.a_stride, b + k * kPanel, sum[0]);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t i = 1; i < chains; ++i) {
        for (std::size_t v = 0; v < vectors; ++v) {
          sum[0][r][v] = Vec::add(sum[0][r][v], sum[i][r][v]);
        }
      }
      store_row<vectors>(g, row + r, column, sum[0][r]);
    }
  }
};

}  // namespace

}  // namespace edgeface
