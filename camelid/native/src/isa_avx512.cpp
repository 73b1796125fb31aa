// AVX-512 with VNNI: servers since 2019, AMD's laptops since 2022.
#include <immintrin.h>

#include "bits.h"
#include "kernels.h"

#define ISA_NAME "avx512"
namespace camelid::avx512 {
constexpr int MOST_ROWS = 6, FEW_ROWS = 3;
#include "lanes_avx512.h"
#include "kernels.inl"
extern const Kernels* const table;
const Kernels* const table = &KERNELS;
}  // namespace camelid::avx512
