#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

struct VecI8 {
  using Sum = int32x4_t;
  using A = int8x8_t;
  using B = int8x16x2_t;
  static constexpr std::size_t kColumns = 4, kStep = 8;

  static A broadcast(const std::int8_t* a) noexcept { return vld1_s8(a); }
  static B load(const std::int8_t* b, std::size_t next) noexcept {
    return {{vld1q_s8(b), vld1q_s8(b + next)}};
  }
  static Sum dot(Sum sum, A a, const B& b) noexcept {
    sum = vdotq_lane_s32(sum, b.val[0], a, 0);
    return vdotq_lane_s32(sum, b.val[1], a, 1);
  }
  static void store(Sum sum, const std::int32_t*, std::int32_t* out) noexcept {
    vst1q_s32(out, sum);
  }
};

}  // namespace

}  // namespace edgeface

// After the vector that it is written in.
#include "gemm_i8_tile.h"

namespace edgeface {

namespace {

using Tile = TileI8<7>;

}  // namespace

const GemmI8Kernel gemm_i8_neondot = {Tile::kPanel, run_panels<Tile, GemmI8>};

}  // namespace edgeface
