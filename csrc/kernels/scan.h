// The scan: an upper bound of the cosine of one probe with every row, 16 rows at a time.
//
// Rows are stored in blocks of 16, interleaved so that four bytes of each row lie side by
// side: one 4-byte dot product instruction (vpdpbusd, sdot) then adds to 16, 8 or 4 rows at
// once, and no sum across lanes is ever needed. A block is
//     codes (groups, 16 rows, 4 bytes), then float first[16], then float second[16].
// In INT8 a byte is one dimension, -127 to 127 (never -128: pmaddubsw and psignb need its
// negative). In 4 bits a byte is two, 0 to 15: a group is 8 dimensions, of which byte j holds
// dimension j in its low half and 4 + j in its high half.
// Blocks have the alignment of a float.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeface {

constexpr std::size_t kBlockRows = 16;
constexpr std::size_t kGroupBytes = kBlockRows * 4;

constexpr std::size_t block_bytes(std::size_t groups) {
  return groups * kGroupBytes + 2 * kBlockRows * sizeof(float);
}

// One probe, and how sums become bounds.
//   scan_i8: bound = scale * sum * first[row]  + second_weight * second[row] + constant
//   scan_i4: bound = scale * sum + first_weight * first[row] + second_weight * second[row]
//                    + constant
struct ScanProbe {
  const std::int8_t* values;  // INT8: (groups, 4); 4 bits: (groups, 8); -127 to 127
  std::size_t groups;         // INT8: at most 32768; 4 bits: a multiple of 4, at most 4096
  std::int32_t sum;           // of all values
  float scale;
  float first_weight;  // scan_i4 only
  float second_weight;
  float constant;
};

// Bit r of survivors[b] says that row r of block b may reach the floor: !(bound < floor), so
// that NaN survives and is looked at. Sums are exact integers on every ISA.
using Scan = void(const std::uint8_t* blocks, std::size_t count, const ScanProbe& probe,
                  float floor, std::uint16_t* survivors) noexcept;

Scan scan_i8_scalar, scan_i8_sse41, scan_i8_avx2, scan_i8_avx512vnni, scan_i8_neon, scan_i8_neondot;
Scan scan_i4_scalar, scan_i4_sse41, scan_i4_avx2, scan_i4_avx512vnni, scan_i4_neon, scan_i4_neondot;

}  // namespace edgeface
