// Vectors of 16 in two registers: AVX2, FMA and F16C; with AVX-VNNI where WITH_VNNI says so.
struct F {
  __m256 a, b;
};
struct I {
  __m256i a, b;
};
using B = I;

static inline __m256i load_si(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

static inline F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void store(float* p, F x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
static inline F set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
static inline F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
static inline F sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
static inline F mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
static inline F div(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
static inline F fma(F x, F y, F z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
static inline F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
static inline F min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
static inline F abs(F x) {
  __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(x.a, mask), _mm256_and_ps(x.b, mask)};
}
static inline F where_below(F x, F limit, F otherwise, F below) {
  return {_mm256_blendv_ps(otherwise.a, below.a, _mm256_cmp_ps(x.a, limit.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(otherwise.b, below.b, _mm256_cmp_ps(x.b, limit.b, _CMP_LT_OQ))};
}
static inline F keep_first(F x, int count, float rest) {
  const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256 low = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), places));
  __m256 high = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count - 8), places));
  __m256 other = _mm256_set1_ps(rest);
  return {_mm256_blendv_ps(other, x.a, low), _mm256_blendv_ps(other, x.b, high)};
}

static inline __m256 bf16_8(const uint16_t* p) {
  __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
}
static inline F load_bf16(const uint16_t* p) { return {bf16_8(p), bf16_8(p + 8)}; }
static inline F load_half(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}

static inline I load_int(const int32_t* p) { return {load_si(p), load_si(p + 8)}; }
static inline I set_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
static inline I add_int(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
static inline I mul_int(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
static inline I xor_int(I x, I y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
static inline I and_int(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
template <int N>
static inline I shift_left(I x) { return {_mm256_slli_epi32(x.a, N), _mm256_slli_epi32(x.b, N)}; }
template <int N>
static inline I shift_right(I x) { return {_mm256_srli_epi32(x.a, N), _mm256_srli_epi32(x.b, N)}; }
static inline F to_float(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
static inline I round_int(F x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
static inline F as_float(I x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
static inline I as_int(F x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
static inline void store_int(int32_t* p, I x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
static inline void store_bytes(int8_t* p, I x) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

// 32 integers of 16 bits, and the sums of 16 pairs of products.
using W = I;
static inline W load_words(const int16_t* p) { return {load_si(p), load_si(p + 16)}; }
static inline void store_words(int16_t* p, I x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8));
}
using Pair = __m256i;
static inline Pair pair(const int16_t* p) {
  int32_t both;
  __builtin_memcpy(&both, p, 4);
  return _mm256_set1_epi32(both);
}
static inline I dot_words(I sum, W w, Pair x) {
  return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(w.a, x)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(w.b, x))};
}

static inline B load_bytes(const uint8_t* p) { return {load_si(p), load_si(p + 32)}; }
static inline B low_nibbles(B x) {
  __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
static inline B high_nibbles(B x) {
  __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(_mm256_srli_epi16(x.a, 4), mask), _mm256_and_si256(_mm256_srli_epi16(x.b, 4), mask)};
}

using Spread = __m256i;
static inline Spread spread(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
static inline I begin_nibbles(int32_t start) { return set_int(start); }
#ifdef WITH_VNNI
static inline I begin_bytes(int32_t start) { return set_int(start); }
static inline B as_weights(B x) { return x; }
static inline I dot_bytes(I sum, B w, Spread x) {
  return {_mm256_dpbusd_avx_epi32(sum.a, w.a, x), _mm256_dpbusd_avx_epi32(sum.b, w.b, x)};
}
static inline I dot_nibbles(I sum, B w, Spread x) { return dot_bytes(sum, w, x); }
#else
static inline __m256i add_pairs(__m256i sum, __m256i words) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}
static inline I dot_nibbles(I sum, B w, Spread x) {  // at most 15 · 127 · 2: no word overflows
  return {add_pairs(sum.a, _mm256_maddubs_epi16(w.a, x)), add_pairs(sum.b, _mm256_maddubs_epi16(w.b, x))};
}
// A byte times a code can overflow a word, a signed weight's magnitude times a code cannot: at most 128 · 127 · 2.
static inline I begin_bytes(int32_t) { return set_int(0); }
static inline B as_weights(B x) {
  __m256i offset = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(x.a, offset), _mm256_xor_si256(x.b, offset)};
}
static inline I dot_bytes(I sum, B w, Spread x) {
  return {add_pairs(sum.a, _mm256_maddubs_epi16(_mm256_abs_epi8(w.a), _mm256_sign_epi8(x, w.a))),
          add_pairs(sum.b, _mm256_maddubs_epi16(_mm256_abs_epi8(w.b), _mm256_sign_epi8(x, w.b)))};
}
#endif
