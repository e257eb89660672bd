#include "vec_f32_neon.h"
// After the vector that it is written in.
#include "gemm_f32_tile.h"

namespace edgeface {

namespace {

// Four values of a row of A in one load, used by lane: on the in-order A53 and A55 a load for
// each product would stall it. All loads of a depth stand before its products.
struct Tile : TileF32<7> {
  template <int lane, std::size_t rows, std::size_t vectors>
  static void lane_step(const float32x4_t (&a)[rows], const float* b,
                        float32x4_t (&sum)[rows][vectors]) noexcept {
    float32x4_t b_f32x4[vectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < vectors; ++v) b_f32x4[v] = vld1q_f32(b + v * kLanes);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) {
        sum[r][v] = vfmaq_laneq_f32(sum[r][v], b_f32x4[v], a[r], lane);
      }
    }
  }

  template <std::size_t rows, std::size_t vectors>
  static void run(const GemmF32& g, std::size_t row, std::size_t column) noexcept {
    const float* a = g.a + row * g.a_stride;
    const float* b = g.b + column * g.depth;
    float32x4_t sum[rows][vectors];
    for (auto& of_row : sum) {
      for (auto& value : of_row) value = vdupq_n_f32(0.0f);
    }
    std::size_t k = 0;
    for (; k + 4 <= g.depth; k += 4, b += 4 * kPanel) {
      float32x4_t a_f32x4[rows];
#pragma GCC unroll 8
      for (std::size_t r = 0; r < rows; ++r) a_f32x4[r] = vld1q_f32(a + r * g.a_stride + k);
      lane_step<0>(a_f32x4, b, sum);
      lane_step<1>(a_f32x4, b + kPanel, sum);
      lane_step<2>(a_f32x4, b + 2 * kPanel, sum);
      lane_step<3>(a_f32x4, b + 3 * kPanel, sum);
    }
    for (; k < g.depth; ++k, b += kPanel) step<rows, vectors>(a + k, g.a_stride, b, sum);
    for (std::size_t r = 0; r < rows; ++r) store_row<vectors>(g, row + r, column, sum[r]);
  }
};

}  // namespace

const GemmF32Kernel gemm_f32_neon = {Tile::kPanel, run_panels<Tile, GemmF32>};

}  // namespace edgeface
