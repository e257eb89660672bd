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

using Quarter = __m128i;              // the sums of four rows
constexpr std::size_t kQuarters = 4;  // of a block

// Bits of the rows whose bound is not below the floor; NaN is not.
inline unsigned not_below(__m128 bound_f32x4, float floor) noexcept {
  return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpnlt_ps(bound_f32x4, _mm_set1_ps(floor))));
}

}  // namespace

}  // namespace edgeface

// After the Quarter that it is written in.
#include "scan_quarters.h"
