#include "scan_lanes_neon.h"

namespace edgeface {

namespace {

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                int32x4_t (&sums_i32x4)[kQuarters]) noexcept {
  for (int32x4_t& sum : sums_i32x4) sum = vdupq_n_s32(0);
  for (std::size_t g = 0; g < probe.groups; ++g, codes += kGroupBytes) {
    const int8x16_t value_i8x16 = four_bytes_to_all(probe.values + 4 * g);
    uint8x16_t code_u8x16[kQuarters];
    load_quarters(codes, code_u8x16);
    for (std::size_t q = 0; q < kQuarters; ++q) {
      sums_i32x4[q] = vdotq_s32(sums_i32x4[q], vreinterpretq_s8_u8(code_u8x16[q]), value_i8x16);
    }
  }
}

}  // namespace

void scan_i8_neondot(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                     float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_i8>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
