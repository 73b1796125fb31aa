// Vectors of 16 in one register: AVX-512 F, BW, DQ, VL and VNNI.
using F = __m512;
using I = __m512i;
using B = __m512i;

static inline F load(const float* p) { return _mm512_loadu_ps(p); }
static inline void store(float* p, F a) { _mm512_storeu_ps(p, a); }
static inline F set(float x) { return _mm512_set1_ps(x); }
static inline F add(F a, F b) { return _mm512_add_ps(a, b); }
static inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
static inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
static inline F div(F a, F b) { return _mm512_div_ps(a, b); }
static inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
static inline F max(F a, F b) { return _mm512_max_ps(a, b); }
static inline F min(F a, F b) { return _mm512_min_ps(a, b); }
static inline F abs(F a) { return _mm512_abs_ps(a); }
static inline F where_below(F x, F limit, F otherwise, F below) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), otherwise, below);
}
static inline F keep_first(F a, int count, float rest) {
  __mmask16 kept = count >= 16 ? 0xffff : count <= 0 ? 0 : __mmask16((1u << count) - 1);
  return _mm512_mask_blend_ps(kept, set(rest), a);
}

static inline F load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
static inline F load_half(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

static inline I load_int(const int32_t* p) { return _mm512_loadu_si512(p); }
static inline I set_int(int32_t x) { return _mm512_set1_epi32(x); }
static inline I add_int(I a, I b) { return _mm512_add_epi32(a, b); }
static inline I mul_int(I a, I b) { return _mm512_mullo_epi32(a, b); }
static inline I xor_int(I a, I b) { return _mm512_xor_si512(a, b); }
static inline I and_int(I a, I b) { return _mm512_and_si512(a, b); }
template <int N>
static inline I shift_left(I a) { return _mm512_slli_epi32(a, N); }
template <int N>
static inline I shift_right(I a) { return _mm512_srli_epi32(a, N); }
static inline F to_float(I a) { return _mm512_cvtepi32_ps(a); }
static inline I round_int(F a) { return _mm512_cvtps_epi32(a); }
static inline F as_float(I a) { return _mm512_castsi512_ps(a); }
static inline I as_int(F a) { return _mm512_castps_si512(a); }
static inline void store_int(int32_t* p, I a) { _mm512_storeu_si512(p, a); }
static inline void store_bytes(int8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}

// 32 integers of 16 bits, and the sums of 16 pairs of products.
using W = __m512i;
static inline W load_words(const int16_t* p) { return _mm512_loadu_si512(p); }
static inline void store_words(int16_t* p, I a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a));
}
using Pair = __m512i;
static inline Pair pair(const int16_t* p) {
  int32_t both;
  __builtin_memcpy(&both, p, 4);
  return _mm512_set1_epi32(both);
}
static inline I dot_words(I sum, W w, Pair x) { return _mm512_dpwssd_epi32(sum, w, x); }

static inline B load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
static inline B low_nibbles(B a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
static inline B high_nibbles(B a) { return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15)); }

using Spread = __m512i;
static inline Spread spread(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
static inline I begin_bytes(int32_t start) { return _mm512_set1_epi32(start); }
static inline I begin_nibbles(int32_t start) { return _mm512_set1_epi32(start); }
static inline B as_weights(B a) { return a; }
static inline I dot_bytes(I sum, B w, Spread x) { return _mm512_dpbusd_epi32(sum, w, x); }
static inline I dot_nibbles(I sum, B w, Spread x) { return _mm512_dpbusd_epi32(sum, w, x); }
