// What every binding asks of NumPy arrays, with one wording of the errors.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "../dispatch.h"
#include "../match.h"

namespace edgeface {

namespace py = pybind11;

// "float32 of shape (3, 4)", for error texts.
std::string describe(const py::array& array);

// `object` as a C-contiguous, aligned array of `T` with `dimensions` axes. Converts nothing: a
// silent copy of a gallery would double the memory of a board. Raises TypeError for what is no
// ndarray, ValueError for another shape, dtype or layout; `shape` is how the text calls it.
template <typename T>
py::array_t<T> require_array(const py::object& object, const char* name, py::ssize_t dimensions,
                             const char* shape);

// A view of `object` as (rows, columns) float32; a vector is one row.
MatrixView require_matrix(const py::object& object, const char* name, py::ssize_t dimensions);

// Raises ValueError when a value is NaN or infinite.
void require_finite(const py::array_t<float>& array, const char* name);

// Raises ValueError when a result is NaN or infinite although its inputs were finite.
void require_result(const py::array_t<float>& result);

// Raises ValueError when a value is -128: kernels/gemm.h says why.
void require_seven_bits(const py::array_t<std::int8_t>& array, const char* name);

// The kernels of the ISA that `isa` names, or the active ones for None.
const KernelSet& kernels_for(const py::object& isa);

// One function per file of bindings/: adds that file's names to the module.
void bind_attention(py::module_& m);
void bind_gemm(py::module_& m);
void bind_head(py::module_& m);
void bind_index(py::module_& m);
void bind_match(py::module_& m);
void bind_rows(py::module_& m);

}  // namespace edgeface
