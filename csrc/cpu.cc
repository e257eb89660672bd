#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace edgeface {

#if defined(__x86_64__)

namespace {

struct Registers {
  unsigned a, b, c, d;
};

Registers cpuid(unsigned leaf, unsigned part = 0) noexcept {
  Registers found = {0, 0, 0, 0};
  __get_cpuid_count(leaf, part, &found.a, &found.b, &found.c, &found.d);
  return found;
}

bool has_all(unsigned found, unsigned needed) noexcept { return (found & needed) == needed; }

// Intel SDM volume 1, 13.2: bits of XCR0 say which registers the system saves at a switch.
constexpr unsigned kYmmState = 0x6;   // XMM, YMM
constexpr unsigned kZmmState = 0xe6;  // and opmask, the upper halves of ZMM0-15, ZMM16-31

bool system_saves(unsigned state) noexcept {
  if (!has_all(cpuid(1).c, bit_OSXSAVE)) return false;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return has_all(low, state);
}

}  // namespace

bool cpu_has_sse41() noexcept { return has_all(cpuid(1).c, bit_SSE4_1 | bit_SSSE3); }

bool cpu_has_avx2() noexcept {
  return has_all(cpuid(1).c, bit_AVX | bit_FMA) && system_saves(kYmmState) &&
         has_all(cpuid(7).b, bit_AVX2);
}

bool cpu_has_avx512vnni() noexcept {
  return cpu_has_avx2() && system_saves(kZmmState) &&
         has_all(cpuid(7).b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) &&
         has_all(cpuid(7).c, bit_AVX512VNNI);
}

bool cpu_int8_sums_saturate() noexcept {
  constexpr unsigned kAvxVnni = 1u << 4;  // Intel SDM volume 2, CPUID leaf 7, part 1, EAX
  return !cpu_has_avx512vnni() && !(cpu_has_avx2() && has_all(cpuid(7, 1).a, kAvxVnni));
}

#else

bool cpu_has_sse41() noexcept { return false; }
bool cpu_has_avx2() noexcept { return false; }
bool cpu_has_avx512vnni() noexcept { return false; }
bool cpu_int8_sums_saturate() noexcept { return false; }

#endif

#if defined(__aarch64__) && defined(__linux__)

bool cpu_has_neondot() noexcept {
  constexpr unsigned long kAsimdDp = 1ul << 20;  // HWCAP_ASIMDDP, Linux uapi asm/hwcap.h
  return (getauxval(AT_HWCAP) & kAsimdDp) != 0;
}

#else

bool cpu_has_neondot() noexcept { return false; }

#endif

}  // namespace edgeface
