#include "scan_lanes_avx512vnni.h"

namespace edgeface {

namespace {

// vpdpbusd takes unsigned by signed bytes: codes are read with 128 added (their top bit
// flipped), and 128 times the sum of the probe's values is taken off at the end.
__m512i add_group(__m512i sum_i32x16, const std::uint8_t* codes,
                  const std::int8_t* values) noexcept {
  prefetch_ahead(codes);
  const __m512i code_u8x64 = _mm512_xor_si512(_mm512_loadu_si512(codes), _mm512_set1_epi8(-128));
  return _mm512_dpbusd_epi32(sum_i32x16, code_u8x64, four_bytes_to_all(values));
}

// Four chains cover the instruction's latency of 4 to 5 cycles.
__m512i block_sums(const std::uint8_t* codes, const ScanProbe& probe) noexcept {
  __m512i sum0_i32x16 = _mm512_set1_epi32(-128 * probe.sum);
  __m512i sum1_i32x16 = _mm512_setzero_si512(), sum2_i32x16 = _mm512_setzero_si512();
  __m512i sum3_i32x16 = _mm512_setzero_si512();
  const std::int8_t* values = probe.values;
  std::size_t g = 0;
  for (; g + 4 <= probe.groups; g += 4, codes += 4 * kGroupBytes, values += 16) {
    sum0_i32x16 = add_group(sum0_i32x16, codes, values);
    sum1_i32x16 = add_group(sum1_i32x16, codes + kGroupBytes, values + 4);
    sum2_i32x16 = add_group(sum2_i32x16, codes + 2 * kGroupBytes, values + 8);
    sum3_i32x16 = add_group(sum3_i32x16, codes + 3 * kGroupBytes, values + 12);
  }
  for (; g < probe.groups; ++g, codes += kGroupBytes, values += 4) {
    sum0_i32x16 = add_group(sum0_i32x16, codes, values);
  }
  return _mm512_add_epi32(_mm512_add_epi32(sum0_i32x16, sum1_i32x16),
                          _mm512_add_epi32(sum2_i32x16, sum3_i32x16));
}

std::uint16_t survivors_of(__m512i sum_i32x16, const float* terms, const ScanProbe& probe,
                           float floor) noexcept {
  const __m512 scaled_f32x16 =
      _mm512_mul_ps(_mm512_set1_ps(probe.scale), _mm512_cvtepi32_ps(sum_i32x16));
  const __m512 slack_f32x16 =
      _mm512_fmadd_ps(_mm512_set1_ps(probe.second_weight), _mm512_loadu_ps(terms + kBlockRows),
                      _mm512_set1_ps(probe.constant));
  return not_below(_mm512_fmadd_ps(scaled_f32x16, _mm512_loadu_ps(terms), slack_f32x16), floor);
}

}  // namespace

void scan_i8_avx512vnni(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                        float floor, std::uint16_t* survivors) noexcept {
  scan_blocks<block_sums, survivors_of>(blocks, count, probe, floor, survivors);
}

}  // namespace edgeface
