# Cross-builds for Linux with glibc 2.17 (manylinux2014) by zig, whose clang brings every target's
# C library and a static C++ library: python -m boards wheels. Needs pip's package ziglang.
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake -DEDGEFACE_ZIG=.../ziglang/zig -DEDGEFACE_ARCH=aarch64
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EDGEFACE_ZIG EDGEFACE_ARCH)
if(NOT EXISTS "${EDGEFACE_ZIG}" OR NOT EDGEFACE_ARCH MATCHES "^(aarch64|x86_64)$")
  message(FATAL_ERROR "set EDGEFACE_ZIG to zig (now '${EDGEFACE_ZIG}'), pip install ziglang, and "
                      "EDGEFACE_ARCH to aarch64 or x86_64 (now '${EDGEFACE_ARCH}')")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${EDGEFACE_ARCH})
set(CMAKE_CXX_COMPILER "${EDGEFACE_ZIG}" c++ -target ${EDGEFACE_ARCH}-linux-gnu.2.17)
# zig ar is two words, and CMAKE_AR takes one.
set(CMAKE_CXX_ARCHIVE_CREATE "\"${EDGEFACE_ZIG}\" ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "\"${EDGEFACE_ZIG}\" ar q <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "\"${EDGEFACE_ZIG}\" ranlib <TARGET>")
# zig reads -march as a CPU of its own naming.
set(edgeface_flags_neondot -mcpu=generic+dotprod)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(PYBIND11_USE_CROSSCOMPILING ON CACHE BOOL "")
