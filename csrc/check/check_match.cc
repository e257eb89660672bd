#include <algorithm>
#include <cmath>
#include <limits>

#include "../match.h"
#include "check.h"

namespace edgeface::check {

namespace {

constexpr std::size_t kRows = 97;

// Every score of one probe by the same kernels, in the total order of match.h.
std::vector<Match> sorted_scores(const MatrixView& gallery, const float* probe,
                                 const KernelSet& kernels) {
  std::vector<Match> all;
  for (std::size_t r = 0; r < gallery.rows; ++r) {
    const float score = kernels.dot_f32(gallery.row(r), probe, gallery.columns);
    all.push_back({score, static_cast<std::int64_t>(r)});
  }
  std::sort(all.begin(), all.end(), is_better);
  return all;
}

bool same(const Match& a, const Match& b) { return a.score == b.score && a.index == b.index; }

}  // namespace

TEST_CASE("cosine_topk is the head of the sorted scores at every width and k") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t columns : edge_sizes()) {
      const Row<float> rows(kRows * columns, 1, 1), probes(2 * columns, 1, 2);
      const MatrixView gallery = {rows.data(), kRows, columns};
      for (const std::size_t keep : {std::size_t{1}, std::size_t{10}, kRows}) {
        CAPTURE(kernels->isa);
        CAPTURE(columns);
        CAPTURE(keep);
        std::vector<Match> best(2 * keep);
        REQUIRE(cosine_topk(gallery, {probes.data(), 2, columns}, keep, *kernels, best.data()) ==
                kAllFinite);
        for (std::size_t p = 0; p < 2; ++p) {
          const auto all = sorted_scores(gallery, probes.data() + p * columns, *kernels);
          CHECK(std::equal(best.begin() + p * keep, best.begin() + (p + 1) * keep, all.begin(),
                           same));
        }
      }
    }
  }
}

TEST_CASE("cosine_topk puts equal scores in the order of their rows") {
  Row<float> rows(4 * 8);
  rows.fill(0.5f);
  for (const KernelSet* kernels : all_kernels()) {
    CAPTURE(kernels->isa);
    std::vector<Match> best(3);
    REQUIRE(cosine_topk({rows.data(), 4, 8}, {rows.data(), 1, 8}, 3, *kernels, best.data()) ==
            kAllFinite);
    for (std::size_t i = 0; i < 3; ++i) CHECK(best[i].index == static_cast<std::int64_t>(i));
  }
}

TEST_CASE("cosine_topk names the first row whose score is not finite") {
  constexpr std::size_t kColumns = 17, kBad = 13;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Row<float> rows(kRows * kColumns);
    rows[kBad * kColumns] = bad;
    for (const KernelSet* kernels : all_kernels()) {
      CAPTURE(kernels->isa);
      const Row<float> probe(kColumns, 0, 2);
      Match best;
      CHECK(cosine_topk({rows.data(), kRows, kColumns}, {probe.data(), 1, kColumns}, 1, *kernels,
                        &best) == static_cast<std::int64_t>(kBad));
    }
  }
}

TEST_CASE("cosine_topk of an empty gallery finds nothing") {
  const Row<float> probe(8);
  CHECK(cosine_topk({nullptr, 0, 8}, {probe.data(), 1, 8}, 0, active_kernels(), nullptr) ==
        kAllFinite);
}

}  // namespace edgeface::check
