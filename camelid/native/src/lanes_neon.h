// Vectors of 16 in four registers: Arm's NEON with the dot products of Armv8.2.
struct F {
  float32x4_t v[4];
};
struct I {
  int32x4_t v[4];
};
struct B {
  uint8x16_t v[4];
};

#define EACH for (int i = 0; i < 4; i++)

static inline F load(const float* p) { F r; EACH r.v[i] = vld1q_f32(p + 4 * i); return r; }
static inline void store(float* p, F a) { EACH vst1q_f32(p + 4 * i, a.v[i]); }
static inline F set(float x) { F r; EACH r.v[i] = vdupq_n_f32(x); return r; }
static inline F add(F a, F b) { EACH a.v[i] = vaddq_f32(a.v[i], b.v[i]); return a; }
static inline F sub(F a, F b) { EACH a.v[i] = vsubq_f32(a.v[i], b.v[i]); return a; }
static inline F mul(F a, F b) { EACH a.v[i] = vmulq_f32(a.v[i], b.v[i]); return a; }
static inline F div(F a, F b) { EACH a.v[i] = vdivq_f32(a.v[i], b.v[i]); return a; }
static inline F fma(F a, F b, F c) { EACH c.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]); return c; }
static inline F max(F a, F b) { EACH a.v[i] = vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); return a; }
static inline F min(F a, F b) { EACH a.v[i] = vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); return a; }
static inline F abs(F a) { EACH a.v[i] = vabsq_f32(a.v[i]); return a; }
static inline F where_below(F x, F limit, F otherwise, F below) {
  EACH x.v[i] = vbslq_f32(vcltq_f32(x.v[i], limit.v[i]), below.v[i], otherwise.v[i]);
  return x;
}
static inline F keep_first(F a, int count, float rest) {
  float v[16];
  store(v, a);
  for (int i = count < 0 ? 0 : count; i < 16; i++) v[i] = rest;
  return load(v);
}

static inline F load_bf16(const uint16_t* p) {
  F r; EACH r.v[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); return r;
}
static inline F load_half(const uint16_t* p) {
  F r; EACH r.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); return r;
}

static inline I load_int(const int32_t* p) { I r; EACH r.v[i] = vld1q_s32(p + 4 * i); return r; }
static inline I set_int(int32_t x) { I r; EACH r.v[i] = vdupq_n_s32(x); return r; }
static inline I add_int(I a, I b) { EACH a.v[i] = vaddq_s32(a.v[i], b.v[i]); return a; }
static inline I mul_int(I a, I b) { EACH a.v[i] = vmulq_s32(a.v[i], b.v[i]); return a; }
static inline I xor_int(I a, I b) { EACH a.v[i] = veorq_s32(a.v[i], b.v[i]); return a; }
static inline I and_int(I a, I b) { EACH a.v[i] = vandq_s32(a.v[i], b.v[i]); return a; }
template <int N>
static inline I shift_left(I a) { EACH a.v[i] = vshlq_n_s32(a.v[i], N); return a; }
template <int N>
static inline I shift_right(I a) {
  EACH a.v[i] = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a.v[i]), N));
  return a;
}
static inline F to_float(I a) { F r; EACH r.v[i] = vcvtq_f32_s32(a.v[i]); return r; }
static inline I round_int(F a) { I r; EACH r.v[i] = vcvtnq_s32_f32(a.v[i]); return r; }
static inline F as_float(I a) { F r; EACH r.v[i] = vreinterpretq_f32_s32(a.v[i]); return r; }
static inline I as_int(F a) { I r; EACH r.v[i] = vreinterpretq_s32_f32(a.v[i]); return r; }
static inline void store_int(int32_t* p, I a) { EACH vst1q_s32(p + 4 * i, a.v[i]); }
static inline void store_bytes(int8_t* p, I a) {
  int32_t v[16];
  store_int(v, a);
  for (int i = 0; i < 16; i++) p[i] = int8_t(v[i]);
}

// 32 integers of 16 bits, and the sums of 16 pairs of products.
struct W {
  int16x8_t v[4];
};
static inline W load_words(const int16_t* p) { W r; EACH r.v[i] = vld1q_s16(p + 8 * i); return r; }
static inline void store_words(int16_t* p, I a) { EACH vst1_s16(p + 4 * i, vmovn_s32(a.v[i])); }
using Pair = int16x8_t;
static inline Pair pair(const int16_t* p) {
  int32_t both;
  __builtin_memcpy(&both, p, 4);
  return vreinterpretq_s16_s32(vdupq_n_s32(both));
}
static inline I dot_words(I sum, W w, Pair x) {
  EACH {
    int32x4_t low = vmull_s16(vget_low_s16(w.v[i]), vget_low_s16(x)), high = vmull_high_s16(w.v[i], x);
    sum.v[i] = vaddq_s32(sum.v[i], vpaddq_s32(low, high));
  }
  return sum;
}

static inline B load_bytes(const uint8_t* p) { B r; EACH r.v[i] = vld1q_u8(p + 16 * i); return r; }
static inline B low_nibbles(B a) { EACH a.v[i] = vandq_u8(a.v[i], vdupq_n_u8(15)); return a; }
static inline B high_nibbles(B a) { EACH a.v[i] = vshrq_n_u8(a.v[i], 4); return a; }

using Spread = int8x16_t;
static inline Spread spread(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
// Signed times signed: bytes lose their offset first, nibbles are small enough to be signed as they are.
static inline I begin_bytes(int32_t) { return set_int(0); }
static inline I begin_nibbles(int32_t start) { return set_int(start); }
static inline B as_weights(B a) { EACH a.v[i] = veorq_u8(a.v[i], vdupq_n_u8(128)); return a; }
static inline I dot_bytes(I sum, B w, Spread x) {
  EACH sum.v[i] = vdotq_s32(sum.v[i], vreinterpretq_s8_u8(w.v[i]), x);
  return sum;
}
static inline I dot_nibbles(I sum, B w, Spread x) { return dot_bytes(sum, w, x); }

#undef EACH
