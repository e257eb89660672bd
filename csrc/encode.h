// Rows and probes as small integers, and by how much a sum of those can be wrong.
//
// A row x is stored as codes whose decoding d differs from it by at most a known e = ||x - d||.
// For a probe q, q.x = q.d + q.(x - d) <= q.d + ||q|| e (Cauchy and Schwarz). The probe too is
// rounded, to p: q.d = p.d + (q - p).d <= p.d + ||q - p|| ||d||. So the integer sum p.d gives an
// upper bound of the cosine, and a row whose bound is below the floor can be left unread.
//
// The sketch stores only B x, the row in the leading dimensions of a basis B (dims, D). For any B
// whose largest singular value is at most 1, I - B'B is positive semidefinite, so that
// q.x <= (B q).(B x) + r_q r_x with r_x^2 = ||x||^2 - ||B x||^2: Cauchy and Schwarz again, in the
// seminorm that B leaves out. Orthonormal rows make the bound tight, not true.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dispatch.h"

namespace edgeface {

// Rows and probes must not be longer than this.
constexpr float kLongestRow = 1.002f;

// Rows and probes must not have more dimensions than this.
constexpr std::size_t kMostDims = 4096;

// Float rounding of scores and bounds, with a wide margin: a dot product of kMostDims floats of
// unit vectors errs by less than 2e-5 in every kernel, and a bound has a handful of operations.
constexpr float kRounding = 1e-4f;

struct Basis {
  const float* rows;   // (dims, dim); largest singular value at most 1
  const float* steps;  // (dims), positive: width of a code of each dimension
  std::size_t dims;    // a multiple of 32; 0 for no sketch
};

constexpr std::size_t groups_i8(std::size_t dim) { return (dim + 3) / 4; }
constexpr std::size_t groups_i4(std::size_t dims) { return dims / 8; }

// Writes row `lane` of a block: codes, scale and error. row: (dim) floats.
void encode_i8(const float* row, std::size_t dim, std::size_t lane, std::uint8_t* block) noexcept;

// Writes row `lane` of a sketch block: codes, error and residual norm.
void encode_i4(const float* row, std::size_t dim, const Basis& basis, const KernelSet& kernels,
               std::size_t lane, std::uint8_t* block) noexcept;

// Makes a row's bounds minus infinity, and its codes zero.
void erase_lane(std::size_t groups, std::size_t lane, std::uint8_t* block) noexcept;

// A probe ready for scan_i8 or scan_i4; owns what `scan` points to.
struct EncodedProbe {
  std::vector<std::int8_t> values;
  ScanProbe scan;
};

EncodedProbe encode_probe_i8(const float* probe, std::size_t dim);
EncodedProbe encode_probe_i4(const float* probe, std::size_t dim, const Basis& basis,
                             const KernelSet& kernels);

}  // namespace edgeface
