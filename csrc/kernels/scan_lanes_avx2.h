// What the scans of this ISA share.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "scan.h"

namespace edgeface {

namespace {

// Four values of the probe beside each other in every lane: those of one group.
inline __m256i four_bytes_to_all(const std::int8_t* values) noexcept {
  std::int32_t four = 0;
  std::memcpy(&four, values, 4);
  return _mm256_set1_epi32(four);
}

// Further than the hardware looks by itself: it stops at the end of a page.
constexpr std::size_t kAheadBytes = 4096;

inline void prefetch_ahead(const std::uint8_t* codes) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(codes + kAheadBytes), _MM_HINT_T0);
}

struct Halves {
  __m256i low, high;  // of rows 0 to 7 and 8 to 15
};

// Bits of the rows whose bound is not below the floor; NaN is not.
inline unsigned not_below(__m256 bound_f32x8, float floor) noexcept {
  const __m256 reach_f32x8 = _mm256_cmp_ps(bound_f32x8, _mm256_set1_ps(floor), _CMP_NLT_UQ);
  return static_cast<unsigned>(_mm256_movemask_ps(reach_f32x8));
}

// Every block: its sums, then the survivors among its rows, eight by eight.
template <auto block_sums, auto survivors_of>
void scan_blocks(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe, float floor,
                 std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    const Halves sums_i32x8 = block_sums(blocks, probe);
    const auto* terms = reinterpret_cast<const float*>(blocks + probe.groups * kGroupBytes);
    const unsigned low = survivors_of(sums_i32x8.low, terms, probe, floor);
    const unsigned high = survivors_of(sums_i32x8.high, terms + 8, probe, floor);
    survivors[b] = static_cast<std::uint16_t>(low | high << 8);
  }
}

}  // namespace

}  // namespace edgeface
