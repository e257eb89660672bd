#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>

#include "cpu.h"
#include "kernels/dot.h"

namespace edgeface {

namespace {

// clang-format off: a table
// Best first. The only table to edit when a kernel or an ISA is added.
const KernelSet kKernelSets[] = {
// isa             supported           dot_f32              scan_i8              scan_i4             gemm_f32              gemm_i8              rows_f32
#if defined(__x86_64__)
    {"avx512vnni", cpu_has_avx512vnni, dot_f32_avx512vnni,  scan_i8_avx512vnni,  scan_i4_avx512vnni,&gemm_f32_avx512vnni, &gemm_i8_avx512vnni, &rows_f32_avx512vnni},
    {"avx2",       cpu_has_avx2,       dot_f32_avx2,        scan_i8_avx2,        scan_i4_avx2,      &gemm_f32_avx2,       &gemm_i8_avx2,       &rows_f32_avx2},
    {"sse41",      cpu_has_sse41,      dot_f32_sse41,       scan_i8_sse41,       scan_i4_sse41,     &gemm_f32_sse41,      &gemm_i8_sse41,      &rows_f32_sse41},
#endif
#if defined(__aarch64__)
    {"neondot",    cpu_has_neondot,    dot_f32_neon,        scan_i8_neondot,     scan_i4_neondot,   &gemm_f32_neon,       &gemm_i8_neondot,    &rows_f32_neon},
    {"neon",       cpu_always,         dot_f32_neon,        scan_i8_neon,        scan_i4_neon,      &gemm_f32_neon,       &gemm_i8_neon,       &rows_f32_neon},
#endif
    {"scalar",     cpu_always,         dot_f32_scalar,      scan_i8_scalar,      scan_i4_scalar,    &gemm_f32_scalar,     &gemm_i8_scalar,     &rows_f32_scalar},
};
// clang-format on

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::vector<std::string> built_isas() {
  std::vector<std::string> names;
  for (const KernelSet& set : kKernelSets) names.emplace_back(set.isa);
  return names;
}

const KernelSet& best_kernels() {
  for (const KernelSet& set : kKernelSets) {
    if (set.supported()) return set;
  }
  throw std::invalid_argument("no ISA supported; scalar is missing from kKernelSets");
}

const KernelSet& chosen_kernels() {
  const char* forced = std::getenv("EDGEFACE_ISA");
  if (forced == nullptr || *forced == '\0') return best_kernels();
  try {
    return find_kernels(forced);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("EDGEFACE_ISA: ") + error.what());
  }
}

}  // namespace

const KernelSet& active_kernels() {
  static const KernelSet& chosen = chosen_kernels();
  return chosen;
}

const KernelSet& find_kernels(const std::string& isa) {
  for (const KernelSet& set : kKernelSets) {
    if (isa != set.isa) continue;
    if (set.supported()) return set;
    throw std::invalid_argument("this CPU does not support ISA '" + isa +
                                "'; it supports: " + join(supported_isas()));
  }
  throw std::invalid_argument("unknown ISA '" + isa + "'; built with: " + join(built_isas()) +
                              "; this CPU supports: " + join(supported_isas()));
}

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const KernelSet& set : kKernelSets) {
    if (set.supported()) names.emplace_back(set.isa);
  }
  return names;
}

}  // namespace edgeface
