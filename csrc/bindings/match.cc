// Cosine matching over arrays that the caller owns.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"

namespace edgeface {

namespace {

void require_same_width(const MatrixView& gallery, const MatrixView& probes) {
  if (gallery.columns == probes.columns) return;
  throw py::value_error("the probe has " + std::to_string(probes.columns) +
                        " elements and the gallery's rows have " + std::to_string(gallery.columns) +
                        "; expected the same; compare embeddings of one model only");
}

// `what` names the input: "probe" or "gallery row 17".
[[noreturn]] void refuse_not_finite(const std::string& what) {
  throw py::value_error(what + " holds NaN, infinity or values whose products overflow;" +
                        " expected unit L2 vectors; check the embedding that made it");
}

bool all_finite(const MatrixView& matrix) {
  const float* end = matrix.data + matrix.rows * matrix.columns;
  return std::all_of(matrix.data, end, [](float value) { return std::isfinite(value); });
}

std::size_t require_keep(py::ssize_t k, const MatrixView& gallery) {
  if (k < 1) throw py::value_error("k is " + std::to_string(k) + "; expected at least 1");
  return std::min(static_cast<std::size_t>(k), gallery.rows);
}

std::vector<Match> search(const MatrixView& gallery, const MatrixView& probes, std::size_t keep,
                          const KernelSet& kernels) {
  require_same_width(gallery, probes);
  if (!all_finite(probes)) refuse_not_finite("the probe");
  std::vector<Match> best(probes.rows * keep);
  std::int64_t bad_row = kAllFinite;
  {
    const py::gil_scoped_release release;
    bad_row = cosine_topk(gallery, probes, keep, kernels, best.data());
  }
  if (bad_row != kAllFinite) refuse_not_finite("gallery row " + std::to_string(bad_row));
  return best;
}

py::tuple to_arrays(const std::vector<Match>& best, std::vector<py::ssize_t> shape) {
  py::array_t<std::int64_t> indices(shape);
  py::array_t<float> scores(std::move(shape));
  for (std::size_t i = 0; i < best.size(); ++i) {
    indices.mutable_data()[i] = best[i].index;
    scores.mutable_data()[i] = best[i].score;
  }
  return py::make_tuple(std::move(indices), std::move(scores));
}

py::tuple topk(const py::object& gallery, const py::object& probe, py::ssize_t k,
               const py::object& isa) {
  const MatrixView rows = require_matrix(gallery, "gallery", 2);
  const std::size_t keep = require_keep(k, rows);
  const auto best = search(rows, require_matrix(probe, "probe", 1), keep, kernels_for(isa));
  return to_arrays(best, {static_cast<py::ssize_t>(keep)});
}

py::tuple topk_batch(const py::object& gallery, const py::object& probes, py::ssize_t k,
                     const py::object& isa) {
  const MatrixView rows = require_matrix(gallery, "gallery", 2);
  const MatrixView queries = require_matrix(probes, "probes", 2);
  const std::size_t keep = require_keep(k, rows);
  const auto best = search(rows, queries, keep, kernels_for(isa));
  return to_arrays(best, {static_cast<py::ssize_t>(queries.rows), static_cast<py::ssize_t>(keep)});
}

float dot(const py::object& a, const py::object& b, const py::object& isa) {
  const MatrixView left = require_matrix(a, "a", 1);
  const MatrixView right = require_matrix(b, "b", 1);
  require_same_width(left, right);
  return kernels_for(isa).dot_f32(left.data, right.data, left.columns);
}

constexpr const char* kTopkDoc = R"(Best k rows of a gallery for one probe, exactly.

gallery: (N, D) float32, C-contiguous, unit L2 rows. probe: (D,) float32, unit L2.
k: at least 1. isa: run this ISA's kernels instead of the active ones (for tests).
Returns (indices (m,) int64, scores (m,) float32 cosine in [-1, 1]), m = min(k, N), best
first; equal scores by lower index. Releases the GIL: do not write to the arrays meanwhile.
Raises TypeError or ValueError for a wrong type, shape, layout or NaN.)";

constexpr const char* kTopkBatchDoc = R"(cosine_topk for Q probes in one pass over the gallery.

probes: (Q, D) float32, C-contiguous, unit L2 rows.
Returns (indices (Q, m) int64, scores (Q, m) float32); the rest is as in cosine_topk.)";

constexpr const char* kDotDoc =
    R"(Dot product of two (D,) float32 vectors by one ISA's kernel (for tests).)";

}  // namespace

void bind_match(py::module_& m) {
  m.def("cosine_topk", &topk, kTopkDoc, py::arg("gallery"), py::arg("probe"), py::arg("k"),
        py::kw_only(), py::arg("isa") = py::none());
  m.def("cosine_topk_batch", &topk_batch, kTopkBatchDoc, py::arg("gallery"), py::arg("probes"),
        py::arg("k"), py::kw_only(), py::arg("isa") = py::none());
  m.def("dot_f32", &dot, kDotDoc, py::arg("a"), py::arg("b"), py::kw_only(),
        py::arg("isa") = py::none());
}

}  // namespace edgeface
