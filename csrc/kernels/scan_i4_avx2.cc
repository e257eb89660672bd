#include "scan_lanes_avx2.h"

namespace edgeface {

namespace {

// Products of one group, two a lane: at most 4 * 15 * 127 = 7620, so that four groups fit into
// 16 bits.
__m256i products(const std::uint8_t* codes, __m256i low_i8x32, __m256i high_i8x32) noexcept {
  const __m256i nibble_u8x32 = _mm256_set1_epi8(15);
  const __m256i pair_u8x32 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i low_u8x32 = _mm256_and_si256(pair_u8x32, nibble_u8x32);
  const __m256i high_u8x32 = _mm256_and_si256(_mm256_srli_epi16(pair_u8x32, 4), nibble_u8x32);
  return _mm256_add_epi16(_mm256_maddubs_epi16(low_u8x32, low_i8x32),
                          _mm256_maddubs_epi16(high_u8x32, high_i8x32));
}

Halves four_groups(const std::uint8_t* codes, const std::int8_t* values) noexcept {
  Halves sums_i16x16 = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (std::size_t g = 0; g < 4; ++g, codes += kGroupBytes, values += 8) {
    prefetch_ahead(codes);
    const __m256i low_i8x32 = four_bytes_to_all(values);
    const __m256i high_i8x32 = four_bytes_to_all(values + 4);
    sums_i16x16.low = _mm256_add_epi16(sums_i16x16.low, products(codes, low_i8x32, high_i8x32));
    sums_i16x16.high =
        _mm256_add_epi16(sums_i16x16.high, products(codes + 32, low_i8x32, high_i8x32));
  }
  return sums_i16x16;
}

Halves block_sums(const std::uint8_t* codes, const ScanProbe& probe) noexcept {
  const __m256i one_i16x16 = _mm256_set1_epi16(1);
  Halves sums_i32x8 = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (std::size_t g = 0; g < probe.groups; g += 4) {
    const Halves part_i16x16 = four_groups(codes + g * kGroupBytes, probe.values + g * 8);
    sums_i32x8.low =
        _mm256_add_epi32(sums_i32x8.low, _mm256_madd_epi16(part_i16x16.low, one_i16x16));
    sums_i32x8.high =
        _mm256_add_epi32(sums_i32x8.high, _mm256_madd_epi16(part_i16x16.high, one_i16x16));
  }
  return sums_i32x8;
}

unsigned survivors_of(__m256i sum_i32x8, const float* terms, const ScanProbe& probe,
                      float floor) noexcept {
  __m256 slack_f32x8 = _mm256_fmadd_ps(_mm256_set1_ps(probe.first_weight), _mm256_loadu_ps(terms),
                                       _mm256_set1_ps(probe.constant));
  slack_f32x8 = _mm256_fmadd_ps(_mm256_set1_ps(probe.second_weight),
                                _mm256_loadu_ps(terms + kBlockRows), slack_f32x8);
  const __m256 bound_f32x8 =
      _mm256_fmadd_ps(_mm256_set1_ps(probe.scale), _mm256_cvtepi32_ps(sum_i32x8), slack_f32x8);
  return not_below(bound_f32x8, floor);
}

}  // namespace

void scan_i4_avx2(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                  float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
