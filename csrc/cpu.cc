#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace edgeface {

#if defined(__x86_64__)

namespace {

// Intel SDM volume 1, 14.3: AVX is usable only when CPUID says so (OSXSAVE, AVX)
// and XCR0 says that the system saves XMM (bit 1) and YMM (bit 2).
bool system_saves_ymm() noexcept {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & 0x6) == 0x6;
}

}  // namespace

bool cpu_has_avx2() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  const unsigned needed = bit_OSXSAVE | bit_AVX | bit_FMA;
  if ((c & needed) != needed || !system_saves_ymm()) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (b & bit_AVX2) != 0;
}

#else

bool cpu_has_avx2() noexcept { return false; }

#endif

}  // namespace edgeface
