#include <cstring>

#include "scan.h"

namespace edgeface {

void scan_i4_scalar(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                    float floor, std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    float terms[2 * kBlockRows];
    std::memcpy(terms, blocks + probe.groups * kGroupBytes, sizeof terms);
    unsigned mask = 0;
    for (std::size_t r = 0; r < kBlockRows; ++r) {
      std::int32_t sum = 0;
      for (std::size_t g = 0; g < probe.groups; ++g) {
        for (std::size_t j = 0; j < 4; ++j) {
          const unsigned code = blocks[(g * kBlockRows + r) * 4 + j];
          sum += static_cast<std::int32_t>(code & 15u) * probe.values[g * 8 + j];
          sum += static_cast<std::int32_t>(code >> 4) * probe.values[g * 8 + 4 + j];
        }
      }
      const float bound = probe.scale * static_cast<float>(sum) + probe.first_weight * terms[r] +
                          probe.second_weight * terms[kBlockRows + r] + probe.constant;
      mask |= (bound < floor ? 0u : 1u) << r;
    }
    survivors[b] = static_cast<std::uint16_t>(mask);
  }
}

}  // namespace edgeface
