#include <smmintrin.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

// As gemm_i8_avx2.cc, in halves.
struct VecI8 {
  using Sum = __m128i;
  using B = __m128i;
  struct A {
    __m128i value, magnitude;
  };
  static constexpr std::size_t kColumns = 4, kStep = 4;

  static A broadcast(const std::int8_t* a) noexcept {
    std::int32_t four;
    __builtin_memcpy(&four, a, sizeof four);
    const __m128i value = _mm_set1_epi32(four);
    return {value, _mm_abs_epi8(value)};
  }
  static B load(const std::int8_t* b, std::size_t) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
  }
  static Sum dot(Sum sum, const A& a, B b) noexcept {
    const __m128i pairs = _mm_maddubs_epi16(a.magnitude, _mm_sign_epi8(b, a.value));
    return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
  }
  static void store(Sum sum, const std::int32_t*, std::int32_t* out) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sum);
  }
};

}  // namespace

}  // namespace edgeface

// After the vector that it is written in.
#include "gemm_i8_tile.h"

namespace edgeface {

namespace {

// 8 sums, 2 vectors of B, A twice, ones and two products: 15 of 16 registers.
using Tile = TileI8<4>;

}  // namespace

const GemmI8Kernel gemm_i8_sse41 = {Tile::kPanel, run_panels<Tile, GemmI8>};

}  // namespace edgeface
