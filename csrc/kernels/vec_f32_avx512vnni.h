// The vector that rows_f32.h and gemm_f32_tile.h are written in, as AVX-512 has it. These headers
// stay in anonymous namespaces: a function compiled with one ISA's flags must not be the linker's
// choice for another.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "transpose_sse41.h"

namespace edgeface {

namespace {

struct Vec {
  using F = __m512;
  static constexpr std::size_t kLanes = 16;

  static __mmask16 first(std::size_t count) noexcept {
    return static_cast<__mmask16>((1u << count) - 1u);
  }
  static F set(float x) noexcept { return _mm512_set1_ps(x); }
  static F load(const float* p) noexcept { return _mm512_loadu_ps(p); }
  static void store(float* p, F x) noexcept { _mm512_storeu_ps(p, x); }
  // `count` < kLanes elements, and zeros.
  static F load_part(const float* p, std::size_t count) noexcept {
    return _mm512_maskz_loadu_ps(first(count), p);
  }
  static void store_part(float* p, F x, std::size_t count) noexcept {
    _mm512_mask_storeu_ps(p, first(count), x);
  }

  static F add(F a, F b) noexcept { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) noexcept { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) noexcept { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) noexcept { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  // NaN in b comes out; NaN in a need not.
  static F max(F a, F b) noexcept { return _mm512_max_ps(a, b); }
  static F min(F a, F b) noexcept { return _mm512_min_ps(a, b); }
  static F round(F x) noexcept {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // x * 2^n for whole n in [-126, 127].
  static F times_power_of_2(F x, F n) noexcept { return _mm512_scalef_ps(x, n); }
  static float sum(F x) noexcept { return _mm512_reduce_add_ps(x); }
  static float highest(F x) noexcept { return _mm512_reduce_max_ps(x); }

  // max(a, |x|) by the bits, where NaN is above infinity; a >= 0.
  static F max_magnitude(F a, F x) noexcept {
    const __m512i bits = _mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), bits));
  }
  static float highest_magnitude(F x) noexcept {
    const __m512i bits = _mm512_set1_epi32(_mm512_reduce_max_epi32(_mm512_castps_si512(x)));
    return _mm512_cvtss_f32(_mm512_castsi512_ps(bits));
  }
  // Rounds kLanes values of [-127, 127] to nearest, ties to even.
  static void store_i8(std::int8_t* p, F x) noexcept {
    const __m128i q = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), q);
  }
};

}  // namespace

}  // namespace edgeface
