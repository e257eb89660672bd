// How a product is cut into register tiles, for every ISA; in anonymous namespaces as
// vec_f32_avx512vnni.h says.
#pragma once

#include <cstddef>

namespace edgeface {

namespace {

// Calls Tile::run<rows, vectors> for a number of rows known only now.
template <typename Tile, std::size_t kVectors, typename Gemm, std::size_t kRows = Tile::kRows>
void run_tile(const Gemm& gemm, std::size_t row, std::size_t rows, std::size_t column) noexcept {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_tile<Tile, kVectors, Gemm, kRows - 1>(gemm, row, rows, column);
  }
  Tile::template run<kRows, kVectors>(gemm, row, column);
}

// Strips of rows as equal as may be (49 rows in strips of at most 6: five of 5 and four of 6),
// since a thin strip keeps too few sums in flight to hide the latency of an FMA.
template <typename Tile, std::size_t kVectors, typename Gemm>
void run_strips(const Gemm& gemm, std::size_t column) noexcept {
  const std::size_t strips = (gemm.rows + Tile::kRows - 1) / Tile::kRows;
  std::size_t row = 0;
  for (std::size_t s = 0; s < strips; ++s) {
    const std::size_t rows = (gemm.rows - row) / (strips - s);
    run_tile<Tile, kVectors>(gemm, row, rows, column);
    row += rows;
  }
}

// Panels outside: one stays in the first cache while all strips pass. A last panel that fills one
// vector only is not computed in full.
template <typename Tile, typename Gemm>
void run_panels(const Gemm& gemm) noexcept {
  static_assert(Tile::kVectors == 2, "the last panel takes one or two vectors");
  for (std::size_t column = 0; column < gemm.columns; column += Tile::kVectors * Tile::kLanes) {
    if (gemm.columns - column > Tile::kLanes) {
      run_strips<Tile, 2>(gemm, column);
    } else {
      run_strips<Tile, 1>(gemm, column);
    }
  }
}

}  // namespace

}  // namespace edgeface
