// Which instruction sets were compiled, and which of them this processor has.
#include "kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif
#ifdef HAS_AVX2VNNI
#include <cpuid.h>
#endif

namespace camelid {

#ifdef HAS_AVX512
namespace avx512 {
extern const Kernels* const table;
}
static bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}
#endif
#ifdef HAS_AVX2
namespace avx2 {
extern const Kernels* const table;
}
static bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif
#ifdef HAS_AVX2VNNI
namespace avx2vnni {
extern const Kernels* const table;
}
static bool has_avx2vnni() {  // the compiler's own test does not know its name everywhere
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif
#ifdef HAS_NEON
namespace neon {
extern const Kernels* const table;
}
static bool has_neon() {
#if defined(__APPLE__)
  return true;  // every Mac with an M has the dot products
#elif defined(__linux__)
  return getauxval(AT_HWCAP) & (1ul << 20);  // HWCAP_ASIMDDP
#else
  return false;
#endif
}
#endif
namespace plain {
extern const Kernels* const table;
}
static bool always() { return true; }

const IsaEntry ISAS[] = {
#ifdef HAS_AVX512
    {"avx512", has_avx512, avx512::table},
#endif
#ifdef HAS_AVX2VNNI
    {"avx2vnni", has_avx2vnni, avx2vnni::table},
#endif
#ifdef HAS_AVX2
    {"avx2", has_avx2, avx2::table},
#endif
#ifdef HAS_NEON
    {"neon", has_neon, neon::table},
#endif
    {"plain", always, plain::table},
    {nullptr, nullptr, nullptr},
};

}  // namespace camelid
