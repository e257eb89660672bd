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

}  // namespace

void scan_i8_avx512vnni(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                        float floor, std::uint16_t* survivors) noexcept {
  const std::size_t code_bytes = probe.groups * kGroupBytes;
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    const __m512 sum_f32x16 = _mm512_cvtepi32_ps(block_sums(blocks, probe));
    const __m512 first_f32x16 = _mm512_loadu_ps(blocks + code_bytes);
    const __m512 second_f32x16 = _mm512_loadu_ps(blocks + code_bytes + kGroupBytes);
    const __m512 scaled_f32x16 = _mm512_mul_ps(_mm512_set1_ps(probe.scale), sum_f32x16);
    const __m512 slack_f32x16 = _mm512_fmadd_ps(_mm512_set1_ps(probe.second_weight), second_f32x16,
                                                _mm512_set1_ps(probe.constant));
    const __m512 bound_f32x16 = _mm512_fmadd_ps(scaled_f32x16, first_f32x16, slack_f32x16);
    survivors[b] = not_below(bound_f32x16, floor);
  }
}

}  // namespace edgeface
