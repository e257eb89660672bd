#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>

#include "check.h"
#include "random_head.h"

namespace {

thread_local std::size_t allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* block = nullptr;
  if (posix_memalign(&block, alignment, size) != 0) std::abort();
  return block;
}

}  // namespace

// The program's own, so that a claim can count them.
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace edgeface::check {

namespace {

constexpr std::size_t kChannels = 13, kTokens = 9, kDim = 37, kQueries = 5, kWidth = 24;
constexpr std::size_t kBatch = 3, kMaxBatch = 2;
// Small, of sizes that divide no vector; 3 heads, 41 hidden, 2 blocks.
constexpr HeadShape kShape = {kChannels, kTokens, kWidth, 3, 41, 2, kQueries, kDim, true};

Row<float> features() { return Row<float>(kBatch * kChannels * kTokens, 1, 1); }

std::vector<float> embed(AttentionHead& head, const Row<float>& feature) {
  std::vector<float> embedding(kBatch * kDim);
  REQUIRE(head.embed(feature.data(), kBatch, embedding.data()) == kAllUnit);
  return embedding;
}

double lowest_cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double lowest = 1.0;
  for (std::size_t i = 0; i < kBatch; ++i) {
    double cosine = 0.0;
    for (std::size_t d = 0; d < kDim; ++d) cosine += a[i * kDim + d] * b[i * kDim + d];
    lowest = std::min(lowest, cosine);
  }
  return lowest;
}

template <typename Claim>
void for_each_head(const Claim& claim) {
  const RandomHead source(kShape);
  for (const KernelSet* kernels : all_kernels()) {
    for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
      CAPTURE(kernels->isa);
      CAPTURE(static_cast<int>(precision));
      AttentionHead head(source.weights, precision, kMaxBatch, *kernels);
      claim(head, source.weights);
    }
  }
}

}  // namespace

TEST_CASE("the head embeds as the scalar float head does") {
  for_each_head([](AttentionHead& head, const HeadWeights& weights) {
    AttentionHead judge(weights, Precision::kFloat32, kMaxBatch, scalar_kernels());
    const bool exact = head.precision() == Precision::kFloat32;
    const std::vector<float> found = embed(head, features());
    const std::vector<float> expected = embed(judge, features());
    CHECK(lowest_cosine(found, expected) >= (exact ? 1.0 - 1e-6 : 0.999));
  });
}

TEST_CASE("a head allocates nothing once it is built") {
  for_each_head([](AttentionHead& head, const HeadWeights&) {
    const Row<float> feature = features();
    std::vector<float> embedding(kBatch * kDim);
    const std::size_t before = allocations;
    CHECK(head.embed(feature.data(), kBatch, embedding.data()) == kAllUnit);
    CHECK(allocations == before);
    CHECK(std::vector<float>(1).size() == 1);
    CHECK(allocations > before);  // the counter counts
  });
}

TEST_CASE("a head names the image whose embedding is no direction") {
  for_each_head([](AttentionHead& head, const HeadWeights& weights) {
    std::vector<float> embedding(kBatch * kDim);
    const float values[] = {std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::infinity()};
    for (const float value : values) {
      Row<float> feature = features();
      feature[2 * kChannels * kTokens + 7] = value;
      CHECK(head.embed(feature.data(), kBatch, embedding.data()) == 2);
    }
    HeadWeights silent = weights;
    const std::vector<float> zeros(kQueries * kWidth * kDim);
    silent.project.weight = silent.project.bias = zeros.data();
    AttentionHead zero(silent, head.precision(), kMaxBatch, find_kernels(head.isa()));
    CHECK(zero.embed(features().data(), kBatch, embedding.data()) == 0);
  });
}

TEST_CASE("threads that share a head get what one alone gets") {
  for_each_head([](AttentionHead& head, const HeadWeights&) {
    const Row<float> feature = features();
    const std::vector<float> expected = embed(head, feature);
    std::vector<float> found[2];
    std::vector<std::thread> threads;
    for (std::vector<float>& embedding : found) {
      embedding.resize(expected.size());
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) head.embed(feature.data(), kBatch, embedding.data());
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK((found[0] == expected && found[1] == expected));
  });
}

}  // namespace edgeface::check
