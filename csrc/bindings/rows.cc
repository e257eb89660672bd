// Row kernels over matrices that the caller owns; each returns a new array.
#include <cmath>
#include <string>

#include "arrays.h"

namespace edgeface {

namespace {

std::size_t rows_of(const py::array& x) { return static_cast<std::size_t>(x.shape(0)); }
std::size_t columns_of(const py::array& x) { return static_cast<std::size_t>(x.shape(1)); }

py::array_t<float> require_rows(const py::object& object) {
  const auto x = require_array<float>(object, "x", 2, "(N, D)");
  require_finite(x, "x");
  return x;
}

py::array_t<float> copy_of(const py::array_t<float>& x) {
  py::array_t<float> copy({x.shape(0), x.shape(1)});
  std::copy(x.data(), x.data() + x.size(), copy.mutable_data());
  return copy;
}

py::array_t<float> require_parameter(const py::object& object, const char* name,
                                     const py::array& x) {
  const auto values = require_array<float>(object, name, 1, "(D,)");
  if (values.size() != x.shape(1)) {
    throw py::value_error(std::string(name) + " is " + describe(values) + " and x is " +
                          describe(x) + "; expected one value per column of x");
  }
  require_finite(values, name);
  return values;
}

py::array_t<float> layer_norm(const py::object& object, const py::object& gamma_object,
                              const py::object& beta_object, float epsilon, const py::object& isa) {
  const auto x = require_rows(object);
  const auto gamma = require_parameter(gamma_object, "gamma", x);
  const auto beta = require_parameter(beta_object, "beta", x);
  if (!(epsilon > 0.0f) || !std::isfinite(epsilon)) {
    throw py::value_error("epsilon is " + std::to_string(epsilon) + "; expected above 0");
  }
  const RowsF32& kernels = *kernels_for(isa).rows_f32;
  py::array_t<float> y({x.shape(0), x.shape(1)});
  float* const out = y.mutable_data();
  {
    const py::gil_scoped_release release;
    kernels.layer_norm(x.data(), columns_of(x), rows_of(x), columns_of(x), gamma.data(),
                       beta.data(), epsilon, out, columns_of(x));
  }
  require_result(y);
  return y;
}

py::array_t<float> softmax(const py::object& object, const py::object& isa) {
  const auto x = require_rows(object);
  const RowsF32& kernels = *kernels_for(isa).rows_f32;
  py::array_t<float> y = copy_of(x);
  float* const out = y.mutable_data();
  const py::gil_scoped_release release;
  kernels.softmax(out, columns_of(x), rows_of(x), columns_of(x), 1.0f);
  return y;
}

using InPlace = void (*RowsF32::*)(float*, std::size_t) noexcept;

template <InPlace kOperation>
py::array_t<float> elementwise(const py::object& object, const py::object& isa) {
  const auto x = require_rows(object);
  const RowsF32& kernels = *kernels_for(isa).rows_f32;
  py::array_t<float> y = copy_of(x);
  float* const out = y.mutable_data();
  const py::gil_scoped_release release;
  (kernels.*kOperation)(out, rows_of(x) * columns_of(x));
  return y;
}

py::tuple quantise_rows(const py::object& object, const py::object& isa) {
  const auto x = require_rows(object);
  const RowsF32& kernels = *kernels_for(isa).rows_f32;
  py::array_t<std::int8_t> q({x.shape(0), x.shape(1)});
  py::array_t<float> scale(x.shape(0));
  std::int8_t* const values = q.mutable_data();
  float* const scales = scale.mutable_data();
  {
    const py::gil_scoped_release release;
    kernels.quantise(x.data(), columns_of(x), rows_of(x), columns_of(x), values, columns_of(x),
                     columns_of(x), scales);
  }
  return py::make_tuple(std::move(q), std::move(scale));
}

py::array_t<float> l2_normalise(const py::object& object, const py::object& isa) {
  const auto x = require_rows(object);
  const RowsF32& kernels = *kernels_for(isa).rows_f32;
  const std::size_t columns = columns_of(x);
  py::array_t<float> y({x.shape(0), x.shape(1)});
  for (std::size_t r = 0; r < rows_of(x); ++r) {
    const std::size_t start = r * columns;
    const float norm = kernels.l2_normalise(x.data() + start, columns, y.mutable_data() + start);
    if (norm > 0.0f && std::isfinite(norm)) continue;
    throw py::value_error("row " + std::to_string(r) + " of x has a norm of " +
                          std::to_string(norm) + "; expected a finite one above 0");
  }
  return y;
}

void bind_elementwise(py::module_& m) {
  m.def("gelu", &elementwise<&RowsF32::gelu>, "tanh-GELU of each element of x (N, D) float32.",
        py::arg("x"), py::kw_only(), py::arg("isa") = py::none());
  m.def("tanh", &elementwise<&RowsF32::tanh>, "tanh of each element of x (N, D) float32.",
        py::arg("x"), py::kw_only(), py::arg("isa") = py::none());
}

}  // namespace

void bind_rows(py::module_& m) {
  m.def("layer_norm", &layer_norm, "LayerNorm of each row of x (N, D) float32.", py::arg("x"),
        py::arg("gamma"), py::arg("beta"), py::kw_only(), py::arg("epsilon") = 1e-5f,
        py::arg("isa") = py::none());
  m.def("softmax", &softmax, "Softmax of each row of x (N, D) float32.", py::arg("x"),
        py::kw_only(), py::arg("isa") = py::none());
  m.def("quantise_rows", &quantise_rows,
        "x (N, D) float32 as INT8 (N, D) and a float32 scale per row (N,).", py::arg("x"),
        py::kw_only(), py::arg("isa") = py::none());
  m.def("l2_normalise", &l2_normalise,
        "Rows of x (N, D) float32 with norm 1; ValueError for a row without a norm.", py::arg("x"),
        py::kw_only(), py::arg("isa") = py::none());
  bind_elementwise(m);
}

}  // namespace edgeface
