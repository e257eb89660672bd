// What this CPU has. Asked by dispatch.cc and the bindings; no other file detects anything.
#pragma once

namespace edgeface {

// x86: in the CPU (CPUID), and the registers are saved by the operating system (XCR0).
bool cpu_has_sse41() noexcept;
bool cpu_has_avx2() noexcept;        // with FMA
bool cpu_has_avx512vnni() noexcept;  // with F, BW, DQ, VL

// x86 without any VNNI: whoever multiplies 8 bits by vpmaddubsw there, as ONNX Runtime does, adds
// in 16 bits that saturate.
bool cpu_int8_sums_saturate() noexcept;

// aarch64: the dot product instructions of ARMv8.2, by the kernel's word (AT_HWCAP).
// Reading ID registers instead would trust a core that the scheduler may leave.
bool cpu_has_neondot() noexcept;

// Part of the architecture: the scalar kernels everywhere, NEON on aarch64.
inline bool cpu_always() noexcept { return true; }

}  // namespace edgeface
