#include "pack.h"

#include <atomic>
#include <cmath>
#include <cstring>

#include "bits.h"

namespace camelid {

namespace {

void read_numbers(const Source& source, int row, int inputs, float* out) {
  const size_t begin = size_t(row) * inputs;
  if (source.number == Number::f32) {
    std::memcpy(out, static_cast<const float*>(source.data) + begin, size_t(inputs) * 4);
    return;
  }
  const uint16_t* line = static_cast<const uint16_t*>(source.data) + begin;
  if (source.number == Number::bf16)
    for (int i = 0; i < inputs; i++) out[i] = from_bits(uint32_t(line[i]) << 16);
  else
    for (int i = 0; i < inputs; i++) out[i] = half_to_float(line[i]);
}

// To nearest, in a form that compilers make vectors of; for magnitudes below 2^22.
inline float nearest(float x) {
  const float magic = 12582912.0f;
  return (x + magic) - magic;
}

// Codes from -127 to 127; returns the scale.
uint16_t quantize_bytes(const float* w, int size, float* codes) {
  float largest = 0;
  for (int i = 0; i < size; i++) largest = std::fabs(w[i]) > largest ? std::fabs(w[i]) : largest;
  const uint16_t scale = float_to_half(largest / 127);
  const float rounded = half_to_float(scale), factor = rounded > 0 ? 1 / rounded : 0;
  for (int i = 0; i < size; i++) {
    const float code = nearest(w[i] * factor);
    codes[i] = code > 127 ? 127 : code < -127 ? -127 : code;
  }
  return scale;
}

// Codes from -8 to 7. Among some scales around the one that makes the largest weight -8, each with the codes
// that are nearest and then the scale that fits these best, the one with the least squared error is taken.
uint16_t quantize_nibbles(const float* w, int size, float* codes) {
  float largest = 0, signed_largest = 0;
  for (int i = 0; i < size; i++)
    if (std::fabs(w[i]) > largest) largest = std::fabs(signed_largest = w[i]);
  if (largest == 0) {
    for (int i = 0; i < size; i++) codes[i] = 0;
    return 0;
  }
  float best_gain = -1, trial[64];
  uint16_t best = 0;
  for (int step = 0; step < 10; step++) {
    const float factor = -(7.0f + 0.35f * float(step)) / signed_largest;
    float product = 0, square = 0;
    for (int i = 0; i < size; i++) {
      float code = nearest(w[i] * factor);
      trial[i] = code = code > 7 ? 7 : code < -8 ? -8 : code;
      product += w[i] * code;
      square += code * code;
    }
    // With the scale that fits best, product / square, the squared error falls by this much.
    const float gain = square > 0 ? product * product / square : 0;
    if (gain > best_gain) {
      best_gain = gain;
      best = float_to_half(square > 0 ? product / square : 0);
      std::memcpy(codes, trial, size_t(size) * 4);
    }
  }
  return best;
}

bool is_finite_half(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

// 16 rows of weights, already read, (LANES, inputs rounded up to groups), into their places in a tile.
bool pack_panel(const Matrix& m, const float* rows, int stride, int panel, uint8_t* tile) {
  const int width = m.tile_width(panel), place = panel % TILE;
  if (!m.quantized()) {
    for (int k = 0; k < m.inputs; k++)
      for (int lane = 0; lane < LANES; lane++) {
        const size_t index = (size_t(k) * width + place) * LANES + lane;
        const float w = rows[size_t(lane) * stride + k];
        if (m.type == Type::f32) reinterpret_cast<float*>(tile)[index] = w;
        else reinterpret_cast<uint16_t*>(tile)[index] = float_to_bf16(w);
      }
    return true;
  }
  bool finite = true;
  float codes[64];
  const int half = m.group / 2;
  for (int g = 0; g < m.groups(); g++, tile += size_t(width) * (m.code_bytes() + LANES * 2))
    for (int lane = 0; lane < LANES; lane++) {
      const float* w = rows + size_t(lane) * stride + g * m.group;
      const auto at = [&](int i) { return tile + (i / 4 * width + place) * 64 + lane * 4 + i % 4; };
      uint16_t scale;
      if (m.type == Type::int8) {
        scale = quantize_bytes(w, m.group, codes);
        for (int i = 0; i < m.group; i++) *at(i) = uint8_t(int(codes[i]) + 128);
      } else {
        scale = quantize_nibbles(w, m.group, codes);
        for (int i = 0; i < half; i++) *at(i) = uint8_t((int(codes[i]) + 8) | (int(codes[half + i]) + 8) << 4);
      }
      reinterpret_cast<uint16_t*>(tile + width * m.code_bytes())[place * LANES + lane] = scale;
      finite = finite && is_finite_half(scale);
    }
  return finite;
}

}  // namespace

bool pack(const std::vector<Source>& sources, bool in_turn, const Matrix& matrix, uint8_t* out, Pool& pool) {
  const int stride = matrix.quantized() ? matrix.groups() * matrix.group : matrix.inputs;
  std::atomic<int> next{0};
  std::atomic<bool> finite{true};
  pool.run([&](int) {
    std::vector<float> rows(size_t(LANES) * stride);
    for (int panel; (panel = next.fetch_add(1)) < matrix.panels();) {
      std::fill(rows.begin(), rows.end(), 0.0f);
      for (int lane = 0; lane < LANES; lane++) {
        size_t which = in_turn ? size_t(panel) % sources.size() : 0;
        int row = (in_turn ? panel / int(sources.size()) : panel) * LANES + lane;
        if (!in_turn)
          for (; which < sources.size() && row >= sources[which].outputs; which++) row -= sources[which].outputs;
        if (which == sources.size() || row >= sources[which].outputs) continue;
        read_numbers(sources[which], row, matrix.inputs, rows.data() + size_t(lane) * stride);
      }
      bool good = true;
      for (float w : rows) good &= std::fabs(w) <= 3.4028234e38f;  // false for a NaN
      if (!good || !pack_panel(matrix, rows.data(), stride, panel, out + matrix.tile_offset(panel)))
        finite.store(false);
    }
  });
  return finite.load();
}

}  // namespace camelid
