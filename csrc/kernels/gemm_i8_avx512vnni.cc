#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

// vpdpbusd multiplies unsigned by signed bytes: A goes in with 128 added (its sign bit flipped),
// and 128 times B's column sum comes off at the end. Sums wrap, so that this is exact.
struct VecI8 {
  using Sum = __m512i;
  using A = __m512i;
  using B = __m512i;
  static constexpr std::size_t kColumns = 16, kStep = 4;

  static A broadcast(const std::int8_t* a) noexcept {
    std::int32_t four;
    __builtin_memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four ^ static_cast<std::int32_t>(0x80808080u));
  }
  static B load(const std::int8_t* b, std::size_t) noexcept { return _mm512_loadu_si512(b); }
  static Sum dot(Sum sum, A a, B b) noexcept { return _mm512_dpbusd_epi32(sum, a, b); }
  static void store(Sum sum, const std::int32_t* column_sums, std::int32_t* out) noexcept {
    const __m512i offset = _mm512_slli_epi32(_mm512_loadu_si512(column_sums), 7);
    _mm512_storeu_si512(out, _mm512_sub_epi32(sum, offset));
  }
};

}  // namespace

}  // namespace edgeface

// After the vector that it is written in.
#include "gemm_i8_tile.h"

namespace edgeface {

namespace {

using Tile = TileI8<7>;

}  // namespace

const GemmI8Kernel gemm_i8_avx512vnni = {Tile::kPanel, run_panels<Tile, GemmI8>};

}  // namespace edgeface
