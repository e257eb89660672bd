# Cross-builds the core and its check program for 64-bit ARM Linux, without Python:
#   apt-get install g++-aarch64-linux-gnu doctest-dev qemu-user
#   cmake -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake \
#         -DEDGEFACE_PYTHON=OFF -DEDGEFACE_DEV=ON
#   cmake --build build/aarch64
#   qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu cortex-a72 build/aarch64/edgeface_check
# No -march here: the compiler's own default is ARMv8.0, which every 64-bit ARM board runs.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
