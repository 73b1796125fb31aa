// Weights as a model folder has them, (outputs, inputs) row by row, into the panels of kernels.h.
#pragma once

#include <vector>

#include "kernels.h"
#include "pool.h"

namespace camelid {

enum class Number : int { f32, bf16, f16 };

struct Source {
  Number number;
  const void* data;
  int outputs;
};

// Packs the sources, each (outputs, inputs), one under the other, or their panels in turn; `matrix` says how, and
// `out` has room for its bytes. Returns whether all weights are finite, and their scales too.
bool pack(const std::vector<Source>&, bool in_turn, const Matrix& matrix, uint8_t* out, Pool&);

}  // namespace camelid
