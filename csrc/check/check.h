// What the files of the check program share. It tests the core where there is no Python:
// under an emulated ARM core, and under the sanitizers.
//
// To check something new, add check_<subject>.cc (CMakeLists.txt finds it) with a TEST_CASE for
// each claim:
//   - against scalar, on all_kernels(), for edge_sizes(), with offset 0 and 1 (misaligned);
//   - worst values (all -128; the largest float), zeros, NaN;
//   - record() the results of finite inputs: tests/arm compares the digests between cores.
//   - with GuardedRow once a kernel, for edge_sizes(): a read past the end is a crash.
// Inputs are Row: its last element ends a heap block, so that ASan sees a read past it, save
// masked loads, which it does not check. Name a failing case with CAPTURE(isa), CAPTURE(count).
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../dispatch.h"
#include "row.h"

namespace edgeface::check {

// Every kernel set that this CPU can run, best first, scalar last.
std::vector<const KernelSet*> all_kernels();
const KernelSet& scalar_kernels();

// Where loops go wrong: nothing, one element, around each step of a loop, a prime, around 512.
std::vector<std::size_t> edge_sizes();

// The values of Row(count, 0, seed), the last one right before a page that nobody may read.
template <typename T>
class GuardedRow {
 public:
  explicit GuardedRow(std::size_t count, unsigned seed = 1)
      : pages_((count * sizeof(T) + kPageBytes - 1) / kPageBytes + 1),
        start_(static_cast<char*>(mmap(nullptr, pages_ * kPageBytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    char* const guard = start_ + (pages_ - 1) * kPageBytes;
    REQUIRE(mprotect(guard, kPageBytes, PROT_NONE) == 0);
    const Row<T> values(count, 0, seed);
    data_ = reinterpret_cast<T*>(guard - count * sizeof(T));
    std::copy(values.data(), values.data() + count, data_);
  }
  ~GuardedRow() { munmap(start_, pages_ * kPageBytes); }
  GuardedRow(const GuardedRow&) = delete;
  GuardedRow& operator=(const GuardedRow&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  static constexpr std::size_t kPageBytes = 65536;  // of any Linux on ARM or x86

  std::size_t pages_;
  char* start_;
  T* data_;
};

// Adds results to the digest of one kernel. `op` is <op>_<dtype> as in the kernel's name: the
// digests of _i8 must agree between all ISAs, those of _f32 between all CPUs for one ISA.
void record(const std::string& op, const std::string& isa, const void* data, std::size_t bytes);

template <typename T>
void record(const std::string& op, const std::string& isa, const T& value) {
  static_assert(std::is_arithmetic_v<T>, "padding has no digest");
  record(op, isa, &value, sizeof value);
}

}  // namespace edgeface::check
