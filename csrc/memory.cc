#include "memory.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace edgeface {

namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kAheadBytes = 4096;
constexpr std::size_t kWords = 8;  // of a cache line

// The compiler turns each line into a few vector loads; anything wider is no faster, since
// memory is far slower than either.
std::uint64_t read_piece(const std::uint8_t* bytes, std::size_t count) noexcept {
  std::uint64_t lanes[kWords] = {0};
  std::size_t i = 0;
  for (; i + sizeof lanes <= count; i += sizeof lanes) {
    __builtin_prefetch(bytes + i + kAheadBytes);
    for (std::size_t w = 0; w < kWords; ++w) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + i + w * sizeof word, sizeof word);
      lanes[w] ^= word;
    }
  }
  std::uint64_t all = 0;
  for (const std::uint64_t lane : lanes) all ^= lane;
  for (; i < count; ++i) all ^= bytes[i];
  return all;
}

}  // namespace

std::uint64_t read_all(const std::uint8_t* bytes, std::size_t count, Workers& workers) {
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> all{0};
  workers.run([&](std::size_t) {
    while (true) {
      const std::size_t first = next.fetch_add(kPieceBytes);
      if (first >= count) return;
      all.fetch_xor(read_piece(bytes + first, std::min(kPieceBytes, count - first)));
    }
  });
  return all;
}

}  // namespace edgeface
