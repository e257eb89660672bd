// Memory on a cache line's boundary, so that no vector load of packed weights crosses one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace edgeface {

constexpr std::size_t kCacheLine = 64;

// `size` zeros of T. Throws std::bad_alloc.
template <typename T>
class AlignedArray {
  static_assert(std::is_trivial_v<T>, "elements are neither constructed nor destroyed");

 public:
  AlignedArray() = default;
  explicit AlignedArray(std::size_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{kCacheLine}))),
        size_(size) {
    std::fill(begin(), end(), T{});
  }
  AlignedArray(const T* source, std::size_t size) : AlignedArray(size) {
    std::copy(source, source + size, begin());
  }

  T* begin() noexcept { return data_.get(); }
  T* end() noexcept { return data_.get() + size_; }
  const T* begin() const noexcept { return data_.get(); }
  std::size_t bytes() const noexcept { return size_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* data) const noexcept {
      ::operator delete(data, std::align_val_t{kCacheLine});
    }
  };

  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace edgeface
