// The vector of rows_f32.h and gemm_f32_tile.h as SSE4.1 has it; see vec_f32_avx512vnni.h.
#pragma once

#include <smmintrin.h>

#include <cstddef>
#include <cstdint>

#include "transpose_sse41.h"

namespace edgeface {

namespace {

struct Vec {
  using F = __m128;
  static constexpr std::size_t kLanes = 4;

  static F set(float x) noexcept { return _mm_set1_ps(x); }
  static F load(const float* p) noexcept { return _mm_loadu_ps(p); }
  static void store(float* p, F x) noexcept { _mm_storeu_ps(p, x); }
  static F load_part(const float* p, std::size_t count) noexcept {
    alignas(16) float lanes[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) lanes[i] = p[i];
    return _mm_load_ps(lanes);
  }
  static void store_part(float* p, F x, std::size_t count) noexcept {
    alignas(16) float lanes[kLanes];
    _mm_store_ps(lanes, x);
    for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
  }

  static F add(F a, F b) noexcept { return _mm_add_ps(a, b); }
  static F sub(F a, F b) noexcept { return _mm_sub_ps(a, b); }
  static F mul(F a, F b) noexcept { return _mm_mul_ps(a, b); }
  static F div(F a, F b) noexcept { return _mm_div_ps(a, b); }
  static F fma(F a, F b, F c) noexcept { return _mm_add_ps(_mm_mul_ps(a, b), c); }
  static F max(F a, F b) noexcept { return _mm_max_ps(a, b); }
  static F min(F a, F b) noexcept { return _mm_min_ps(a, b); }
  static F round(F x) noexcept {
    return _mm_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F times_power_of_2(F x, F n) noexcept {
    const __m128i biased = _mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127));
    return _mm_mul_ps(x, _mm_castsi128_ps(_mm_slli_epi32(biased, 23)));
  }
  static float sum(F x) noexcept {
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static float highest(F x) noexcept {
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

  static F max_magnitude(F a, F x) noexcept {
    const __m128i bits = _mm_and_si128(_mm_castps_si128(x), _mm_set1_epi32(0x7fffffff));
    return _mm_castsi128_ps(_mm_max_epi32(_mm_castps_si128(a), bits));
  }
  static float highest_magnitude(F x) noexcept {
    __m128i bits = _mm_castps_si128(x);
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, _MM_SHUFFLE(1, 0, 3, 2)));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtss_f32(_mm_castsi128_ps(bits));
  }
  static void store_i8(std::int8_t* p, F x) noexcept {
    const __m128i q = _mm_cvtps_epi32(x);
    const __m128i words = _mm_packs_epi32(q, q);
    const int four = _mm_cvtsi128_si32(_mm_packs_epi16(words, words));
    __builtin_memcpy(p, &four, sizeof four);  // _mm_storeu_si32 needs GCC 11
  }
};

}  // namespace

}  // namespace edgeface
