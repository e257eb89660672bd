#include "linear.h"

#include "pack.h"

namespace edgeface {

Linear::Linear(const LinearWeights& weights, Precision precision, const KernelSet& kernels)
    : kernels_(&kernels),
      precision_(precision),
      inputs_(weights.inputs),
      outputs_(weights.outputs),
      bias_(weights.bias, weights.outputs) {
  if (precision == Precision::kInt8) {
    pack_int8(weights);
  } else {
    pack_float(weights);
  }
}

void Linear::pack_float(const LinearWeights& weights) {
  const std::size_t panel = kernels_->gemm_f32->panel;
  weight_ = AlignedArray<float>(round_up(outputs_, panel) * inputs_);
  pack_transposed(weights.weight, inputs_, inputs_, outputs_, *kernels_, weight_.begin());
}

void Linear::pack_int8(const LinearWeights& weights) {
  const std::size_t panel = kernels_->gemm_i8->panel, columns = round_up(outputs_, panel);
  AlignedArray<std::int8_t> rounded(outputs_ * inputs_);
  scale_ = AlignedArray<float>(outputs_);
  if (weights.weight_i8 != nullptr) {
    std::copy(weights.weight_i8, weights.weight_i8 + outputs_ * inputs_, rounded.begin());
    std::copy(weights.scale, weights.scale + outputs_, scale_.begin());
  } else {
    kernels_->rows_f32->quantise(weights.weight, inputs_, outputs_, inputs_, rounded.begin(),
                                 inputs_, inputs_, scale_.begin());
  }
  weight_i8_ = AlignedArray<std::int8_t>(columns * row_bytes());
  column_sums_ = AlignedArray<std::int32_t>(columns);
  pack_i8({rounded.begin(), inputs_, outputs_, 1, inputs_}, panel, weight_i8_.begin(),
          column_sums_.begin());
}

void Linear::run(const float* x, std::size_t rows, float* y, bool accumulate,
                 const Activations& room) const noexcept {
  if (precision_ == Precision::kInt8) return run_int8(x, rows, y, accumulate, room);
  kernels_->gemm_f32->run({x, inputs_, weight_.begin(), bias_.begin(), y, outputs_, rows, inputs_,
                           outputs_, accumulate});
}

void Linear::run_int8(const float* x, std::size_t rows, float* y, bool accumulate,
                      const Activations& room) const noexcept {
  kernels_->rows_f32->quantise(x, inputs_, rows, inputs_, room.values, row_bytes(), row_bytes(),
                               room.scales);
  kernels_->gemm_i8->run({room.values, row_bytes(), weight_i8_.begin(), column_sums_.begin(),
                          nullptr, y, outputs_, room.scales, scale_.begin(), bias_.begin(), rows,
                          inputs_, outputs_, accumulate});
}

std::size_t Linear::packed_bytes() const noexcept {
  return bias_.bytes() + weight_.bytes() + scale_.bytes() + weight_i8_.bytes() +
         column_sums_.bytes();
}

std::size_t Linear::row_bytes() const noexcept { return round_up(inputs_, kDepthStep); }

}  // namespace edgeface
