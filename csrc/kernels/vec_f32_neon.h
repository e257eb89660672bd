// The vector of rows_f32.h and gemm_f32_tile.h as NEON has it; see vec_f32_avx512vnni.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

inline void transpose_4x4(const float* x, std::size_t x_stride, float* y,
                          std::size_t y_stride) noexcept {
  const float32x4_t row0 = vld1q_f32(x), row1 = vld1q_f32(x + x_stride);
  const float32x4_t row2 = vld1q_f32(x + 2 * x_stride), row3 = vld1q_f32(x + 3 * x_stride);
  const float32x4x2_t even = vzipq_f32(row0, row2), odd = vzipq_f32(row1, row3);
  const float32x4x2_t low = vzipq_f32(even.val[0], odd.val[0]);
  const float32x4x2_t high = vzipq_f32(even.val[1], odd.val[1]);
  vst1q_f32(y, low.val[0]);
  vst1q_f32(y + y_stride, low.val[1]);
  vst1q_f32(y + 2 * y_stride, high.val[0]);
  vst1q_f32(y + 3 * y_stride, high.val[1]);
}

struct Vec {
  using F = float32x4_t;
  static constexpr std::size_t kLanes = 4;

  static F set(float x) noexcept { return vdupq_n_f32(x); }
  static F load(const float* p) noexcept { return vld1q_f32(p); }
  static void store(float* p, F x) noexcept { vst1q_f32(p, x); }
  static F load_part(const float* p, std::size_t count) noexcept {
    float lanes[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) lanes[i] = p[i];
    return vld1q_f32(lanes);
  }
  static void store_part(float* p, F x, std::size_t count) noexcept {
    float lanes[kLanes];
    vst1q_f32(lanes, x);
    for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
  }

  static F add(F a, F b) noexcept { return vaddq_f32(a, b); }
  static F sub(F a, F b) noexcept { return vsubq_f32(a, b); }
  static F mul(F a, F b) noexcept { return vmulq_f32(a, b); }
  static F div(F a, F b) noexcept { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) noexcept { return vfmaq_f32(c, a, b); }
  static F max(F a, F b) noexcept { return vmaxq_f32(a, b); }
  static F min(F a, F b) noexcept { return vminq_f32(a, b); }
  static F round(F x) noexcept { return vrndnq_f32(x); }
  static F times_power_of_2(F x, F n) noexcept {
    const int32x4_t biased = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)));
  }
  static float sum(F x) noexcept { return vaddvq_f32(x); }
  static float highest(F x) noexcept { return vmaxvq_f32(x); }

  static F max_magnitude(F a, F x) noexcept {
    const int32x4_t bits = vreinterpretq_s32_f32(vabsq_f32(x));
    return vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a), bits));
  }
  static float highest_magnitude(F x) noexcept {
    const int32x4_t bits = vdupq_n_s32(vmaxvq_s32(vreinterpretq_s32_f32(x)));
    return vgetq_lane_f32(vreinterpretq_f32_s32(bits), 0);
  }
  static void store_i8(std::int8_t* p, F x) noexcept {
    const int16x4_t words = vqmovn_s32(vcvtnq_s32_f32(x));
    const int8x8_t q = vqmovn_s16(vcombine_s16(words, words));
    std::int8_t lanes[8];
    vst1_s8(lanes, q);
    __builtin_memcpy(p, lanes, kLanes);
  }
};

}  // namespace

}  // namespace edgeface
