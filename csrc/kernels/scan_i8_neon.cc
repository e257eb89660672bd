#include "scan_lanes_neon.h"

namespace edgeface {

namespace {

// Sums of four rows, a row's four products of a group in two lanes beside each other.
struct PairSums {
  int32x4_t low_i32x4, high_i32x4;  // of rows 0, 1 and of rows 2, 3
};

// Two products of at most 127 * 127 fit 16 bits: smull, smlal, then sadalp widens.
void add_two_groups(PairSums& sums, int8x16_t first_i8x16, int8x16_t second_i8x16,
                    int8x8_t first_i8x8, int8x8_t second_i8x8) noexcept {
  int16x8_t low_i16x8 = vmull_s8(vget_low_s8(first_i8x16), first_i8x8);
  int16x8_t high_i16x8 = vmull_s8(vget_high_s8(first_i8x16), first_i8x8);
  low_i16x8 = vmlal_s8(low_i16x8, vget_low_s8(second_i8x16), second_i8x8);
  high_i16x8 = vmlal_s8(high_i16x8, vget_high_s8(second_i8x16), second_i8x8);
  sums.low_i32x4 = vpadalq_s16(sums.low_i32x4, low_i16x8);
  sums.high_i32x4 = vpadalq_s16(sums.high_i32x4, high_i16x8);
}

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                int32x4_t (&sums_i32x4)[kQuarters]) noexcept {
  PairSums sums[kQuarters];
  for (PairSums& sum : sums) sum = {vdupq_n_s32(0), vdupq_n_s32(0)};
  std::size_t g = 0;
  for (; g + 2 <= probe.groups; g += 2, codes += 2 * kGroupBytes) {
    const int8x8_t first_i8x8 = vget_low_s8(four_bytes_to_all(probe.values + 4 * g));
    const int8x8_t second_i8x8 = vget_low_s8(four_bytes_to_all(probe.values + 4 * g + 4));
    uint8x16_t first_u8x16[kQuarters], second_u8x16[kQuarters];
    load_quarters(codes, first_u8x16);
    load_quarters(codes + kGroupBytes, second_u8x16);
    for (std::size_t q = 0; q < kQuarters; ++q) {
      add_two_groups(sums[q], vreinterpretq_s8_u8(first_u8x16[q]),
                     vreinterpretq_s8_u8(second_u8x16[q]), first_i8x8, second_i8x8);
    }
  }
  if (g < probe.groups) {
    const int8x8_t last_i8x8 = vget_low_s8(four_bytes_to_all(probe.values + 4 * g));
    for (std::size_t q = 0; q < kQuarters; ++q) {
      const int8x16_t code_i8x16 = vreinterpretq_s8_u8(vld1q_u8(codes + 16 * q));
      add_two_groups(sums[q], code_i8x16, vdupq_n_s8(0), last_i8x8, last_i8x8);
    }
  }
  for (std::size_t q = 0; q < kQuarters; ++q) {
    sums_i32x4[q] = vpaddq_s32(sums[q].low_i32x4, sums[q].high_i32x4);
  }
}

}  // namespace

void scan_i8_neon(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                  float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_i8>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
