// The arrays of a head from a mapping of torch state_dict names, each checked and named in errors.
#pragma once

#include <string>
#include <vector>

#include "../head.h"
#include "arrays.h"

namespace edgeface {

// Takes arrays out of a mapping; keeps them alive for as long as it lives itself.
class WeightReader {
 public:
  // Raises TypeError when `weights` is no mapping.
  WeightReader(const py::object& weights, Precision precision);

  // Sizes come from the arrays and must agree. Raises ValueError, naming the array, for one that is
  // missing, superfluous, of another shape, dtype or layout, or not finite.
  HeadWeights read(std::size_t heads);

 private:
  static constexpr std::size_t kAny = 0;

  bool has(const std::string& name) const;
  py::object take(const std::string& name);
  // float32; kAny leaves a size open.
  py::array_t<float> matrix(const std::string& name, std::size_t rows, std::size_t columns);
  py::array_t<float> vector(const std::string& name, std::size_t size);
  NormWeights norm(const std::string& name, std::size_t width);
  // Always float32.
  LinearWeights float_linear(const std::string& name, std::size_t outputs, std::size_t inputs);
  // float32, or INT8 with "<name>.weight.scale".
  LinearWeights any_linear(const std::string& name, std::size_t outputs, std::size_t inputs);
  LinearWeights linear(const std::string& name, std::size_t outputs, std::size_t inputs);
  BlockWeights block(const std::string& name, std::size_t width);
  void refuse_other_pooling() const;
  void refuse_rest() const;

  py::dict left_;
  Precision precision_;
  std::vector<py::object> kept_;
};

}  // namespace edgeface
