// Inputs of the check program and the probe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

namespace edgeface::check {

// `count` elements, `offset` elements past malloc's alignment. The values are the same on every
// machine: floats uniform in [-1, 1), integers over their whole range.
template <typename T>
class Row {
 public:
  explicit Row(std::size_t count, std::size_t offset = 0, unsigned seed = 1)
      : storage_(offset + count), offset_(offset) {
    std::mt19937 random(seed);  // the standard fixes its numbers, and no distribution's
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = static_cast<std::int32_t>(random());
      if constexpr (std::is_floating_point_v<T>) {
        data()[i] = static_cast<T>(bits) * static_cast<T>(0x1p-31);
      } else {
        data()[i] = static_cast<T>(bits >> 24);
      }
    }
  }

  T* data() { return storage_.data() + offset_; }
  const T* data() const { return storage_.data() + offset_; }
  std::size_t size() const { return storage_.size() - offset_; }
  T& operator[](std::size_t i) { return data()[i]; }
  void fill(T value) { storage_.assign(storage_.size(), value); }

 private:
  std::vector<T> storage_;
  std::size_t offset_;
};

}  // namespace edgeface::check
