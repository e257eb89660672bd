// What this CPU has. Asked once by dispatch.cc; no other file detects anything.
#pragma once

namespace edgeface {

// AVX2 and FMA in the CPU, and YMM registers saved by the operating system.
bool cpu_has_avx2() noexcept;

// Part of the architecture: the scalar kernels everywhere, NEON on aarch64.
inline bool cpu_always() noexcept { return true; }

}  // namespace edgeface
