// A low-rank change of some products of a model, that a request can ask for.
#pragma once

#include <array>
#include <vector>

#include "kernels.h"

namespace camelid {

enum Product : int { QKV, OUT, GATE_UP, DOWN, PRODUCTS };

// B (A x) is added to a product of x; none where there is no data. B has the panels of the weights that it changes.
struct Change {
  Matrix a, b;
  bool is_there() const { return a.data != nullptr; }
};

struct Adapter {
  std::vector<std::array<Change, PRODUCTS>> layers;
  int rank = 0;  // the most numbers that an A makes of a row
};

}  // namespace camelid
