// Exact cosine search that reads a fraction of the gallery: bounds first, scores where they count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dispatch.h"
#include "encode.h"
#include "match.h"
#include "topk.h"
#include "workers.h"

namespace edgeface {

// Memory that an index works on and does not own: in memory, or mapped from a file.
struct IndexArrays {
  float* rows;           // (capacity, dim), read only where a score is computed
  std::uint8_t* used;    // (capacity): 1 where a row is, 0 where none is or it was removed
  std::uint8_t* codes;   // INT8 blocks of all of capacity, or null: a float32 index
  std::uint8_t* sketch;  // 4-bit blocks of all of capacity, or null
  Basis basis;           // of the sketch
  std::size_t capacity;
  std::size_t dim;
};

struct SearchRequest {
  MatrixView probes;  // (Q, dim), finite, none longer than kLongestRow
  std::size_t keep;
  double threshold;  // rows with a score below it are not returned
};

// What a search read: how much exactness cost.
struct ScanCounts {
  std::size_t sketch_blocks, code_blocks, rows;
};

struct SearchResult {
  std::size_t keep;                // what was asked for, or all rows if there are fewer
  std::vector<Match> best;         // (Q, keep); of each probe the first found[q], best first
  std::vector<std::size_t> found;  // (Q)
  ScanCounts counts;
  std::int64_t bad_row;  // kAllFinite, or a row whose score is not finite: all else is void
};

// For each probe the best `keep` rows among the first `size` whose score reaches the threshold.
// Scores are dot_f32 of the float rows, to the last bit; no row that belongs is ever missed.
SearchResult search_rows(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels,
                         Workers& workers, const SearchRequest& request);

}  // namespace edgeface
