// Runs one workload between two marks, for tests/arm/report.py to count its instructions:
//   edgeface_probe                 lists the workloads
//   edgeface_probe NAME REPEATS    runs one
// To measure something else, add a function that prepares it and a line to kWorkloads.
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "../dispatch.h"
#include "../encode.h"
#include "../match.h"
#include "random_head.h"
#include "row.h"

namespace edgeface::check {

namespace {

constexpr std::size_t kDim = 512, kRows = 2000, kBlocks = kRows / kBlockRows;
constexpr std::size_t kSketchDims = 160;  // docs/decisions/0008

using Run = std::function<void()>;

// dsanet_s's: 49 tokens of 100 channels, width 128, 4 heads, 2 blocks, 8 queries.
constexpr HeadShape kHeadShape = {100, 49, 128, 4, 256, 2, 8, kDim, false};

// One feature map to one embedding.
Run head(const KernelSet& kernels, Precision precision) {
  const RandomHead source(kHeadShape);
  const auto head = std::make_shared<AttentionHead>(source.weights, precision, 1, kernels);
  const auto feature = std::make_shared<Row<float>>(head->channels() * head->tokens(), 0, 1);
  const auto embedding = std::make_shared<std::vector<float>>(head->dim());
  return [=] {
    if (head->embed(feature->data(), 1, embedding->data()) != kAllUnit) std::abort();
  };
}

Run head_f32(const KernelSet& kernels) { return head(kernels, Precision::kFloat32); }
Run head_i8(const KernelSet& kernels) { return head(kernels, Precision::kInt8); }

// One probe against 2 000 rows, the best ten.
Run scan_f32(const KernelSet& kernels) {
  const auto rows = std::make_shared<Row<float>>(kRows * kDim, 0, 1);
  const auto probe = std::make_shared<Row<float>>(kDim, 0, 2);
  const auto best = std::make_shared<std::vector<Match>>(10);
  return [=, &kernels] {
    cosine_topk({rows->data(), kRows, kDim}, {probe->data(), 1, kDim}, best->size(), kernels,
                best->data());
  };
}

// The bounds of 2 000 rows of which none reaches the floor: what a gallery of strangers costs.
Run scan(Scan* kernel, std::size_t groups, std::size_t values_per_group) {
  const auto blocks = std::make_shared<Row<std::uint8_t>>(kBlocks * block_bytes(groups), 0, 1);
  const auto values = std::make_shared<Row<std::int8_t>>(groups * values_per_group, 0, 2);
  const auto survivors = std::make_shared<std::vector<std::uint16_t>>(kBlocks);
  return [=] {
    const ScanProbe probe = {values->data(), groups, 0, 1.0f, 0.0f, 0.0f, 0.0f};
    kernel(blocks->data(), kBlocks, probe, 1e30f, survivors->data());
  };
}

Run scan_i8(const KernelSet& kernels) { return scan(kernels.scan_i8, groups_i8(kDim), 4); }
Run scan_sketch(const KernelSet& kernels) {
  return scan(kernels.scan_i4, groups_i4(kSketchDims), 8);
}

struct Workload {
  const char* name;
  const char* unit;
  double units;  // of one run
  Run (*prepare)(const KernelSet&);
};

constexpr char kThousandRows[] = "1 000 rows";
const Workload kWorkloads[] = {
    {"head_f32", "embedding", 1.0, head_f32},
    {"head_i8", "embedding", 1.0, head_i8},
    {"scan_f32", kThousandRows, kRows / 1000.0, scan_f32},
    {"scan_i8", kThousandRows, kRows / 1000.0, scan_i8},
    {"scan_sketch", kThousandRows, kRows / 1000.0, scan_sketch},
};

const Workload* find_workload(const char* name) {
  for (const Workload& workload : kWorkloads) {
    if (std::strcmp(name, workload.name) == 0) return &workload;
  }
  return nullptr;
}

// tests/arm/count_blocks.c counts between the two; Linux itself knows no such option.
void mark(bool open) { prctl(0x4546, open ? 1L : 0L, 0L, 0L, 0L); }

void run_between_marks(const Workload& workload, int repeats) {
  const Run run = workload.prepare(active_kernels());
  run();  // the dynamic linker's work at first calls is no part of it
  mark(true);
  for (int i = 0; i < repeats; ++i) run();
  mark(false);
}

}  // namespace

}  // namespace edgeface::check

int main(int argc, char** argv) {
  using namespace edgeface::check;
  if (argc == 1) {
    for (const Workload& workload : kWorkloads) {
      std::printf("%s\t%g\t%s\n", workload.name, workload.units, workload.unit);
    }
    return 0;
  }
  const Workload* workload = argc == 3 ? find_workload(argv[1]) : nullptr;
  const int repeats = argc == 3 ? std::atoi(argv[2]) : 0;
  if (workload == nullptr || repeats < 1) {
    std::fprintf(stderr, "usage: edgeface_probe NAME REPEATS; without arguments: the names\n");
    return 2;
  }
  run_between_marks(*workload, repeats);
  return 0;
}
