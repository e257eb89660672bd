#include "vec_f32_avx512vnni.h"
// After the vector that it is written in.
#include "rows_f32.h"

namespace edgeface {

const RowsF32 rows_f32_avx512vnni = kRows;

}  // namespace edgeface
