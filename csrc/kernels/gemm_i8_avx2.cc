#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace edgeface {

namespace {

// pmaddubsw multiplies unsigned by signed bytes: |a| by b with a's sign. |a| reaches 128 and b
// 127, so that the sum of two products, 32512, fits 16 bits.
struct VecI8 {
  using Sum = __m256i;
  using B = __m256i;
  struct A {
    __m256i value, magnitude;
  };
  static constexpr std::size_t kColumns = 8, kStep = 4;

  static A broadcast(const std::int8_t* a) noexcept {
    std::int32_t four;
    __builtin_memcpy(&four, a, sizeof four);
    const __m256i value = _mm256_set1_epi32(four);
    return {value, _mm256_abs_epi8(value)};
  }
  static B load(const std::int8_t* b, std::size_t) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
  }
  static Sum dot(Sum sum, const A& a, B b) noexcept {
    const __m256i pairs = _mm256_maddubs_epi16(a.magnitude, _mm256_sign_epi8(b, a.value));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static void store(Sum sum, const std::int32_t*, std::int32_t* out) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sum);
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

const GemmI8Kernel gemm_i8_avx2 = {Tile::kPanel, run_panels<Tile, GemmI8>};

}  // namespace edgeface
