#include "scan_lanes_avx2.h"

namespace edgeface {

namespace {

// pmaddubsw adds two unsigned-by-signed products in 16 bits and saturates. |probe| by
// sign(code, probe) is the same product, and two of at most 127 * 127 fit.
__m256i products(const std::uint8_t* codes, __m256i value_i8x32, __m256i size_u8x32) noexcept {
  const __m256i code_i8x32 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i signed_i8x32 = _mm256_sign_epi8(code_i8x32, value_i8x32);
  const __m256i pair_i16x16 = _mm256_maddubs_epi16(size_u8x32, signed_i8x32);
  return _mm256_madd_epi16(pair_i16x16, _mm256_set1_epi16(1));
}

Halves block_sums(const std::uint8_t* codes, const ScanProbe& probe) noexcept {
  Halves sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (std::size_t g = 0; g < probe.groups; ++g, codes += kGroupBytes) {
    prefetch_ahead(codes);
    const __m256i value_i8x32 = four_bytes_to_all(probe.values + 4 * g);
    const __m256i size_u8x32 = _mm256_abs_epi8(value_i8x32);
    sums.low = _mm256_add_epi32(sums.low, products(codes, value_i8x32, size_u8x32));
    sums.high = _mm256_add_epi32(sums.high, products(codes + 32, value_i8x32, size_u8x32));
  }
  return sums;
}

unsigned survivors_of(__m256i sum_i32x8, const float* terms, const ScanProbe& probe,
                      float floor) noexcept {
  const __m256 scaled_f32x8 =
      _mm256_mul_ps(_mm256_set1_ps(probe.scale), _mm256_cvtepi32_ps(sum_i32x8));
  const __m256 slack_f32x8 =
      _mm256_fmadd_ps(_mm256_set1_ps(probe.second_weight), _mm256_loadu_ps(terms + kBlockRows),
                      _mm256_set1_ps(probe.constant));
  const __m256 bound_f32x8 = _mm256_fmadd_ps(scaled_f32x8, _mm256_loadu_ps(terms), slack_f32x8);
  return not_below(bound_f32x8, floor);
}

}  // namespace

void scan_i8_avx2(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                  float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
