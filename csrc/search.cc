#include "search.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>

#include "batch.h"

namespace edgeface {

namespace {

// Blocks that a worker takes at a time: 512 rows, of which INT8 codes fit the second level cache,
// where the other probes of a batch find them. The first pieces are small (1, 2, 4, ... blocks):
// they fill the lists of the best, and with them the floor.
constexpr std::size_t kPieceBlocks = 32;
constexpr std::size_t kSmallPieces = 5;

// Less than this one thread reads in the time that it takes to wake another.
constexpr std::size_t kAloneBytes = 2 << 20;

// A block with at least this many survivors of the sketch is scanned in INT8 too, all 8 kB of it:
// that takes 0.45 us where each float row that lies alone takes 0.5 (EPYC 9004, 1 M rows).
constexpr int kDense = 2;

struct Piece {
  std::size_t first, count;  // blocks
};

Piece piece_at(std::size_t n, std::size_t blocks) noexcept {
  const std::size_t small = (std::size_t{1} << kSmallPieces) - 1;
  const std::size_t first =
      n < kSmallPieces ? (std::size_t{1} << n) - 1 : small + (n - kSmallPieces) * kPieceBlocks;
  const std::size_t count = n < kSmallPieces ? std::size_t{1} << n : kPieceBlocks;
  if (first >= blocks) return {blocks, 0};
  return {first, std::min(count, blocks - first)};
}

// The largest float not above a threshold: what reaches one reaches the other.
float not_above(double threshold) noexcept {
  const auto nearest = static_cast<float>(threshold);
  if (static_cast<double>(nearest) <= threshold) return nearest;
  return std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

void raise(std::atomic<float>& floor, float value) noexcept {
  float seen = floor.load(std::memory_order_relaxed);
  while (value > seen && !floor.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

struct Probe {
  const float* values;
  EncodedProbe codes, sketch;
  std::atomic<float> floor;  // no row below it can be among the best; it only rises
};

// One worker's part of a search.
struct Part {
  std::vector<Match> best;         // (Q, keep), heaps
  std::vector<std::size_t> found;  // (Q)
  std::vector<float> products;     // (512, Q), of the piece at hand; float32 batches only
  ScanCounts counts = {0, 0, 0};
};

class GalleryScan {
 public:
  GalleryScan(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels,
              const SearchRequest& request, std::size_t workers);

  // Takes pieces until there are none.
  void work(std::size_t worker) noexcept;

  SearchResult merged();

  // What the first pass reads, for all probes.
  std::size_t bytes() const noexcept;

 private:
  void scan_piece(const Piece& piece, std::size_t q, Part& part) noexcept;
  void bound_rows(const Piece& piece, std::size_t q, std::uint16_t* survivors,
                  Part& part) const noexcept;
  void multiply(const Piece& piece, Part& part) const noexcept;
  void bound_products(const Piece& piece, std::size_t q, float floor, std::uint16_t* survivors,
                      const Part& part) const noexcept;
  void refine(const Piece& piece, const Probe& probe, float floor, std::uint16_t* survivors,
              ScanCounts& counts) const noexcept;
  void score_rows(const std::size_t* rows, std::size_t count, std::size_t q, Part& part) noexcept;
  void prefetch_row(std::size_t row) const noexcept;

  const std::uint8_t* codes_of(std::size_t block) const noexcept {
    return arrays_.codes + block * block_bytes(groups_i8(arrays_.dim));
  }
  const std::uint8_t* sketch_of(std::size_t block) const noexcept {
    return arrays_.sketch + block * block_bytes(groups_i4(arrays_.basis.dims));
  }

  const IndexArrays& arrays_;
  const std::size_t size_, blocks_;
  const KernelSet& kernels_;
  const SearchRequest& request_;
  std::vector<Probe> probes_;
  std::vector<Part> parts_;
  std::optional<Batch> batch_;  // of a float32 index, where there are probes enough
  std::atomic<std::size_t> next_piece_{0};
  std::atomic<std::int64_t> bad_row_{kAllFinite};
};

GalleryScan::GalleryScan(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels,
                         const SearchRequest& request, std::size_t workers)
    : arrays_(arrays),
      size_(size),
      blocks_((size + kBlockRows - 1) / kBlockRows),
      kernels_(kernels),
      request_(request),
      probes_(request.probes.rows),
      parts_(workers) {
  for (std::size_t q = 0; q < probes_.size(); ++q) {
    Probe& probe = probes_[q];
    probe.values = request.probes.row(q);
    if (arrays.codes) probe.codes = encode_probe_i8(probe.values, arrays.dim);
    if (arrays.sketch) {
      probe.sketch = encode_probe_i4(probe.values, arrays.dim, arrays.basis, kernels);
    }
    probe.floor = not_above(request.threshold);
  }
  const bool float_only = !arrays.codes && !arrays.sketch;
  if (float_only && probes_.size() >= kLeastBatch) batch_.emplace(request.probes, kernels);
  for (Part& part : parts_) {
    part.best.resize(probes_.size() * request.keep);
    part.found.resize(probes_.size());
    if (batch_) part.products.resize(kPieceBlocks * kBlockRows * probes_.size());
  }
}

std::size_t GalleryScan::bytes() const noexcept {
  const std::size_t floats = kBlockRows * arrays_.dim * sizeof(float);
  const std::size_t codes = arrays_.codes ? block_bytes(groups_i8(arrays_.dim)) : floats;
  const std::size_t block = arrays_.sketch ? block_bytes(groups_i4(arrays_.basis.dims)) : codes;
  return blocks_ * block * probes_.size();
}

void GalleryScan::work(std::size_t worker) noexcept {
  while (bad_row_.load(std::memory_order_relaxed) == kAllFinite) {
    const Piece piece = piece_at(next_piece_.fetch_add(1, std::memory_order_relaxed), blocks_);
    if (piece.count == 0) return;
    if (batch_) multiply(piece, parts_[worker]);
    for (std::size_t q = 0; q < probes_.size(); ++q) scan_piece(piece, q, parts_[worker]);
  }
}

void GalleryScan::scan_piece(const Piece& piece, std::size_t q, Part& part) noexcept {
  std::uint16_t survivors[kPieceBlocks];
  bound_rows(piece, q, survivors, part);
  std::size_t rows[kPieceBlocks * kBlockRows];
  std::size_t count = 0;
  for (std::size_t b = 0; b < piece.count; ++b) {
    for (unsigned mask = survivors[b]; mask != 0; mask &= mask - 1) {
      const auto lane = static_cast<std::size_t>(__builtin_ctz(mask));
      const std::size_t row = (piece.first + b) * kBlockRows + lane;
      if (row < size_ && arrays_.used[row]) rows[count++] = row;
    }
  }
  score_rows(rows, count, q, part);
}

// Bit r of survivors[b]: row r of the piece's block b may be among the best.
void GalleryScan::bound_rows(const Piece& piece, std::size_t q, std::uint16_t* survivors,
                             Part& part) const noexcept {
  const Probe& probe = probes_[q];
  const float floor = probe.floor.load(std::memory_order_relaxed);
  if (arrays_.sketch) {
    kernels_.scan_i4(sketch_of(piece.first), piece.count, probe.sketch.scan, floor, survivors);
    part.counts.sketch_blocks += piece.count;
    if (arrays_.codes) refine(piece, probe, floor, survivors, part.counts);
  } else if (arrays_.codes) {
    kernels_.scan_i8(codes_of(piece.first), piece.count, probe.codes.scan, floor, survivors);
    part.counts.code_blocks += piece.count;
  } else if (batch_) {
    bound_products(piece, q, floor, survivors, part);
  } else {
    std::fill(survivors, survivors + piece.count, std::uint16_t{0xffff});
  }
}

void GalleryScan::multiply(const Piece& piece, Part& part) const noexcept {
  const std::size_t first = piece.first * kBlockRows;
  const std::size_t count = std::min(piece.count * kBlockRows, size_ - first);
  batch_->multiply(arrays_.rows + first * arrays_.dim, count, part.products.data());
}

void GalleryScan::bound_products(const Piece& piece, std::size_t q, float floor,
                                 std::uint16_t* survivors, const Part& part) const noexcept {
  for (std::size_t b = 0; b < piece.count; ++b) {
    const std::size_t left = size_ - (piece.first + b) * kBlockRows;
    const float* products = part.products.data() + b * kBlockRows * probes_.size();
    survivors[b] = batch_->survivors(products, std::min(kBlockRows, left), q, floor);
  }
}

void GalleryScan::refine(const Piece& piece, const Probe& probe, float floor,
                         std::uint16_t* survivors, ScanCounts& counts) const noexcept {
  for (std::size_t b = 0; b < piece.count; ++b) {
    if (__builtin_popcount(survivors[b]) < kDense) continue;
    std::uint16_t finer = 0;
    kernels_.scan_i8(codes_of(piece.first + b), 1, probe.codes.scan, floor, &finer);
    survivors[b] &= finer;
    ++counts.code_blocks;
  }
}

void GalleryScan::score_rows(const std::size_t* rows, std::size_t count, std::size_t q,
                             Part& part) noexcept {
  Match* best = part.best.data() + q * request_.keep;
  Probe& probe = probes_[q];
  part.counts.rows += count;
  if (count > 0) prefetch_row(rows[0]);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 1 < count && rows[i + 1] != rows[i] + 1) prefetch_row(rows[i + 1]);
    const float* row = arrays_.rows + rows[i] * arrays_.dim;
    const float score = kernels_.dot_f32(row, probe.values, arrays_.dim);
    const auto index = static_cast<std::int64_t>(rows[i]);
    if (!std::isfinite(score)) {
      bad_row_.store(index, std::memory_order_relaxed);
      return;
    }
    if (static_cast<double>(score) < request_.threshold) continue;
    part.found[q] = offer({score, index}, request_.keep, part.found[q], best);
    if (part.found[q] == request_.keep && request_.keep > 0) raise(probe.floor, best[0].score);
  }
}

// Rows that lie apart: without this each would wait for memory line by line. The hardware sees
// to neighbours, and the instructions would be half of a score's.
void GalleryScan::prefetch_row(std::size_t row) const noexcept {
  constexpr std::size_t kLineFloats = 16;
  const float* values = arrays_.rows + row * arrays_.dim;
  for (std::size_t i = 0; i < arrays_.dim; i += kLineFloats) __builtin_prefetch(values + i);
}

SearchResult GalleryScan::merged() {
  const std::size_t keep = request_.keep;
  SearchResult result = {keep,
                         std::vector<Match>(probes_.size() * keep),
                         std::vector<std::size_t>(probes_.size()),
                         {0, 0, 0},
                         bad_row_.load()};
  for (const Part& part : parts_) {
    result.counts.sketch_blocks += part.counts.sketch_blocks;
    result.counts.code_blocks += part.counts.code_blocks;
    result.counts.rows += part.counts.rows;
    for (std::size_t q = 0; q < probes_.size(); ++q) {
      for (std::size_t i = 0; i < part.found[q]; ++i) {
        result.found[q] =
            offer(part.best[q * keep + i], keep, result.found[q], result.best.data() + q * keep);
      }
    }
  }
  for (std::size_t q = 0; q < probes_.size(); ++q) {
    Match* best = result.best.data() + q * keep;
    std::sort_heap(best, best + result.found[q], is_better);
  }
  return result;
}

}  // namespace

SearchResult search_rows(const IndexArrays& arrays, std::size_t size, const KernelSet& kernels,
                         Workers& workers, const SearchRequest& request) {
  GalleryScan scan(arrays, size, kernels, request, workers.count());
  if (scan.bytes() < kAloneBytes) {
    scan.work(0);
  } else {
    workers.run([&scan](std::size_t worker) { scan.work(worker); });
  }
  return scan.merged();
}

}  // namespace edgeface
