#include <cstring>

#include "scan.h"

namespace edgeface {

void scan_i8_scalar(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                    float floor, std::uint16_t* survivors) noexcept {
  for (std::size_t b = 0; b < count; ++b, blocks += block_bytes(probe.groups)) {
    const auto* codes = reinterpret_cast<const std::int8_t*>(blocks);
    float terms[2 * kBlockRows];
    std::memcpy(terms, blocks + probe.groups * kGroupBytes, sizeof terms);
    unsigned mask = 0;
    for (std::size_t r = 0; r < kBlockRows; ++r) {
      std::int32_t sum = 0;
      for (std::size_t g = 0; g < probe.groups; ++g) {
        for (std::size_t j = 0; j < 4; ++j) {
          sum += codes[(g * kBlockRows + r) * 4 + j] * probe.values[g * 4 + j];
        }
      }
      const float bound = probe.scale * static_cast<float>(sum) * terms[r] +
                          probe.second_weight * terms[kBlockRows + r] + probe.constant;
      mask |= (bound < floor ? 0u : 1u) << r;
    }
    survivors[b] = static_cast<std::uint16_t>(mask);
  }
}

}  // namespace edgeface
