#include "scan_lanes_neon.h"

namespace edgeface {

namespace {

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                int32x4_t (&sums_i32x4)[kQuarters]) noexcept {
  for (int32x4_t& sum : sums_i32x4) sum = vdupq_n_s32(0);
  for (std::size_t g = 0; g < probe.groups; ++g, codes += kGroupBytes) {
    const int8x16_t low_i8x16 = four_bytes_to_all(probe.values + 8 * g);
    const int8x16_t high_i8x16 = four_bytes_to_all(probe.values + 8 * g + 4);
    uint8x16_t pair_u8x16[kQuarters];
    for (std::size_t q = 0; q < kQuarters; ++q) pair_u8x16[q] = vld1q_u8(codes + 16 * q);
    for (std::size_t q = 0; q < kQuarters; ++q) {
      const uint8x16_t low_u8x16 = vandq_u8(pair_u8x16[q], vdupq_n_u8(15));
      const uint8x16_t high_u8x16 = vshrq_n_u8(pair_u8x16[q], 4);
      sums_i32x4[q] = vdotq_s32(sums_i32x4[q], vreinterpretq_s8_u8(low_u8x16), low_i8x16);
      sums_i32x4[q] = vdotq_s32(sums_i32x4[q], vreinterpretq_s8_u8(high_u8x16), high_i8x16);
    }
  }
}

}  // namespace

void scan_i4_neondot(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                     float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_i4>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
