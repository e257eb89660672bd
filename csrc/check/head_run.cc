// Embeds real feature maps with a real head, for export/verify/qemu.py to compare machines:
//   edgeface_head INPUT OUTPUT        EDGEFACE_ISA chooses the kernels
// INPUT is little-endian: the Header, the head's arrays in the order of read_head(), then `count`
// feature maps (channels, tokens). OUTPUT gets `count` embeddings, float32. Prints the ISA.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <vector>

#include "../dispatch.h"
#include "../head.h"

namespace edgeface::check {

namespace {

constexpr char kMagic[4] = {'E', 'F', 'H', '1'};
constexpr std::size_t kMaxBatch = 8;

// uint32 each, after the magic; `int8` is 1 where the large matrices are int8 with scales.
struct Header {
  std::uint32_t int8, count, channels, tokens, width, heads, hidden, blocks, queries, dim, gate;
};

class HeadFile {
 public:
  explicit HeadFile(const char* path) : file_(path, std::ios::binary) {
    std::array<char, sizeof(kMagic)> magic{};
    file_.read(magic.data(), magic.size());
    file_.read(reinterpret_cast<char*>(&header), sizeof(header));
    if (std::memcmp(magic.data(), kMagic, sizeof(kMagic)) != 0) file_.setstate(std::ios::failbit);
  }

  // False when the file is short, longer than it says, or no such file.
  bool complete() { return file_.good() && file_.peek() == std::ifstream::traits_type::eof(); }
  bool good() const { return file_.good(); }

  HeadWeights read_head() {
    HeadWeights head;
    head.channels = header.channels;
    head.tokens = header.tokens;
    head.width = header.width;
    head.heads = header.heads;
    if (header.gate != 0) head.gate = linear(header.channels, 1, false);
    head.inlet = linear(header.channels, header.width, true);
    head.position = array<float>(std::size_t{header.tokens} * header.width);
    for (std::uint32_t i = 0; i < header.blocks; ++i) head.blocks.push_back(read_block());
    head.pool_norm = norm();
    head.scores = linear(header.width, header.queries, false);
    head.project = linear(std::size_t{header.queries} * header.width, header.dim, true);
    return head;
  }

  const float* read_features() {
    return array<float>(std::size_t{header.count} * header.channels * header.tokens);
  }

  Header header{};

 private:
  template <typename T>
  const T* array(std::size_t count) {
    bytes_.emplace_back(count * sizeof(T));
    file_.read(bytes_.back().data(), static_cast<std::streamsize>(bytes_.back().size()));
    return reinterpret_cast<const T*>(bytes_.back().data());
  }

  NormWeights norm() {
    const float* gamma = array<float>(header.width);
    return {gamma, array<float>(header.width)};
  }

  LinearWeights linear(std::size_t inputs, std::size_t outputs, bool large) {
    LinearWeights layer;
    layer.inputs = inputs;
    layer.outputs = outputs;
    if (large && header.int8 != 0) {
      layer.weight_i8 = array<std::int8_t>(inputs * outputs);
      layer.scale = array<float>(outputs);
    } else {
      layer.weight = array<float>(inputs * outputs);
    }
    layer.bias = array<float>(outputs);
    return layer;
  }

  BlockWeights read_block() {
    BlockWeights block;
    const std::size_t width = header.width;
    block.norm1 = norm();
    block.norm2 = norm();
    block.qkv = linear(width, 3 * width, true);
    block.out = linear(width, width, true);
    block.fc1 = linear(width, header.hidden, true);
    block.fc2 = linear(header.hidden, width, true);
    return block;
  }

  std::ifstream file_;
  std::deque<std::vector<char>> bytes_;
};

int run(const char* input, const char* output) {
  HeadFile file(input);
  if (!file.good()) return 3;
  const HeadWeights weights = file.read_head();
  const float* features = file.read_features();
  if (!file.complete()) return 3;
  const Precision precision = file.header.int8 != 0 ? Precision::kInt8 : Precision::kFloat32;
  AttentionHead head(weights, precision, kMaxBatch, active_kernels());
  std::vector<float> embeddings(std::size_t{file.header.count} * head.dim());
  if (head.embed(features, file.header.count, embeddings.data()) != kAllUnit) return 4;
  std::ofstream out(output, std::ios::binary);
  out.write(reinterpret_cast<const char*>(embeddings.data()),
            static_cast<std::streamsize>(embeddings.size() * sizeof(float)));
  std::printf("isa: %s\n", head.isa());
  return out.good() ? 0 : 5;
}

}  // namespace

}  // namespace edgeface::check

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: edgeface_head INPUT OUTPUT\n");
    return 2;
  }
  const int code = edgeface::check::run(argv[1], argv[2]);
  if (code == 3) std::fprintf(stderr, "%s: not a head with feature maps\n", argv[1]);
  if (code == 4) std::fprintf(stderr, "%s: an embedding has no length\n", argv[1]);
  if (code == 5) std::fprintf(stderr, "%s: cannot be written\n", argv[2]);
  return code;
}
