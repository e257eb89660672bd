#include "arrays.h"

#include <algorithm>
#include <cmath>

namespace edgeface {

std::string describe(const py::array& array) {
  return py::str(array.dtype()).cast<std::string>() + " of shape " +
         py::str(array.attr("shape")).cast<std::string>();
}

template <typename T>
py::array_t<T> require_array(const py::object& object, const char* name, py::ssize_t dimensions,
                             const char* shape) {
  const auto dtype = py::str(py::dtype::of<T>()).cast<std::string>();
  const std::string expected =
      "; expected a C-contiguous " + dtype + " ndarray of shape " + std::string(shape);
  const std::string fix = std::string("; convert it with numpy.ascontiguousarray(") + name +
                          ", dtype=numpy." + dtype + ")";
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(std::string(name) + " is a " + Py_TYPE(object.ptr())->tp_name + expected +
                         fix);
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != dimensions) {
    throw py::value_error(std::string(name) + " is " + describe(array) + expected);
  }
  if (!py::isinstance<py::array_t<T>>(array)) {
    throw py::value_error(std::string(name) + " is " + describe(array) + expected + fix);
  }
  constexpr int kNeeded = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if ((array.flags() & kNeeded) != kNeeded) {
    throw py::value_error(std::string(name) + " is not C-contiguous and aligned" + expected + fix);
  }
  return py::reinterpret_borrow<py::array_t<T>>(object);
}

template py::array_t<float> require_array(const py::object&, const char*, py::ssize_t, const char*);
template py::array_t<std::int8_t> require_array(const py::object&, const char*, py::ssize_t,
                                                const char*);

MatrixView require_matrix(const py::object& object, const char* name, py::ssize_t dimensions) {
  const auto array =
      require_array<float>(object, name, dimensions, dimensions == 2 ? "(N, D)" : "(D,)");
  const auto rows = static_cast<std::size_t>(dimensions == 2 ? array.shape(0) : 1);
  return {array.data(), rows, static_cast<std::size_t>(array.shape(dimensions - 1))};
}

namespace {

bool all_finite(const py::array_t<float>& array) {
  const float* end = array.data() + array.size();
  return std::all_of(array.data(), end, [](float value) { return std::isfinite(value); });
}

}  // namespace

void require_finite(const py::array_t<float>& array, const char* name) {
  if (all_finite(array)) return;
  throw py::value_error(std::string(name) +
                        " holds NaN or infinity; expected finite values; check what made it");
}

void require_result(const py::array_t<float>& result) {
  if (all_finite(result)) return;
  throw py::value_error("the result overflows float32; expected smaller inputs; scale them down");
}

void require_seven_bits(const py::array_t<std::int8_t>& array, const char* name) {
  const std::int8_t* end = array.data() + array.size();
  if (std::find(array.data(), end, std::int8_t{-128}) == end) return;
  throw py::value_error(std::string(name) +
                        " holds -128; expected INT8 weights within [-127, 127]: the products of two"
                        " bytes must fit 16 bits; scale them by the largest magnitude / 127");
}

const KernelSet& kernels_for(const py::object& isa) {
  return isa.is_none() ? active_kernels() : find_kernels(isa.cast<std::string>());
}

}  // namespace edgeface
