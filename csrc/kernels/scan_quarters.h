// The loop of scans whose vectors hold the sums of four rows: a `Quarter` of a block
// (scan_lanes_<isa>.h, which includes this after it).
#pragma once

#include "scan.h"

namespace edgeface {

namespace {

// Every block: its sums, then the survivors among its rows, four by four.
template <auto block_sums, auto survivors_of>
void scan_blocks(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe, float floor,
                 std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    Quarter sums_i32x4[kQuarters];
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
