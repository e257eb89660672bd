#include "scan_lanes_sse41.h"

namespace edgeface {

namespace {

// |probe| by sign(code, probe), as in scan_i8_avx2.cc: two products fit 16 bits.
__m128i products(const std::uint8_t* codes, __m128i value_i8x16, __m128i size_u8x16) noexcept {
  const __m128i code_i8x16 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  const __m128i signed_i8x16 = _mm_sign_epi8(code_i8x16, value_i8x16);
  return _mm_madd_epi16(_mm_maddubs_epi16(size_u8x16, signed_i8x16), _mm_set1_epi16(1));
}

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                __m128i (&sums_i32x4)[kQuarters]) noexcept {
  for (__m128i& sum : sums_i32x4) sum = _mm_setzero_si128();
  for (std::size_t g = 0; g < probe.groups; ++g, codes += kGroupBytes) {
    const __m128i value_i8x16 = four_bytes_to_all(probe.values + 4 * g);
    const __m128i size_u8x16 = _mm_abs_epi8(value_i8x16);
    for (std::size_t q = 0; q < kQuarters; ++q) {
      sums_i32x4[q] =
          _mm_add_epi32(sums_i32x4[q], products(codes + 16 * q, value_i8x16, size_u8x16));
    }
  }
}

unsigned survivors_of(__m128i sum_i32x4, const float* terms, const ScanProbe& probe,
                      float floor) noexcept {
  const __m128 scaled_f32x4 = _mm_mul_ps(_mm_set1_ps(probe.scale), _mm_cvtepi32_ps(sum_i32x4));
  const __m128 slack_f32x4 =
      _mm_add_ps(_mm_mul_ps(_mm_set1_ps(probe.second_weight), _mm_loadu_ps(terms + kBlockRows)),
                 _mm_set1_ps(probe.constant));
  const __m128 bound_f32x4 = _mm_add_ps(_mm_mul_ps(scaled_f32x4, _mm_loadu_ps(terms)), slack_f32x4);
  return not_below(bound_f32x4, floor);
}

}  // namespace

void scan_i8_sse41(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                   float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
