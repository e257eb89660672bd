#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

// Without a dot product instruction: two products of bytes, at most 2 * 128 * 127, fit 16 bits, so
// smull and smlal share a register before sadalp widens pairs of them. A sum of four columns is
// two registers of pairs, added up at the end.
struct VecI8 {
  struct Sum {
    int32x4_t low, high;
  };
  struct A {
    int8x8_t first, second;
  };
  struct B {
    int8x16_t first, second;
  };
  static constexpr std::size_t kColumns = 4, kStep = 8;

  static A broadcast(const std::int8_t* a) noexcept {
    const int32x2_t eight = vreinterpret_s32_s8(vld1_s8(a));
    return {vreinterpret_s8_s32(vdup_lane_s32(eight, 0)),
            vreinterpret_s8_s32(vdup_lane_s32(eight, 1))};
  }
  static B load(const std::int8_t* b, std::size_t next) noexcept {
    return {vld1q_s8(b), vld1q_s8(b + next)};
  }
  static Sum dot(const Sum& sum, const A& a, const B& b) noexcept {
    int16x8_t low = vmull_s8(vget_low_s8(b.first), a.first);
    int16x8_t high = vmull_s8(vget_high_s8(b.first), a.first);
    low = vmlal_s8(low, vget_low_s8(b.second), a.second);
    high = vmlal_s8(high, vget_high_s8(b.second), a.second);
    return {vpadalq_s16(sum.low, low), vpadalq_s16(sum.high, high)};
  }
  static void store(const Sum& sum, const std::int32_t*, std::int32_t* out) noexcept {
    vst1q_s32(out, vpaddq_s32(sum.low, sum.high));
  }
};

}  // namespace

}  // namespace edgeface

// After the vector that it is written in.
#include "gemm_i8_tile.h"

namespace edgeface {

namespace {

// 16 registers of sums, 4 of B, 2 of A and the products.
using Tile = TileI8<4>;

}  // namespace

const GemmI8Kernel gemm_i8_neon = {Tile::kPanel, run_panels<Tile, GemmI8>};

}  // namespace edgeface
