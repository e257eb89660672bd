#include "vec_f32_avx2.h"
// After the vector that it is written in.
#include "gemm_f32_tile.h"

namespace edgeface {

namespace {

// 12 sums, 2 vectors of B and one value of A: 15 of 16 registers.
using Tile = TileF32<6>;

}  // namespace

const GemmF32Kernel gemm_f32_avx2 = {Tile::kPanel, run_panels<Tile, GemmF32>};

}  // namespace edgeface
