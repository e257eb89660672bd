// The best k of a stream of matches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace edgeface {

struct Match {
  float score;
  std::int64_t index;
};

// One total order, so that equal scores always come out the same: lower index first.
inline bool is_better(const Match& a, const Match& b) noexcept {
  return a.score > b.score || (a.score == b.score && a.index < b.index);
}

// `best` holds `size` matches as a heap whose front is the worst of them, so that a row
// which does not make the list costs one comparison. Returns the new size.
inline std::size_t offer(const Match& match, std::size_t keep, std::size_t size,
                         Match* best) noexcept {
  if (size < keep) {
    best[size] = match;
    std::push_heap(best, best + size + 1, is_better);
    return size + 1;
  }
  if (keep > 0 && is_better(match, best[0])) {
    std::pop_heap(best, best + keep, is_better);
    best[keep - 1] = match;
    std::push_heap(best, best + keep, is_better);
  }
  return size;
}

}  // namespace edgeface
