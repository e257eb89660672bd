// A fully connected layer whose weights are packed once, in float32 or INT8.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aligned.h"
#include "dispatch.h"

namespace edgeface {

enum class Precision { kFloat32, kInt8 };

// What a layer is made from; the arrays are the caller's. Either `weight`, or `weight_i8` within
// [-127, 127] with `scale` (outputs,), is set.
struct LinearWeights {
  const float* weight = nullptr;           // (outputs, inputs), as torch.nn.Linear has it
  const std::int8_t* weight_i8 = nullptr;  // (outputs, inputs)
  const float* scale = nullptr;
  const float* bias = nullptr;  // (outputs,)
  std::size_t inputs = 0, outputs = 0;
};

// Room for INT8 activations, one row after the other, and their scales.
struct Activations {
  std::int8_t* values;
  float* scales;
};

class Linear {
 public:
  // kInt8 rounds float weights to a scale per output. `kernels` must outlive the layer.
  Linear(const LinearWeights& weights, Precision precision, const KernelSet& kernels);

  // y = x · weightᵀ + bias (+ y) for `rows` rows; in INT8 with a scale per row of x.
  void run(const float* x, std::size_t rows, float* y, bool accumulate,
           const Activations& room) const noexcept;

  std::size_t inputs() const noexcept { return inputs_; }
  std::size_t outputs() const noexcept { return outputs_; }
  std::size_t packed_bytes() const noexcept;
  // Bytes of `Activations::values` for one row.
  std::size_t row_bytes() const noexcept;

 private:
  void pack_float(const LinearWeights& weights);
  void pack_int8(const LinearWeights& weights);
  void run_int8(const float* x, std::size_t rows, float* y, bool accumulate,
                const Activations& room) const noexcept;

  const KernelSet* kernels_;
  Precision precision_;
  std::size_t inputs_, outputs_;
  AlignedArray<float> bias_, weight_, scale_;
  AlignedArray<std::int8_t> weight_i8_;
  AlignedArray<std::int32_t> column_sums_;
};

}  // namespace edgeface
