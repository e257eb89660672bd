// The check program: which ISAs, doctest's verdict, the digests. Exit code 0 when every claim
// holds, 2 when EDGEFACE_ISA asks for what this CPU lacks.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cinttypes>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <utility>

#include "check.h"

namespace edgeface::check {

namespace {

std::map<std::pair<std::string, std::string>, std::uint64_t>& digests() {
  static std::map<std::pair<std::string, std::string>, std::uint64_t> by_op_and_isa;
  return by_op_and_isa;
}

void print_isas() {
  std::string supported;
  for (const std::string& isa : supported_isas()) {
    supported += (supported.empty() ? "" : ", ") + isa;
  }
  std::printf("isa: %s (supports %s)\n", active_kernels().isa, supported.c_str());
}

void print_digests() {
  for (const auto& [op_and_isa, digest] : digests()) {
    std::printf("digest: %s %s %016" PRIx64 "\n", op_and_isa.first.c_str(),
                op_and_isa.second.c_str(), digest);
  }
}

}  // namespace

std::vector<const KernelSet*> all_kernels() {
  std::vector<const KernelSet*> sets;
  for (const std::string& isa : supported_isas()) sets.push_back(&find_kernels(isa));
  return sets;
}

const KernelSet& scalar_kernels() { return find_kernels("scalar"); }

std::vector<std::size_t> edge_sizes() {
  return {0,  1,  2,  3,  4,  5,   7,   8,   9,   15,  16,  17,  31,  32,
          33, 63, 64, 65, 97, 127, 128, 129, 255, 256, 257, 511, 512, 513};
}

void record(const std::string& op, const std::string& isa, const void* data, std::size_t bytes) {
  constexpr std::uint64_t kOffset = 0xcbf29ce484222325u, kPrime = 0x100000001b3u;  // FNV-1a
  std::uint64_t& digest = digests().try_emplace({op, isa}, kOffset).first->second;
  for (std::size_t i = 0; i < bytes; ++i) {
    digest = (digest ^ static_cast<const unsigned char*>(data)[i]) * kPrime;
  }
}

}  // namespace edgeface::check

int main(int argc, char** argv) {
  try {
    edgeface::check::print_isas();
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "edgeface_check: %s\n", error.what());
    return 2;
  }
  const int failed = doctest::Context(argc, argv).run();
  edgeface::check::print_digests();
  return failed;
}
