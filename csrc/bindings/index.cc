// edgeface._native.Index: an index over arrays that Python allocates or maps.
#include "../index.h"

#include <pybind11/stl.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../memory.h"
#include "arrays.h"

namespace edgeface {

namespace {

template <typename T>
T* data_of(py::array_t<T>& array) {
  return const_cast<T*>(array.data());
}

void require_size(const char* name, py::ssize_t found, std::size_t expected) {
  if (static_cast<std::size_t>(found) == expected) return;
  throw py::value_error(std::string(name) + " has " + std::to_string(found) + " bytes; expected " +
                        std::to_string(expected) + " for this capacity and dimension");
}

// Norms: bounds hold for rows of at most this length only.
void require_unit(const MatrixView& matrix, const char* name, const KernelSet& kernels) {
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    const float squared = kernels.dot_f32(matrix.row(r), matrix.row(r), matrix.columns);
    if (squared <= kLongestRow * kLongestRow) continue;  // false for NaN too
    throw py::value_error(std::string(name) + " " + std::to_string(r) + " has the length " +
                          std::to_string(std::sqrt(squared)) +
                          "; expected unit L2 vectors without NaN; check the embedding that made"
                          " it");
  }
}

class PyIndex {
 public:
  PyIndex(py::array_t<float> rows, py::array_t<std::uint8_t> used,
          std::optional<py::array_t<std::uint8_t>> codes,
          std::optional<py::array_t<std::uint8_t>> sketch, std::optional<py::array_t<float>> basis,
          std::optional<py::array_t<float>> steps, std::size_t size, std::size_t threads,
          const std::vector<int>& cpus, const py::object& isa)
      : rows_(std::move(rows)),
        used_(std::move(used)),
        codes_(std::move(codes)),
        sketch_(std::move(sketch)),
        basis_(std::move(basis)),
        steps_(std::move(steps)),
        kernels_(kernels_for(isa)),
        workers_(threads, cpus),
        index_(checked_arrays(size), size, kernels_, workers_) {}

  py::tuple search(const py::object& probes, std::size_t k, double threshold) const {
    const MatrixView view = require_matrix(probes, "probes", 2);
    if (view.columns != dim()) {
      throw py::value_error("the probe has " + std::to_string(view.columns) +
                            " elements and the index's rows have " + std::to_string(dim()) +
                            "; expected the same; compare embeddings of one model only");
    }
    require_unit(view, "probe", kernels_);
    SearchResult result;
    {
      const py::gil_scoped_release release;
      result = index_.search({view, k, threshold});
    }
    if (result.bad_row != kAllFinite) {
      throw py::value_error("row " + std::to_string(result.bad_row) +
                            " has no finite score: its data is damaged; build the index again");
    }
    return to_tuple(result, view.rows);
  }

  void set_rows(const py::object& rows, std::size_t first) {
    const MatrixView view = require_matrix(rows, "rows", 2);
    if (view.columns != dim() || first > capacity() || view.rows > capacity() - first) {
      throw py::value_error("rows of shape (" + std::to_string(view.rows) + ", " +
                            std::to_string(view.columns) + ") at " + std::to_string(first) +
                            "; expected them to fit (" + std::to_string(capacity()) + ", " +
                            std::to_string(dim()) + ")");
    }
    const bool in_place = view.data == rows_.data() + first * dim();
    require_writable(in_place);
    require_unit(view, "row", kernels_);
    const py::gil_scoped_release release;
    index_.set_rows(in_place ? nullptr : view.data, first, view.rows);
  }

  void remove(std::size_t row) {
    if (row >= index_.size()) {
      throw py::index_error("row " + std::to_string(row) + "; expected below " +
                            std::to_string(index_.size()));
    }
    require_writable(false);
    const py::gil_scoped_release release;
    index_.remove(row);
  }

  std::size_t size() const { return index_.size(); }

 private:
  void require_writable(bool rows_stay) const {
    const bool codes = !codes_ || codes_->writeable(), sketch = !sketch_ || sketch_->writeable();
    if ((rows_stay || rows_.writeable()) && used_.writeable() && codes && sketch) return;
    throw py::value_error("the index's arrays are read-only; expected writable ones");
  }

  std::size_t capacity() const { return static_cast<std::size_t>(rows_.shape(0)); }
  std::size_t dim() const { return static_cast<std::size_t>(rows_.shape(1)); }

  IndexArrays checked_arrays(std::size_t size) {
    if (rows_.ndim() != 2) throw py::value_error("rows: expected (capacity, D)");
    if (dim() < 1 || dim() > kMostDims) {
      throw py::value_error("rows have " + std::to_string(dim()) + " dimensions; expected 1 to " +
                            std::to_string(kMostDims));
    }
    if (size > capacity()) throw py::value_error("size exceeds the capacity");
    const std::size_t blocks = (capacity() + kBlockRows - 1) / kBlockRows;
    require_size("used", used_.nbytes(), capacity());
    if (codes_) require_size("codes", codes_->nbytes(), blocks * block_bytes(groups_i8(dim())));
    Basis basis = {nullptr, nullptr, 0};
    if (sketch_) {
      if (!basis_ || !steps_) throw py::value_error("a sketch needs basis and steps");
      basis = {basis_->data(), steps_->data(), static_cast<std::size_t>(steps_->size())};
      if (basis.dims == 0 || basis.dims % 32 != 0) {
        throw py::value_error("steps: expected a multiple of 32 of them");
      }
      require_size("basis", basis_->nbytes(), basis.dims * dim() * sizeof(float));
      require_size("sketch", sketch_->nbytes(), blocks * block_bytes(groups_i4(basis.dims)));
    }
    return {data_of(rows_),
            data_of(used_),
            codes_ ? data_of(*codes_) : nullptr,
            sketch_ ? data_of(*sketch_) : nullptr,
            basis,
            capacity(),
            dim()};
  }

  py::tuple to_tuple(const SearchResult& result, std::size_t probes) const {
    py::list answers;
    for (std::size_t q = 0; q < probes; ++q) {
      const auto found = static_cast<py::ssize_t>(result.found[q]);
      py::array_t<std::int64_t> indices(found);
      py::array_t<float> scores(found);
      for (py::ssize_t i = 0; i < found; ++i) {
        const Match& match = result.best[q * result.keep + static_cast<std::size_t>(i)];
        indices.mutable_at(i) = match.index;
        scores.mutable_at(i) = match.score;
      }
      answers.append(py::make_tuple(std::move(indices), std::move(scores)));
    }
    const ScanCounts& counts = result.counts;
    return py::make_tuple(answers,
                          py::make_tuple(counts.sketch_blocks, counts.code_blocks, counts.rows));
  }

  py::array_t<float> rows_;
  py::array_t<std::uint8_t> used_;
  std::optional<py::array_t<std::uint8_t>> codes_, sketch_;
  std::optional<py::array_t<float>> basis_, steps_;
  const KernelSet& kernels_;
  Workers workers_;
  Index index_;
};

double read_seconds(const py::array_t<std::uint8_t, py::array::c_style>& bytes,
                    std::size_t threads) {
  if (threads < 1) throw py::value_error("threads is 0; expected at least 1");
  Workers workers(threads, {});
  const std::uint8_t* data = bytes.data();
  const auto count = static_cast<std::size_t>(bytes.nbytes());
  const py::gil_scoped_release release;
  const auto start = std::chrono::steady_clock::now();
  const volatile std::uint64_t kept = read_all(data, count, workers);
  static_cast<void>(kept);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr const char* kIndexDoc = R"(Exact search over arrays that the caller keeps and may map.

Use edgeface.index.CosineIndex, which allocates, checks and saves them.)";

constexpr const char* kSearchDoc = R"(The best k rows of each probe whose score reaches threshold.

probes: (Q, D) float32, at most unit length. Returns (a list of Q tuples (indices (m,) int64,
scores (m,) float32), best first, equal scores by lower index; (sketch blocks, code blocks, rows)
that were read). Releases the GIL.)";

}  // namespace

void bind_index(py::module_& m) {
  py::class_<PyIndex>(m, "Index", kIndexDoc)
      .def(py::init<py::array_t<float>, py::array_t<std::uint8_t>,
                    std::optional<py::array_t<std::uint8_t>>,
                    std::optional<py::array_t<std::uint8_t>>, std::optional<py::array_t<float>>,
                    std::optional<py::array_t<float>>, std::size_t, std::size_t,
                    const std::vector<int>&, const py::object&>(),
           py::kw_only(), py::arg("rows").noconvert(), py::arg("used").noconvert(),
           py::arg("codes").noconvert(), py::arg("sketch").noconvert(),
           py::arg("basis").noconvert(), py::arg("steps").noconvert(), py::arg("size"),
           py::arg("threads"), py::arg("cpus"), py::arg("isa"))
      .def("search", &PyIndex::search, kSearchDoc, py::arg("probes"), py::kw_only(), py::arg("k"),
           py::arg("threshold"))
      .def("set_rows", &PyIndex::set_rows, "Write and encode rows (n, D) from row `first` on.",
           py::arg("rows"), py::kw_only(), py::arg("first"))
      .def("remove", &PyIndex::remove, "Mark a row unused and wipe it.", py::arg("row"))
      .def_property_readonly("size", &PyIndex::size, "Rows that were ever used end here.");
  m.attr("MOST_DIMS") = kMostDims;
  m.def("block_bytes", &block_bytes, "Bytes of a block of 16 rows of so many groups.",
        py::arg("groups"));
  m.def("read_seconds", &read_seconds, "Seconds to read an array once, on so many threads.",
        py::arg("bytes"), py::arg("threads"));
}

}  // namespace edgeface
