// Numbers as bits, one at a time: what the plain vectors and the packing need.
#pragma once

#include <cmath>
#include <cstdint>

namespace camelid {

static inline uint32_t to_bits(float x) { uint32_t bits; __builtin_memcpy(&bits, &x, 4); return bits; }
static inline float from_bits(uint32_t bits) { float x; __builtin_memcpy(&x, &bits, 4); return x; }

static inline float half_to_float(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) return from_bits(sign | 0x7f800000 | ((rest & 0x3ff) << 13));
  if (rest >= 0x400) return from_bits(sign | ((rest << 13) + 0x38000000));
  float tiny = float(rest) * from_bits(0x33800000);  // 2^-24, the step of numbers without a leading one
  return sign ? -tiny : tiny;
}

// To nearest, ties to even; what is too large becomes infinite.
static inline uint16_t float_to_half(float x) {
  uint32_t bits = to_bits(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return uint16_t(sign | 0x7e00);
  if (rest >= 0x477ff000) return uint16_t(sign | 0x7c00);
  if (rest >= 0x38800000) {
    uint32_t moved = rest - 0x38000000;
    return uint16_t(sign | ((moved + 0xfff + (moved >> 13 & 1)) >> 13));
  }
  // The sum's last bits are worth 2^-24: adding 0.5 rounds there.
  return uint16_t(sign | (to_bits(from_bits(rest) + 0.5f) - 0x3f000000));
}

// To nearest, ties to even, for magnitudes below 2^22.
static inline int32_t round_even(float x) {
  const float magic = 12582912.0f;  // 1.5 · 2^23
  volatile float sum = x + magic;   // kept from being simplified away
  return int32_t(sum - magic);
}

static inline uint16_t float_to_bf16(float x) {
  uint32_t bits = to_bits(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace camelid
