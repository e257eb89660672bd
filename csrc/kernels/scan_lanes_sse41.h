// What the scans of this ISA share.
#pragma once

#include <smmintrin.h>

#include <cstring>

#include "scan.h"

namespace edgeface {

namespace {

// Four values of the probe beside each other in every lane: those of one group.
inline __m128i four_bytes_to_all(const std::int8_t* values) noexcept {
  std::int32_t four = 0;
  std::memcpy(&four, values, 4);
  return _mm_set1_epi32(four);
}

constexpr std::size_t kQuarters = 4;  // of a block: four rows each

// Bits of the rows whose bound is not below the floor; NaN is not.
inline unsigned not_below(__m128 bound_f32x4, float floor) noexcept {
  return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpnlt_ps(bound_f32x4, _mm_set1_ps(floor))));
}

// Every block: its sums, then the survivors among its rows, four by four.
template <auto block_sums, auto survivors_of>
void scan_blocks(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe, float floor,
                 std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    __m128i sums_i32x4[kQuarters];
    block_sums(blocks, probe, sums_i32x4);
    const auto* terms = reinterpret_cast<const float*>(blocks + probe.groups * kGroupBytes);
    unsigned mask = 0;
    for (std::size_t q = 0; q < kQuarters; ++q) {
      mask |= survivors_of(sums_i32x4[q], terms + 4 * q, probe, floor) << (4 * q);
    }
    survivors[b] = static_cast<std::uint16_t>(mask);
  }
}

}  // namespace

}  // namespace edgeface
