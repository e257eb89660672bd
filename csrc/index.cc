#include "index.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace edgeface {

namespace {

// Rows that a worker encodes at a time; whole blocks, so that no two write one byte.
constexpr std::size_t kEncodeRows = 16 * kBlockRows;

}  // namespace

Index::Index(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels,
             Workers& workers)
    : arrays_(arrays), kernels_(kernels), workers_(workers), size_(size) {}

SearchResult Index::search(const SearchRequest& request) const {
  std::unique_lock<std::mutex> turn(turn_);
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  turn.unlock();
  SearchRequest possible = request;
  possible.keep = std::min(request.keep, size_);
  return search_rows(arrays_, size_, kernels_, workers_, possible);
}

void Index::set_rows(const float* rows, std::size_t first, std::size_t count) {
  const std::lock_guard<std::mutex> turn(turn_);
  const std::lock_guard<std::shared_mutex> lock(mutex_);
  if (rows != nullptr) {
    std::memcpy(arrays_.rows + first * arrays_.dim, rows, count * arrays_.dim * sizeof(float));
  }
  const std::size_t end = first + count;
  std::atomic<std::size_t> next{first / kEncodeRows};
  workers_.run([&](std::size_t) {
    while (true) {
      const std::size_t piece = next.fetch_add(1) * kEncodeRows;
      if (piece >= end) return;
      const std::size_t stop = std::min(end, piece + kEncodeRows);
      for (std::size_t row = std::max(first, piece); row < stop; ++row) encode_row(row);
    }
  });
  size_ = std::max(size_, end);
}

void Index::encode_row(std::size_t row) noexcept {
  const float* values = arrays_.rows + row * arrays_.dim;
  const std::size_t block = row / kBlockRows, lane = row % kBlockRows;
  if (arrays_.codes) {
    const std::size_t bytes = block_bytes(groups_i8(arrays_.dim));
    encode_i8(values, arrays_.dim, lane, arrays_.codes + block * bytes);
  }
  if (arrays_.sketch) {
    const std::size_t bytes = block_bytes(groups_i4(arrays_.basis.dims));
    encode_i4(values, arrays_.dim, arrays_.basis, kernels_, lane, arrays_.sketch + block * bytes);
  }
  arrays_.used[row] = 1;
}

void Index::remove(std::size_t row) {
  const std::lock_guard<std::mutex> turn(turn_);
  const std::lock_guard<std::shared_mutex> lock(mutex_);
  const std::size_t block = row / kBlockRows, lane = row % kBlockRows;
  arrays_.used[row] = 0;
  std::memset(arrays_.rows + row * arrays_.dim, 0, arrays_.dim * sizeof(float));
  if (arrays_.codes) {
    const std::size_t groups = groups_i8(arrays_.dim);
    erase_lane(groups, lane, arrays_.codes + block * block_bytes(groups));
  }
  if (arrays_.sketch) {
    const std::size_t groups = groups_i4(arrays_.basis.dims);
    erase_lane(groups, lane, arrays_.sketch + block * block_bytes(groups));
  }
}

std::size_t Index::size() const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  return size_;
}

}  // namespace edgeface
