// What the scans of this ISA, and those of neondot, share.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "scan.h"

namespace edgeface {

namespace {

using Quarter = int32x4_t;            // the sums of four rows
constexpr std::size_t kQuarters = 4;  // of a block

// Four values of the probe beside each other in every lane: those of one group.
inline int8x16_t four_bytes_to_all(const std::int8_t* values) noexcept {
  std::int32_t four = 0;
  std::memcpy(&four, values, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Four loads that stay in front of what uses them. Left to itself the compiler puts each load
// right before its use, where the in-order A53 and A55 wait for it: twice the cycles in all.
inline void load_quarters(const std::uint8_t* codes, uint8x16_t (&quarter_u8x16)[4]) noexcept {
  for (std::size_t q = 0; q < 4; ++q) quarter_u8x16[q] = vld1q_u8(codes + 16 * q);
  __asm__(""
          : "+w"(quarter_u8x16[0]), "+w"(quarter_u8x16[1]), "+w"(quarter_u8x16[2]),
            "+w"(quarter_u8x16[3]));
}

// Lanes in which !(bound < floor), as four bits.
inline unsigned lanes_that_reach(float32x4_t bound_f32x4, float floor) noexcept {
  static const std::uint32_t kBits[4] = {1, 2, 4, 8};
  const uint32x4_t below_u32x4 = vcltq_f32(bound_f32x4, vdupq_n_f32(floor));
  return vaddvq_u32(vbicq_u32(vld1q_u32(kBits), below_u32x4));
}

inline unsigned survivors_i8(int32x4_t sum_i32x4, const float* terms, const ScanProbe& probe,
                             float floor) noexcept {
  const float32x4_t scaled_f32x4 = vmulq_n_f32(vcvtq_f32_s32(sum_i32x4), probe.scale);
  const float32x4_t slack_f32x4 =
      vfmaq_n_f32(vdupq_n_f32(probe.constant), vld1q_f32(terms + kBlockRows), probe.second_weight);
  return lanes_that_reach(vfmaq_f32(slack_f32x4, scaled_f32x4, vld1q_f32(terms)), floor);
}

inline unsigned survivors_i4(int32x4_t sum_i32x4, const float* terms, const ScanProbe& probe,
                             float floor) noexcept {
  float32x4_t bound_f32x4 =
      vfmaq_n_f32(vdupq_n_f32(probe.constant), vld1q_f32(terms), probe.first_weight);
  bound_f32x4 = vfmaq_n_f32(bound_f32x4, vld1q_f32(terms + kBlockRows), probe.second_weight);
  bound_f32x4 = vfmaq_n_f32(bound_f32x4, vcvtq_f32_s32(sum_i32x4), probe.scale);
  return lanes_that_reach(bound_f32x4, floor);
}

}  // namespace

}  // namespace edgeface

// After the Quarter that it is written in.
#include "scan_quarters.h"
