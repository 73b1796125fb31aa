// Arm's NEON with dot products: Apple's M series, servers and phones since 2018.
#include <arm_neon.h>

#include "bits.h"
#include "kernels.h"

#define ISA_NAME "neon"
namespace camelid::neon {
constexpr int MOST_ROWS = 2, FEW_ROWS = 0;
#include "lanes_neon.h"
#include "kernels.inl"
extern const Kernels* const table;
const Kernels* const table = &KERNELS;
}  // namespace camelid::neon
