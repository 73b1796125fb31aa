// AVX2 with AVX-VNNI: laptops since 2021 that have no AVX-512.
#include <immintrin.h>

#include "bits.h"
#include "kernels.h"

#define ISA_NAME "avx2vnni"
#define WITH_VNNI
namespace camelid::avx2vnni {
constexpr int MOST_ROWS = 2, FEW_ROWS = 0;
#include "lanes_avx2.h"
#include "kernels.inl"
extern const Kernels* const table;
const Kernels* const table = &KERNELS;
}  // namespace camelid::avx2vnni
