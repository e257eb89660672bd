// Matrix products C = A·B (+ bias): B is packed once, A and C are plain row-major.
//
// Packed B: panels of `panel` columns, one after the other, the last filled with zeros. A float
// panel holds `depth` rows of `panel` floats. An INT8 panel holds groups of kDepthGroup rows: of
// each column in turn its kDepthGroup values; depth is filled with zeros to a multiple of
// kDepthStep. csrc/pack.h packs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeface {

constexpr std::size_t kDepthGroup = 4;  // what one INT8 dot product instruction sums
constexpr std::size_t kDepthStep = 8;   // what every INT8 kernel's loop divides

// depth == 0 gives the bias alone; rows == 0 and columns == 0 do nothing. A, B, C do not overlap.
struct GemmF32 {
  const float* a;  // (rows, depth)
  std::size_t a_stride;
  const float* b;     // packed (depth, columns)
  const float* bias;  // (columns,) or null
  float* c;           // (rows, columns)
  std::size_t c_stride;
  std::size_t rows, depth, columns;
  bool accumulate;  // C += instead of C =
};

// |error| <= depth * 2^-24 * sum(|a * b|) and a rounding for each of bias and C. NaN and infinity
// come out as IEEE 754 arithmetic has them.
struct GemmF32Kernel {
  std::size_t panel;
  void (*run)(const GemmF32& gemm) noexcept;
};

constexpr std::size_t kMostDepth = 131072;

// Exact in int32 for depth <= kMostDepth. A takes all of int8; B stays within [-127, 127], so that
// pmaddubsw's sums of two products fit 16 bits.
//
// Either `sums` or `c` is set. c[m,n] = float(sum) * a_scale[m] * b_scale[n] + bias[n] (+ c[m,n]),
// rounded after each step in this order: all ISAs agree to the last bit.
struct GemmI8 {
  const std::int8_t* a;  // (rows, depth); beyond depth up to kDepthStep any initialised values
  std::size_t a_stride;
  const std::int8_t* b;             // packed (depth, columns)
  const std::int32_t* column_sums;  // of B, (columns,) filled with zeros to whole panels
  std::int32_t* sums;               // (rows, columns) or null
  float* c;                         // (rows, columns) or null
  std::size_t c_stride;             // of sums or c
  const float* a_scale;             // (rows,)
  const float* b_scale;             // (columns,)
  const float* bias;                // (columns,) or null
  std::size_t rows, depth, columns;
  bool accumulate;
};

struct GemmI8Kernel {
  std::size_t panel;
  void (*run)(const GemmI8& gemm) noexcept;
};

extern const GemmF32Kernel gemm_f32_scalar, gemm_f32_sse41, gemm_f32_avx2, gemm_f32_avx512vnni,
    gemm_f32_neon;
extern const GemmI8Kernel gemm_i8_scalar, gemm_i8_sse41, gemm_i8_avx2, gemm_i8_avx512vnni,
    gemm_i8_neon, gemm_i8_neondot;

}  // namespace edgeface
