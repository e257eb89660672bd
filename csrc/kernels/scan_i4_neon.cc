#include "scan_lanes_neon.h"

namespace edgeface {

namespace {

struct PairSums {
  int16x8_t low_i16x8, high_i16x8;  // of rows 0, 1 and of rows 2, 3
};

void add_group(PairSums& sums, uint8x16_t pair_u8x16, int8x8_t low_i8x8,
               int8x8_t high_i8x8) noexcept {
  const int8x16_t low_i8x16 = vreinterpretq_s8_u8(vandq_u8(pair_u8x16, vdupq_n_u8(15)));
  const int8x16_t high_i8x16 = vreinterpretq_s8_u8(vshrq_n_u8(pair_u8x16, 4));
  sums.low_i16x8 = vmlal_s8(sums.low_i16x8, vget_low_s8(low_i8x16), low_i8x8);
  sums.high_i16x8 = vmlal_s8(sums.high_i16x8, vget_high_s8(low_i8x16), low_i8x8);
  sums.low_i16x8 = vmlal_s8(sums.low_i16x8, vget_low_s8(high_i8x16), high_i8x8);
  sums.high_i16x8 = vmlal_s8(sums.high_i16x8, vget_high_s8(high_i8x16), high_i8x8);
}

// Eight products a lane of at most 15 * 127 = 1905 fit 16 bits.
void add_four_groups(const std::uint8_t* codes, const std::int8_t* values,
                     int32x4_t (&sums_i32x4)[kQuarters]) noexcept {
  PairSums sums[kQuarters];
  for (PairSums& sum : sums) sum = {vdupq_n_s16(0), vdupq_n_s16(0)};
  for (std::size_t g = 0; g < 4; ++g, codes += kGroupBytes, values += 8) {
    const int8x8_t low_i8x8 = vget_low_s8(four_bytes_to_all(values));
    const int8x8_t high_i8x8 = vget_low_s8(four_bytes_to_all(values + 4));
    for (std::size_t q = 0; q < kQuarters; ++q) {
      add_group(sums[q], vld1q_u8(codes + 16 * q), low_i8x8, high_i8x8);
    }
  }
  for (std::size_t q = 0; q < kQuarters; ++q) {
    const int32x4_t low_i32x4 = vpaddlq_s16(sums[q].low_i16x8);
    const int32x4_t high_i32x4 = vpaddlq_s16(sums[q].high_i16x8);
    sums_i32x4[q] = vaddq_s32(sums_i32x4[q], vpaddq_s32(low_i32x4, high_i32x4));
  }
}

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                int32x4_t (&sums_i32x4)[kQuarters]) noexcept {
  for (int32x4_t& sum : sums_i32x4) sum = vdupq_n_s32(0);
  for (std::size_t g = 0; g < probe.groups; g += 4) {
    add_four_groups(codes + g * kGroupBytes, probe.values + g * 8, sums_i32x4);
  }
}

}  // namespace

void scan_i4_neon(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                  float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_i4>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
