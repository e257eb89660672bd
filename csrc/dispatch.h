// Which kernels run on this CPU. The table is in dispatch.cc.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/rows.h"
#include "kernels/scan.h"

namespace edgeface {

struct KernelSet {
  const char* isa;
  bool (*supported)() noexcept;
  float (*dot_f32)(const float* a, const float* b, std::size_t count) noexcept;
  Scan* scan_i8;
  Scan* scan_i4;
  const GemmF32Kernel* gemm_f32;
  const GemmI8Kernel* gemm_i8;
  const RowsF32* rows_f32;
};

// The set in use: the one that EDGEFACE_ISA names, else the best that this CPU has.
// Chosen at the first call and kept. Throws std::invalid_argument as find_kernels does.
const KernelSet& active_kernels();

// The set of one ISA. Throws std::invalid_argument, listing what there is, when the
// name is unknown to this build or the CPU does not have it.
const KernelSet& find_kernels(const std::string& isa);

// Names that this CPU can run, best first. Never empty: scalar is always there.
std::vector<std::string> supported_isas();

}  // namespace edgeface
