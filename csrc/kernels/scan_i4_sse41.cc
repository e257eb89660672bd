#include "scan_lanes_sse41.h"

namespace edgeface {

namespace {

// At most 4 * 15 * 127 = 7620 a lane, so that four groups fit into 16 bits.
__m128i products(const std::uint8_t* codes, __m128i low_i8x16, __m128i high_i8x16) noexcept {
  const __m128i nibble_u8x16 = _mm_set1_epi8(15);
  const __m128i pair_u8x16 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  const __m128i low_u8x16 = _mm_and_si128(pair_u8x16, nibble_u8x16);
  const __m128i high_u8x16 = _mm_and_si128(_mm_srli_epi16(pair_u8x16, 4), nibble_u8x16);
  return _mm_add_epi16(_mm_maddubs_epi16(low_u8x16, low_i8x16),
                       _mm_maddubs_epi16(high_u8x16, high_i8x16));
}

void add_four_groups(const std::uint8_t* codes, const std::int8_t* values,
                     __m128i (&sums_i32x4)[kQuarters]) noexcept {
  __m128i part_i16x8[kQuarters];
  for (__m128i& part : part_i16x8) part = _mm_setzero_si128();
  for (std::size_t g = 0; g < 4; ++g, codes += kGroupBytes, values += 8) {
    const __m128i low_i8x16 = four_bytes_to_all(values), high_i8x16 = four_bytes_to_all(values + 4);
    for (std::size_t q = 0; q < kQuarters; ++q) {
      part_i16x8[q] = _mm_add_epi16(part_i16x8[q], products(codes + 16 * q, low_i8x16, high_i8x16));
    }
  }
  for (std::size_t q = 0; q < kQuarters; ++q) {
    sums_i32x4[q] = _mm_add_epi32(sums_i32x4[q], _mm_madd_epi16(part_i16x8[q], _mm_set1_epi16(1)));
  }
}

void block_sums(const std::uint8_t* codes, const ScanProbe& probe,
                __m128i (&sums_i32x4)[kQuarters]) noexcept {
  for (__m128i& sum : sums_i32x4) sum = _mm_setzero_si128();
  for (std::size_t g = 0; g < probe.groups; g += 4) {
    add_four_groups(codes + g * kGroupBytes, probe.values + g * 8, sums_i32x4);
  }
}

unsigned survivors_of(__m128i sum_i32x4, const float* terms, const ScanProbe& probe,
                      float floor) noexcept {
  const __m128 first_f32x4 = _mm_mul_ps(_mm_set1_ps(probe.first_weight), _mm_loadu_ps(terms));
  const __m128 second_f32x4 =
      _mm_mul_ps(_mm_set1_ps(probe.second_weight), _mm_loadu_ps(terms + kBlockRows));
  const __m128 slack_f32x4 =
      _mm_add_ps(_mm_add_ps(first_f32x4, second_f32x4), _mm_set1_ps(probe.constant));
  const __m128 scaled_f32x4 = _mm_mul_ps(_mm_set1_ps(probe.scale), _mm_cvtepi32_ps(sum_i32x4));
  const __m128 bound_f32x4 = _mm_add_ps(scaled_f32x4, slack_f32x4);
  return not_below(bound_f32x4, floor);
}

}  // namespace

void scan_i4_sse41(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                   float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
