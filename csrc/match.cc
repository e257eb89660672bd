#include "match.h"

#include <algorithm>
#include <cmath>

namespace edgeface {

// Rows outside, probes inside: the gallery is far larger than the caches and is read once.
std::int64_t cosine_topk(const MatrixView& gallery, const MatrixView& probes, std::size_t keep,
                         const KernelSet& kernels, Match* best) noexcept {
  for (std::size_t r = 0; r < gallery.rows; ++r) {
    const auto index = static_cast<std::int64_t>(r);
    for (std::size_t p = 0; p < probes.rows; ++p) {
      const float score = kernels.dot_f32(gallery.row(r), probes.row(p), gallery.columns);
      if (!std::isfinite(score)) return index;
      offer({score, index}, keep, std::min(r, keep), best + p * keep);
    }
  }
  for (std::size_t p = 0; p < probes.rows; ++p) {
    std::sort_heap(best + p * keep, best + (p + 1) * keep, is_better);
  }
  return kAllFinite;
}

}  // namespace edgeface
