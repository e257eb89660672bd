#include "vec_f32_avx512vnni.h"
// After the vector that it is written in.
#include "gemm_f32_tile.h"

namespace edgeface {

namespace {

// 14 sums of 32 registers: more rows gain nothing, and 49 tokens are seven strips of 7.
using Tile = TileF32<7>;

}  // namespace

const GemmF32Kernel gemm_f32_avx512vnni = {Tile::kPanel, run_panels<Tile, GemmF32>};

}  // namespace edgeface
