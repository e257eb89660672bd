// The attention head as a Python class.
#include "../head.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "arrays.h"
#include "head_weights.h"

namespace edgeface {

namespace {

constexpr py::ssize_t kMostBatch = 4096;

Precision precision_of(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "int8") return Precision::kInt8;
  throw py::value_error("precision is '" + name + "'; expected 'float32' or 'int8'");
}

std::unique_ptr<AttentionHead> make_head(const py::object& weights, py::ssize_t heads,
                                         const std::string& precision, py::ssize_t max_batch,
                                         const py::object& isa) {
  if (heads < 1)
    throw py::value_error("heads is " + std::to_string(heads) + "; expected 1 or more");
  if (max_batch < 1 || max_batch > kMostBatch) {
    throw py::value_error("max_batch is " + std::to_string(max_batch) + "; expected 1 to " +
                          std::to_string(kMostBatch));
  }
  const KernelSet& kernels = kernels_for(isa);
  WeightReader reader(weights, precision_of(precision));
  return std::make_unique<AttentionHead>(reader.read(static_cast<std::size_t>(heads)),
                                         precision_of(precision),
                                         static_cast<std::size_t>(max_batch), kernels);
}

void require_map(const AttentionHead& head, const py::array& feature) {
  const auto channels = static_cast<std::size_t>(feature.shape(1));
  const auto tokens = static_cast<std::size_t>(feature.shape(2) * feature.shape(3));
  if (channels == head.channels() && tokens == head.tokens()) return;
  throw py::value_error("feature is " + describe(feature) + "; expected " +
                        std::to_string(head.channels()) + " channels and height * width = " +
                        std::to_string(head.tokens()) + "; pass the map of this head's backbone");
}

[[noreturn]] void refuse_embedding(const py::array_t<float>& feature, std::int64_t bad) {
  const std::string index = std::to_string(bad);
  const auto size = feature.size() / feature.shape(0);
  const float* map = feature.data() + bad * size;
  if (!std::all_of(map, map + size, [](float value) { return std::isfinite(value); })) {
    throw py::value_error("feature map " + index +
                          " holds NaN or infinity; expected finite values; check the backbone");
  }
  throw py::value_error("the embedding of feature map " + index +
                        " has a norm of zero or overflows; expected a direction; check that " +
                        "backbone and head come from one checkpoint");
}

py::array_t<float> embed(AttentionHead& head, const py::object& object) {
  const auto feature = require_array<float>(object, "feature", 4, "(N, C, H, W)");
  require_map(head, feature);
  const auto count = feature.shape(0);
  py::array_t<float> embedding({count, static_cast<py::ssize_t>(head.dim())});
  float* const out = embedding.mutable_data();
  std::int64_t bad = kAllUnit;
  {
    const py::gil_scoped_release release;
    bad = head.embed(feature.data(), static_cast<std::size_t>(count), out);
  }
  if (bad != kAllUnit) refuse_embedding(feature, bad);
  return embedding;
}

constexpr const char* kClassDoc = R"(Attention head of DSA-Net: feature map to unit embedding.

weights: mapping of export.dsanet.Head's state_dict names ("inlet.weight", "position",
"blocks.0.qkv.weight", ...) to C-contiguous float32 arrays; sizes come from them. With precision
"int8" the weight of a Linear layer may be int8 (out, in) within [-127, 127], beside
"<name>.scale" float32 (out,) ("project.weight" and "project.weight.scale").
heads: attention heads per block. precision: "float32", or "int8": Linear layers in INT8 with a
scale per token, found at run time; attention, LayerNorm, GELU and pooling scores in float32.
max_batch: feature maps that share one pass over the projection's weights, 1 to 4096.
isa: run this ISA's kernels instead of the active ones (for tests).
Copies and packs the weights; embed() allocates nothing but its result.
Raises TypeError or ValueError naming the array that is missing, superfluous or wrong.)";

constexpr const char* kEmbedDoc = R"(Embed N feature maps.

feature: (N, C, H, W) float32, C-contiguous, H * W = tokens. Returns (N, dim) float32, unit L2.
Releases the GIL; calls from several threads take turns. Do not write to feature meanwhile.
Raises TypeError or ValueError for a wrong type, shape, layout, NaN, or an embedding without a
finite norm above zero.)";

}  // namespace

void bind_head(py::module_& m) {
  py::class_<AttentionHead>(m, "AttentionHead", kClassDoc)
      .def(py::init(&make_head), py::arg("weights"), py::kw_only(), py::arg("heads"),
           py::arg("precision") = "float32", py::arg("max_batch") = 8, py::arg("isa") = py::none())
      .def("embed", &embed, kEmbedDoc, py::arg("feature"))
      .def_property_readonly("dim", &AttentionHead::dim, "Elements of an embedding.")
      .def_property_readonly("channels", &AttentionHead::channels, "Channels of a feature map.")
      .def_property_readonly("tokens", &AttentionHead::tokens, "Positions of a feature map.")
      .def_property_readonly(
          "precision",
          [](const AttentionHead& head) {
            return head.precision() == Precision::kInt8 ? "int8" : "float32";
          },
          "\"float32\" or \"int8\".")
      .def_property_readonly("isa", &AttentionHead::isa, "ISA whose kernels run.")
      .def_property_readonly("packed_bytes", &AttentionHead::packed_bytes,
                             "Memory that the packed weights take.");
}

}  // namespace edgeface
