// Vectors of 16 as plain loops: right on any machine, and what the others are proven against.
struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};
struct B {
  uint8_t v[64];
};

#define EACH for (int i = 0; i < 16; i++)

static inline F load(const float* p) { F r; EACH r.v[i] = p[i]; return r; }
static inline void store(float* p, F a) { EACH p[i] = a.v[i]; }
static inline F set(float x) { F r; EACH r.v[i] = x; return r; }
static inline F add(F a, F b) { F r; EACH r.v[i] = a.v[i] + b.v[i]; return r; }
static inline F sub(F a, F b) { F r; EACH r.v[i] = a.v[i] - b.v[i]; return r; }
static inline F mul(F a, F b) { F r; EACH r.v[i] = a.v[i] * b.v[i]; return r; }
static inline F div(F a, F b) { F r; EACH r.v[i] = a.v[i] / b.v[i]; return r; }
static inline F fma(F a, F b, F c) { F r; EACH r.v[i] = a.v[i] * b.v[i] + c.v[i]; return r; }
static inline F max(F a, F b) { F r; EACH r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return r; }
static inline F min(F a, F b) { F r; EACH r.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]; return r; }
static inline F abs(F a) { F r; EACH r.v[i] = a.v[i] < 0 ? -a.v[i] : a.v[i]; return r; }
// Where x is below the limit, the second; else the first.
static inline F where_below(F x, F limit, F otherwise, F below) {
  F r; EACH r.v[i] = x.v[i] < limit.v[i] ? below.v[i] : otherwise.v[i]; return r;
}
static inline F keep_first(F a, int count, float rest) { F r; EACH r.v[i] = i < count ? a.v[i] : rest; return r; }

static inline F load_bf16(const uint16_t* p) {
  F r; EACH r.v[i] = from_bits(uint32_t(p[i]) << 16); return r;
}
static inline F load_half(const uint16_t* p) { F r; EACH r.v[i] = half_to_float(p[i]); return r; }

static inline I load_int(const int32_t* p) { I r; EACH r.v[i] = p[i]; return r; }
static inline I set_int(int32_t x) { I r; EACH r.v[i] = x; return r; }
static inline I add_int(I a, I b) { I r; EACH r.v[i] = int32_t(uint32_t(a.v[i]) + uint32_t(b.v[i])); return r; }
static inline I mul_int(I a, I b) { I r; EACH r.v[i] = int32_t(uint32_t(a.v[i]) * uint32_t(b.v[i])); return r; }
static inline I xor_int(I a, I b) { I r; EACH r.v[i] = a.v[i] ^ b.v[i]; return r; }
static inline I and_int(I a, I b) { I r; EACH r.v[i] = a.v[i] & b.v[i]; return r; }
template <int N>
static inline I shift_left(I a) { I r; EACH r.v[i] = int32_t(uint32_t(a.v[i]) << N); return r; }
template <int N>
static inline I shift_right(I a) { I r; EACH r.v[i] = int32_t(uint32_t(a.v[i]) >> N); return r; }
static inline F to_float(I a) { F r; EACH r.v[i] = float(a.v[i]); return r; }
static inline I round_int(F a) { I r; EACH r.v[i] = round_even(a.v[i]); return r; }
static inline F as_float(I a) { F r; EACH r.v[i] = from_bits(uint32_t(a.v[i])); return r; }
static inline I as_int(F a) { I r; EACH r.v[i] = int32_t(to_bits(a.v[i])); return r; }
static inline void store_int(int32_t* p, I a) { EACH p[i] = a.v[i]; }
static inline void store_bytes(int8_t* p, I a) { EACH p[i] = int8_t(a.v[i]); }

// 32 integers of 16 bits, and the sums of 16 pairs of products.
struct W {
  int16_t v[32];
};
static inline W load_words(const int16_t* p) { W r; for (int i = 0; i < 32; i++) r.v[i] = p[i]; return r; }
static inline void store_words(int16_t* p, I a) { EACH p[i] = int16_t(a.v[i]); }
using Pair = const int16_t*;
static inline Pair pair(const int16_t* p) { return p; }
// Where nobody has written yet a block holds anything; sums of that wrap, and are thrown away.
static inline I dot_words(I sum, W w, Pair x) {
  EACH sum.v[i] = int32_t(uint32_t(sum.v[i]) + uint32_t(w.v[2 * i] * x[0]) + uint32_t(w.v[2 * i + 1] * x[1]));
  return sum;
}

static inline B load_bytes(const uint8_t* p) { B r; for (int i = 0; i < 64; i++) r.v[i] = p[i]; return r; }
static inline B low_nibbles(B a) { B r; for (int i = 0; i < 64; i++) r.v[i] = a.v[i] & 15; return r; }
static inline B high_nibbles(B a) { B r; for (int i = 0; i < 64; i++) r.v[i] = a.v[i] >> 4; return r; }
static inline int32_t four(const int8_t* p) { int32_t r; __builtin_memcpy(&r, p, 4); return r; }

// Sums of four products of bytes (0 to 255) and codes (-127 to 127), 16 times.
using Spread = int32_t;
static inline Spread spread(const int8_t* p) { return four(p); }
static inline I begin_bytes(int32_t start) { return set_int(start); }
static inline I begin_nibbles(int32_t start) { return set_int(start); }
static inline I dot_nibbles(I sum, B w, Spread x) {
  int8_t codes[4];
  __builtin_memcpy(codes, &x, 4);
  EACH sum.v[i] += w.v[4 * i] * codes[0] + w.v[4 * i + 1] * codes[1] + w.v[4 * i + 2] * codes[2] +
                   w.v[4 * i + 3] * codes[3];
  return sum;
}
static inline B as_weights(B a) { return a; }
static inline I dot_bytes(I sum, B w, Spread x) { return dot_nibbles(sum, w, x); }

#undef EACH
