// Any machine: the compiler's own vectors, if it finds some.
#include "bits.h"
#include "kernels.h"

#define ISA_NAME "plain"
namespace camelid::plain {
constexpr int MOST_ROWS = 1, FEW_ROWS = 0;
#include "lanes_plain.h"
#include "kernels.inl"
extern const Kernels* const table;
const Kernels* const table = &KERNELS;
}  // namespace camelid::plain
