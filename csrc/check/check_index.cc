#include <algorithm>
#include <cmath>
#include <thread>

#include "../batch.h"
#include "../index.h"
#include "check.h"

namespace edgeface::check {

namespace {

// So many probes that a search is not left to the caller's thread.
constexpr std::size_t kRows = 700, kDim = 64, kProbes = 80;

// A gallery in memory: what Python allocates in the product.
class Gallery {
 public:
  Gallery(const KernelSet& kernels, std::size_t threads, bool codes, bool sketch)
      : rows_(unit_rows(kRows, 1)),
        used_(kRows),
        codes_(codes ? kBlockCount * block_bytes(groups_i8(kDim)) : 0),
        sketch_(sketch ? kBlockCount * block_bytes(groups_i4(kDim)) : 0),
        basis_(kDim * kDim),
        steps_(kDim, 0.05f),
        workers_(threads, {}),
        index_(arrays(), 0, kernels, workers_) {
    for (std::size_t d = 0; d < kDim; ++d) basis_[d * kDim + d] = 1.0f;
    index_.set_rows(nullptr, 0, kRows);
  }

  static std::vector<float> unit_rows(std::size_t count, unsigned seed) {
    const Row<float> values(count * kDim, 0, seed);
    std::vector<float> rows(values.data(), values.data() + values.size());
    for (std::size_t r = 0; r < count; ++r) {
      double squared = 0.0;
      for (std::size_t d = 0; d < kDim; ++d) squared += std::pow(rows[r * kDim + d], 2);
      const auto norm = static_cast<float>(std::sqrt(squared));
      for (std::size_t d = 0; d < kDim; ++d) rows[r * kDim + d] /= norm;
    }
    return rows;
  }

  Index& index() { return index_; }
  const std::vector<float>& rows() const { return rows_; }

 private:
  static constexpr std::size_t kBlockCount = (kRows + kBlockRows - 1) / kBlockRows;

  IndexArrays arrays() {
    return {rows_.data(),
            used_.data(),
            codes_.empty() ? nullptr : codes_.data(),
            sketch_.empty() ? nullptr : sketch_.data(),
            {basis_.data(), steps_.data(), sketch_.empty() ? 0 : kDim},
            kRows,
            kDim};
  }

  std::vector<float> rows_;
  std::vector<std::uint8_t> used_, codes_, sketch_;
  std::vector<float> basis_, steps_;
  Workers workers_;
  Index index_;
};

}  // namespace

TEST_CASE("an index finds what a full float scan finds, to the last bit") {
  const std::vector<float> probes = Gallery::unit_rows(kProbes, 2);
  const MatrixView view = {probes.data(), kProbes, kDim};
  for (const KernelSet* kernels : all_kernels()) {
    for (const unsigned kind : {0u, 1u, 2u, 3u}) {
      for (const std::size_t threads : {1, 2}) {
        CAPTURE(kernels->isa);
        CAPTURE(kind);
        Gallery gallery(*kernels, threads, kind & 1u, kind & 2u);
        std::vector<Match> expected(kProbes * 9);
        cosine_topk({gallery.rows().data(), kRows, kDim}, view, 9, *kernels, expected.data());
        const SearchResult found = gallery.index().search({view, 9, -1.0});
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CHECK(found.best[i].index == expected[i].index);
          CHECK(found.best[i].score == expected[i].score);
          record("index_f32", kernels->isa, found.best[i].score);
        }
      }
    }
  }
}

TEST_CASE("a float batch finds what single searches find") {
  const std::vector<float> probes = Gallery::unit_rows(kLeastBatch + 1, 5);
  for (const KernelSet* kernels : all_kernels()) {
    CAPTURE(kernels->isa);
    Gallery gallery(*kernels, 2, false, false);
    const SearchResult all =
        gallery.index().search({{probes.data(), kLeastBatch + 1, kDim}, 9, -1.0});
    for (std::size_t q = 0; q <= kLeastBatch; ++q) {
      const MatrixView probe = {probes.data() + q * kDim, 1, kDim};
      const SearchResult one = gallery.index().search({probe, 9, -1.0});
      for (std::size_t i = 0; i < 9; ++i) {
        CHECK(all.best[q * 9 + i].index == one.best[i].index);
        CHECK(all.best[q * 9 + i].score == one.best[i].score);
      }
    }
  }
}

TEST_CASE("searches and changes at once: each search sees a row whole, or not at all") {
  Gallery gallery(active_kernels(), 2, true, true);
  const std::vector<float> one = Gallery::unit_rows(1, 3), other = Gallery::unit_rows(1, 4);
  gallery.index().set_rows(one.data(), 17, 1);
  std::thread changes([&] {
    for (int i = 0; i < 200; ++i) {
      gallery.index().remove(17);
      gallery.index().set_rows(i % 2 ? one.data() : other.data(), 17, 1);
    }
  });
  std::vector<float> probes;
  for (std::size_t i = 0; i < kProbes; ++i) probes.insert(probes.end(), one.begin(), one.end());
  const auto search = [&] {
    for (int i = 0; i < 50; ++i) {
      const SearchResult found = gallery.index().search({{probes.data(), kProbes, kDim}, 1, 0.999});
      REQUIRE(found.bad_row == kAllFinite);
      for (std::size_t q = 0; q < kProbes; ++q) {
        if (found.found[q] > 0) CHECK(found.best[q].index == 17);
      }
    }
  };
  std::thread second(search);
  search();
  changes.join();
  second.join();
  const SearchResult last = gallery.index().search({{one.data(), 1, kDim}, 1, 0.999});
  CHECK(last.found[0] == 1);
}

TEST_CASE("a pool runs each task on all workers, pinned or not") {
  for (const std::vector<int>& cpus : {std::vector<int>{}, std::vector<int>{0, 0}}) {
    Workers workers(3, cpus);
    for (int round = 0; round < 100; ++round) {
      std::vector<int> seen(workers.count());
      workers.run([&](std::size_t worker) { ++seen[worker]; });
      CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<long>(workers.count()));
    }
  }
}

}  // namespace edgeface::check
