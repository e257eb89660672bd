// A gallery that is searched and changed at once, from any number of threads.
#pragma once

#include <cstddef>
#include <mutex>
#include <shared_mutex>

#include "search.h"

namespace edgeface {

class Index {
 public:
  // Rows from `size` on are unused. Arrays, kernels and workers outlive the index.
  Index(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels, Workers& workers);

  // search_rows on what the index held at one moment.
  SearchResult search(const SearchRequest& request) const;

  // Writes `count` rows from `first` on, encodes them and makes them used; needs
  // first + count <= capacity. `rows` may be null: they stand in the arrays already.
  void set_rows(const float* rows, std::size_t first, std::size_t count);

  // Marks a row unused and wipes it.
  void remove(std::size_t row);

  // Rows that were ever used end here.
  std::size_t size() const;

 private:
  void encode_row(std::size_t row) noexcept;

  const IndexArrays arrays_;
  const KernelSet& kernels_;
  Workers& workers_;
  std::size_t size_;
  // Searches share, changes exclude. Both pass turn_ first, so that searches which overlap for
  // ever cannot keep a change out.
  mutable std::mutex turn_;
  mutable std::shared_mutex mutex_;
};

}  // namespace edgeface
