// What the scans of this ISA share.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "scan.h"

namespace edgeface {

namespace {

// Four values of the probe beside each other in every lane: those of one group.
inline __m512i four_bytes_to_all(const std::int8_t* values) noexcept {
  std::int32_t four = 0;
  std::memcpy(&four, values, 4);
  return _mm512_set1_epi32(four);
}

// Further than the hardware looks by itself: it stops at the end of a page.
constexpr std::size_t kAheadBytes = 4096;

inline void prefetch_ahead(const std::uint8_t* codes) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(codes + kAheadBytes), _MM_HINT_T0);
}

// Bits of the rows whose bound is not below the floor; NaN is not.
inline std::uint16_t not_below(__m512 bound_f32x16, float floor) noexcept {
  return _mm512_cmp_ps_mask(bound_f32x16, _mm512_set1_ps(floor), _CMP_NLT_UQ);
}

// Every block: its sums, then the survivors among its rows.
template <auto block_sums, auto survivors_of>
void scan_blocks(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe, float floor,
                 std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    const auto* terms = reinterpret_cast<const float*>(blocks + probe.groups * kGroupBytes);
    survivors[b] = survivors_of(block_sums(blocks, probe), terms, probe, floor);
  }
}

}  // namespace

}  // namespace edgeface
