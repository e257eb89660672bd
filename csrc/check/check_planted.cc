// Bugs to be found: if they were not, a clean run would prove nothing. Each is skipped unless
// asked for by name: edgeface_check --no-skip --test-case="planted: ..."
#include <cmath>
#include <limits>
#include <thread>

#include "check.h"

namespace edgeface::check {

TEST_CASE("planted: a kernel reads past its row" * doctest::skip()) {
  const Row<float> row(97);
  CHECK(!std::isnan(active_kernels().dot_f32(row.data(), row.data(), row.size() + 1)));
}

TEST_CASE("planted: a kernel reads past its guarded row" * doctest::skip()) {
  const GuardedRow<float> row(97);
  CHECK(!std::isnan(active_kernels().dot_f32(row.data(), row.data(), 98)));
}

TEST_CASE("planted: a sum overflows" * doctest::skip()) {
  const volatile int largest = std::numeric_limits<int>::max();
  CHECK(largest + 1 != 0);
}

TEST_CASE("planted: two threads write one number" * doctest::skip()) {
  volatile int shared = 0;
  const auto count_up = [&shared] {
    for (int i = 0; i < 1000; ++i) shared = shared + 1;
  };
  std::thread other(count_up);
  count_up();
  other.join();
  CHECK(shared > 0);
}

}  // namespace edgeface::check
