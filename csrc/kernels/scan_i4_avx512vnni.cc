#include "scan_lanes_avx512vnni.h"

namespace edgeface {

namespace {

struct Sums {
  __m512i low_i32x16, high_i32x16;  // of the low and of the high halves of bytes
};

void add_group(Sums& sums, const std::uint8_t* codes, const std::int8_t* values) noexcept {
  prefetch_ahead(codes);
  const __m512i nibble_u8x64 = _mm512_set1_epi8(15), pair_u8x64 = _mm512_loadu_si512(codes);
  const __m512i low_u8x64 = _mm512_and_si512(pair_u8x64, nibble_u8x64);
  const __m512i high_u8x64 = _mm512_and_si512(_mm512_srli_epi16(pair_u8x64, 4), nibble_u8x64);
  sums.low_i32x16 = _mm512_dpbusd_epi32(sums.low_i32x16, low_u8x64, four_bytes_to_all(values));
  sums.high_i32x16 =
      _mm512_dpbusd_epi32(sums.high_i32x16, high_u8x64, four_bytes_to_all(values + 4));
}

__m512i block_sums(const std::uint8_t* codes, const ScanProbe& probe) noexcept {
  Sums even = {_mm512_setzero_si512(), _mm512_setzero_si512()}, odd = even;
  const std::int8_t* values = probe.values;
  for (std::size_t g = 0; g < probe.groups; g += 2, codes += 2 * kGroupBytes, values += 16) {
    add_group(even, codes, values);
    add_group(odd, codes + kGroupBytes, values + 8);
  }
  return _mm512_add_epi32(_mm512_add_epi32(even.low_i32x16, even.high_i32x16),
                          _mm512_add_epi32(odd.low_i32x16, odd.high_i32x16));
}

std::uint16_t survivors_of(__m512i sum_i32x16, const float* terms, const ScanProbe& probe,
                           float floor) noexcept {
  __m512 bound_f32x16 = _mm512_fmadd_ps(_mm512_set1_ps(probe.first_weight), _mm512_loadu_ps(terms),
                                        _mm512_set1_ps(probe.constant));
  bound_f32x16 = _mm512_fmadd_ps(_mm512_set1_ps(probe.second_weight),
                                 _mm512_loadu_ps(terms + kBlockRows), bound_f32x16);
  bound_f32x16 =
      _mm512_fmadd_ps(_mm512_set1_ps(probe.scale), _mm512_cvtepi32_ps(sum_i32x16), bound_f32x16);
  return not_below(bound_f32x16, floor);
}

}  // namespace

void scan_i4_avx512vnni(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                        float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
