// edgeface._native: the module and its dispatch. The other files of this folder check shapes and
// dtypes, word errors for Python and release the GIL; nothing else in csrc/ knows Python.
// std::invalid_argument becomes ValueError.
#include "arrays.h"
#include "cpu.h"

namespace edgeface {

namespace {

py::list isa_names() {
  py::list names;
  for (const std::string& name : supported_isas()) names.append(name);
  return names;
}

constexpr const char* kActiveDoc =
    R"(ISA whose kernels run: EDGEFACE_ISA's, else the best that the CPU has.

Raises ValueError, listing what there is, when EDGEFACE_ISA names another.)";

}  // namespace

}  // namespace edgeface

PYBIND11_MODULE(_native, m) {
  using namespace edgeface;
  m.doc() = "Native kernels of edgeface: exact cosine matching, the attention head.";
  m.attr("__version__") = EDGEFACE_VERSION;
  m.def("active_isa", [] { return std::string(active_kernels().isa); }, kActiveDoc);
  m.def("supported_isas", &isa_names, "ISAs that this CPU can run, best first.");
  m.def("int8_sums_saturate", &cpu_int8_sums_saturate,
        "Whether this is an x86 CPU without VNNI, where 8-bit products are added in 16 bits.");
  bind_attention(m);
  bind_gemm(m);
  bind_head(m);
  bind_index(m);
  bind_match(m);
  bind_rows(m);
}
