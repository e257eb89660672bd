// Exact cosine search: the best rows of a gallery of unit vectors for each probe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dispatch.h"
#include "topk.h"

namespace edgeface {

struct MatrixView {
  const float* data;  // (rows, columns), C order, no gaps
  std::size_t rows;
  std::size_t columns;

  const float* row(std::size_t i) const noexcept { return data + i * columns; }
};

constexpr std::int64_t kAllFinite = -1;

// Fills best (probes.rows, keep) with the best rows of the gallery for each probe, best
// first. Needs keep <= gallery.rows and equal columns. Allocates nothing. Returns
// kAllFinite, or the first gallery row whose score is NaN or infinite: then best is void.
std::int64_t cosine_topk(const MatrixView& gallery, const MatrixView& probes, std::size_t keep,
                         const KernelSet& kernels, Match* best) noexcept;

}  // namespace edgeface
