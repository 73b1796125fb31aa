// AVX2, FMA and F16C: x86 since 2013.
#include <immintrin.h>

#include "bits.h"
#include "kernels.h"

#define ISA_NAME "avx2"
namespace camelid::avx2 {
constexpr int MOST_ROWS = 2, FEW_ROWS = 0;
#include "lanes_avx2.h"
#include "kernels.inl"
extern const Kernels* const table;
const Kernels* const table = &KERNELS;
}  // namespace camelid::avx2
