#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "check.h"

namespace edgeface::check {

namespace {

// What find_kernels says, empty when it refuses nothing.
std::string refusal(const std::string& isa) {
  try {
    find_kernels(isa);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

const std::vector<std::string> kNames = {"scalar", "sse41",   "avx2", "avx512vnni",
                                         "neon",   "neondot", "sse9"};

}  // namespace

TEST_CASE("scalar is supported everywhere, and last") {
  CHECK(supported_isas().back() == "scalar");
}

TEST_CASE("an ISA that this CPU lacks is refused with a list of what there is") {
  const auto supported = supported_isas();
  for (const std::string& isa : kNames) {
    if (std::count(supported.begin(), supported.end(), isa) != 0) continue;
    CAPTURE(isa);
    const std::string text = refusal(isa);
    CHECK(text.find("'" + isa + "'") != std::string::npos);
    for (const std::string& name : supported) CHECK(text.find(name) != std::string::npos);
  }
}

TEST_CASE("a supported ISA gives the kernels of its name") {
  for (const std::string& isa : supported_isas()) CHECK(find_kernels(isa).isa == isa);
}

TEST_CASE("the active ISA is the best supported one unless EDGEFACE_ISA names another") {
  const char* forced = std::getenv("EDGEFACE_ISA");
  const bool none = forced == nullptr || *forced == '\0';
  CHECK(active_kernels().isa == (none ? supported_isas().front() : std::string(forced)));
}

}  // namespace edgeface::check
