// The contract of every kernel, and the dot product.
//
// A kernel is named <op>_<dtype>_<isa> and lives in a file of the same name, whose
// suffix selects its compile flags (CMakeLists.txt). Kernels take pointers, lengths
// and strides; they allocate nothing, throw nothing and print nothing. Pointers need
// the alignment of their element type only. The scalar kernel is the judge.
#pragma once

#include <cstddef>

namespace edgeface {

// sum(a[i] * b[i]) over `count` elements; 0 for count == 0.
// NaN in either input gives NaN. Float error against the exact sum is at most
// 4e-6 * sum(|a[i] * b[i]|) for count <= 1024.
float dot_f32_scalar(const float* a, const float* b, std::size_t count) noexcept;
float dot_f32_sse41(const float* a, const float* b, std::size_t count) noexcept;
float dot_f32_avx2(const float* a, const float* b, std::size_t count) noexcept;
float dot_f32_avx512vnni(const float* a, const float* b, std::size_t count) noexcept;
float dot_f32_neon(const float* a, const float* b, std::size_t count) noexcept;

}  // namespace edgeface
