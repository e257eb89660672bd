#include <cmath>
#include <cstring>
#include <limits>

#include "../kernels/scan.h"
#include "check.h"

namespace edgeface::check {

namespace {

constexpr std::size_t kBlocks = 3;

// Blocks whose first terms are 1 and second terms 0, so that a bound is scale * sum + constant.
struct Blocks {
  Row<std::uint8_t> bytes;
  std::size_t groups;

  Blocks(std::size_t groups_, std::size_t offset)
      : bytes(kBlocks * block_bytes(groups_), offset, 3), groups(groups_) {
    const float one[kBlockRows] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (std::size_t b = 0; b < kBlocks; ++b) {
      std::uint8_t* terms = block(b) + groups * kGroupBytes;
      std::memcpy(terms, one, sizeof one);
      std::memset(terms + sizeof one, 0, sizeof one);
    }
  }

  std::uint8_t* block(std::size_t b) { return bytes.data() + b * block_bytes(groups); }

  void fill_codes(std::uint8_t value) {
    for (std::size_t b = 0; b < kBlocks; ++b) std::memset(block(b), value, groups * kGroupBytes);
  }

  // -128 is no code: kernels/scan.h says why.
  void replace_least_codes() {
    for (std::size_t b = 0; b < kBlocks; ++b) {
      for (std::size_t i = 0; i < groups * kGroupBytes; ++i) {
        if (block(b)[i] == 0x80) block(b)[i] = 0x81;
      }
    }
  }
};

std::int32_t sum_i8(Blocks& blocks, const Row<std::int8_t>& values, std::size_t row) {
  const std::uint8_t* codes = blocks.block(row / kBlockRows) + row % kBlockRows * 4;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += static_cast<std::int8_t>(codes[i / 4 * kGroupBytes + i % 4]) * values.data()[i];
  }
  return sum;
}

std::int32_t sum_i4(Blocks& blocks, const Row<std::int8_t>& values, std::size_t row) {
  const std::uint8_t* codes = blocks.block(row / kBlockRows) + row % kBlockRows * 4;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const unsigned pair = codes[i / 8 * kGroupBytes + i % 4];
    sum += static_cast<std::int32_t>(i % 8 < 4 ? pair & 15u : pair >> 4) * values.data()[i];
  }
  return sum;
}

Row<std::int8_t> probe_values(std::size_t count) {
  Row<std::int8_t> values(count, 0, 4);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::max<std::int8_t>(values[i], -127);
  return values;
}

ScanProbe whole_sums(const Row<std::int8_t>& values, std::size_t groups) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values.data()[i];
  return {values.data(), groups, sum, 1.0f, 0.0f, 0.0f, 0.0f};
}

using Sum = std::int32_t(Blocks&, const Row<std::int8_t>&, std::size_t);

// With every row's sum as the floor in turn, each row survives exactly if its sum reaches it: no
// sum can be off by one in any lane and pass.
void check_sums(const KernelSet& kernels, Scan* scan, Sum* sum_of, Blocks& blocks,
                const Row<std::int8_t>& values, const char* op) {
  std::int32_t sums[kBlocks * kBlockRows];
  for (std::size_t r = 0; r < kBlocks * kBlockRows; ++r) sums[r] = sum_of(blocks, values, r);
  const ScanProbe probe = whole_sums(values, blocks.groups);
  for (const std::int32_t floor : sums) {
    for (const std::int32_t above : {0, 1}) {
      std::uint16_t found[kBlocks] = {0}, expected[kBlocks] = {0};
      scan(blocks.bytes.data(), kBlocks, probe, static_cast<float>(floor + above), found);
      for (std::size_t r = 0; r < kBlocks * kBlockRows; ++r) {
        const unsigned reaches = sums[r] >= floor + above ? 1u : 0u;
        expected[r / kBlockRows] |= static_cast<std::uint16_t>(reaches << r % kBlockRows);
      }
      CHECK(std::memcmp(found, expected, sizeof found) == 0);
      record(op, kernels.isa, found, sizeof found);
    }
  }
}

}  // namespace

TEST_CASE("scan_i8 sums exactly at every number of groups") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t groups : {0, 1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 129}) {
      for (const std::size_t offset : {0, 4}) {
        CAPTURE(kernels->isa);
        CAPTURE(groups);
        Blocks blocks(groups, offset);
        blocks.replace_least_codes();
        check_sums(*kernels, kernels->scan_i8, sum_i8, blocks, probe_values(groups * 4), "scan_i8");
      }
    }
  }
}

TEST_CASE("scan_i4 sums exactly at every number of groups") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::size_t groups : {0, 4, 8, 12, 16, 60, 64, 68}) {
      for (const std::size_t offset : {0, 4}) {
        CAPTURE(kernels->isa);
        CAPTURE(groups);
        Blocks blocks(groups, offset);
        check_sums(*kernels, kernels->scan_i4, sum_i4, blocks, probe_values(groups * 8), "scan_i4");
      }
    }
  }
}

// 16-bit sums of pmaddubsw and of smlal would overflow here, if they could at all.
TEST_CASE("scans of the largest values do not saturate") {
  for (const KernelSet* kernels : all_kernels()) {
    for (const std::int8_t value : {127, -127}) {
      CAPTURE(kernels->isa);
      CAPTURE(static_cast<int>(value));
      Row<std::int8_t> values(512);
      values.fill(value);
      Blocks codes_i8(128, 0), codes_i4(64, 0);
      for (const std::int8_t code : {127, -127}) {
        codes_i8.fill_codes(static_cast<std::uint8_t>(code));
        check_sums(*kernels, kernels->scan_i8, sum_i8, codes_i8, values, "scan_i8");
      }
      codes_i4.fill_codes(0xff);
      check_sums(*kernels, kernels->scan_i4, sum_i4, codes_i4, values, "scan_i4");
    }
  }
}

TEST_CASE("scans weigh the terms of each row, and NaN survives") {
  for (const KernelSet* kernels : all_kernels()) {
    CAPTURE(kernels->isa);
    Blocks blocks(4, 0);
    blocks.fill_codes(0);
    float terms[2 * kBlockRows];
    for (std::size_t r = 0; r < kBlockRows; ++r) {
      terms[r] = static_cast<float>(r);
      terms[kBlockRows + r] = r == 5 ? std::numeric_limits<float>::quiet_NaN() : 0.25f;
    }
    std::memcpy(blocks.block(0) + 4 * kGroupBytes, terms, sizeof terms);
    const Row<std::int8_t> values = probe_values(32);
    std::uint16_t found[1] = {0};
    // INT8: 0 * r + 2 * 0.25 + 1 = 1.5 for all. 4 bits: 3 * r + 1.5, which reaches 22.5 from 7 on.
    const ScanProbe probe = {values.data(), 4, 0, 0.0f, 3.0f, 2.0f, 1.0f};
    kernels->scan_i8(blocks.block(0), 1, probe, 1.5f, found);
    CHECK(found[0] == 0xffff);
    kernels->scan_i8(blocks.block(0), 1, probe, 1.501f, found);
    CHECK(found[0] == 1u << 5);
    kernels->scan_i4(blocks.block(0), 1, probe, 22.5f, found);
    CHECK(found[0] == (0xff80u | 1u << 5));
  }
}

}  // namespace edgeface::check
