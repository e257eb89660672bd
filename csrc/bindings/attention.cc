// Attention of several kinds over arrays that the caller owns.
#include "../attention.h"

#include <cmath>
#include <string>

#include "../additive_attention.h"
#include "../aligned.h"
#include "arrays.h"

namespace edgeface {

namespace {

std::size_t size_of(const py::array& array, py::ssize_t axis) {
  return static_cast<std::size_t>(array.shape(axis));
}

py::array_t<float> require_input(const py::object& object, const char* name, const char* shape) {
  const auto array = require_array<float>(object, name, 2, shape);
  require_finite(array, name);
  return array;
}

void require_equal(const char* what, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  throw py::value_error(std::string(what) + ": " + std::to_string(found) + " and " +
                        std::to_string(expected) + "; expected the same");
}

void require_keys(const py::array& k, const py::array& v) {
  require_equal("rows of v and of k", size_of(v, 0), size_of(k, 0));
  if (size_of(k, 0) > 0) return;
  throw py::value_error("k has no rows; expected at least one key to attend to");
}

std::size_t require_heads(py::ssize_t heads, const py::array& q, const py::array& v) {
  if (heads > 0 && q.shape(1) % heads == 0 && v.shape(1) % heads == 0) {
    return static_cast<std::size_t>(heads);
  }
  throw py::value_error("heads is " + std::to_string(heads) + "; expected a divisor of q's " +
                        std::to_string(q.shape(1)) + " columns and v's " +
                        std::to_string(v.shape(1)));
}

float require_scale(const py::object& scale, std::size_t width) {
  if (scale.is_none()) return width == 0 ? 1.0f : 1.0f / std::sqrt(static_cast<float>(width));
  const auto value = scale.cast<float>();
  if (value >= 0.0f && std::isfinite(value)) return value;
  throw py::value_error("scale is " + std::to_string(value) +
                        "; expected 0 or more; negate q for a negative one");
}

py::array_t<float> attention(const py::object& q_object, const py::object& k_object,
                             const py::object& v_object, py::ssize_t heads, const py::object& scale,
                             const py::object& isa) {
  const auto q = require_input(q_object, "q", "(Tq, D)");
  const auto k = require_input(k_object, "k", "(Tk, D)");
  const auto v = require_input(v_object, "v", "(Tk, Dv)");
  require_equal("columns of k and of q", size_of(k, 1), size_of(q, 1));
  require_keys(k, v);
  const std::size_t count = require_heads(heads, q, v);
  const KernelSet& kernels = kernels_for(isa);
  py::array_t<float> out({q.shape(0), v.shape(1)});
  const std::size_t width = size_of(q, 1) / count, value_width = size_of(v, 1) / count;
  const Attention call = {q.data(),      k.data(),
                          v.data(),      out.mutable_data(),
                          size_of(q, 1), size_of(q, 1),
                          size_of(v, 1), size_of(v, 1),
                          size_of(q, 0), size_of(k, 0),
                          count,         width,
                          value_width,   require_scale(scale, width)};
  {
    const py::gil_scoped_release release;
    AlignedArray<float> scratch(attention_scratch(call, kernels));
    attend(call, kernels, scratch.begin());
  }
  require_result(out);
  return out;
}

py::array_t<float> additive_attention(const py::object& q_object, const py::object& k_object,
                                      const py::object& v_object, const py::object& w_q_object,
                                      const py::object& w_k_object, const py::object& w_object,
                                      const py::object& isa) {
  const auto q = require_input(q_object, "q", "(Tq, Dq)");
  const auto k = require_input(k_object, "k", "(Tk, Dk)");
  const auto v = require_input(v_object, "v", "(Tk, Dv)");
  const auto w_q = require_input(w_q_object, "w_q", "(A, Dq)");
  const auto w_k = require_input(w_k_object, "w_k", "(A, Dk)");
  const auto w = require_array<float>(w_object, "w", 1, "(A,)");
  require_finite(w, "w");
  require_equal("columns of w_q and of q", size_of(w_q, 1), size_of(q, 1));
  require_equal("columns of w_k and of k", size_of(w_k, 1), size_of(k, 1));
  require_equal("rows of w_q and elements of w", size_of(w_q, 0), size_of(w, 0));
  require_equal("rows of w_k and elements of w", size_of(w_k, 0), size_of(w, 0));
  require_keys(k, v);
  const KernelSet& kernels = kernels_for(isa);
  py::array_t<float> out({q.shape(0), v.shape(1)});
  const AdditiveAttention call = {q.data(),          k.data(),      v.data(),      w_q.data(),
                                  w_k.data(),        w.data(),      size_of(q, 0), size_of(k, 0),
                                  size_of(q, 1),     size_of(k, 1), size_of(v, 1), size_of(w, 0),
                                  out.mutable_data()};
  {
    const py::gil_scoped_release release;
    attend_additively(call, kernels);
  }
  require_result(out);
  return out;
}

constexpr const char* kDoc = R"(Multi-head scaled dot-product attention (Vaswani et al. 2017).

q: (Tq, D), k: (Tk, D), v: (Tk, Dv) float32, C-contiguous. Returns (Tq, Dv) float32.
edgeface.kernels.attention says the rest. Releases the GIL.)";

constexpr const char* kAdditiveDoc = R"(Additive attention (Bahdanau et al. 2015).

q: (Tq, Dq), k: (Tk, Dk), v: (Tk, Dv), w_q: (A, Dq), w_k: (A, Dk), w: (A,) float32,
C-contiguous. Returns (Tq, Dv) float32. edgeface.kernels.additive_attention says the rest.
Releases the GIL.)";

}  // namespace

void bind_attention(py::module_& m) {
  m.def("attention", &attention, kDoc, py::arg("q"), py::arg("k"), py::arg("v"), py::kw_only(),
        py::arg("heads") = 1, py::arg("scale") = py::none(), py::arg("isa") = py::none());
  m.def("additive_attention", &additive_attention, kAdditiveDoc, py::arg("q"), py::arg("k"),
        py::arg("v"), py::kw_only(), py::arg("w_q"), py::arg("w_k"), py::arg("w"),
        py::arg("isa") = py::none());
}

}  // namespace edgeface
