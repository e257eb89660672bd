#include "vec_f32_avx2.h"
// After the vector that it is written in.
#include "rows_f32.h"

namespace edgeface {

const RowsF32 rows_f32_avx2 = kRows;

}  // namespace edgeface
