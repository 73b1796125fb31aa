#include "pack.h"

#include <atomic>
#include <cmath>
#include <cstring>

#include "bits.h"

namespace camelid {

namespace {

constexpr int MOST = 64;  // inputs that are read at a time, a group at most

// A weight per lane, input after input: what 16 rows have for some inputs.
struct alignas(64) Block {
  float w[MOST * LANES];
};

// Four lanes at a time, in a form that compilers make vectors of on any processor.
constexpr int WIDTH = 4;
using Four = float __attribute__((vector_size(WIDTH * 4)));
using Mask = int32_t __attribute__((vector_size(WIDTH * 4)));

inline Four load(const float* from) { Four x; std::memcpy(&x, from, sizeof x); return x; }
inline void store(float* to, Four x) { std::memcpy(to, &x, sizeof x); }
inline Four set(float x) { return Four{x, x, x, x}; }
inline Four choose(Mask which, Four yes, Four no) { return which ? yes : no; }
inline Four magnitude(Four x) { return choose(x < 0, -x, x); }

// To nearest, ties to even, for magnitudes below 2^22.
inline Four nearest_between(Four x, float low, float high) {
  const float magic = 12582912.0f;
  const Four code = (x + magic) - magic, capped = choose(code < set(high), code, set(high));
  return choose(capped > set(low), capped, set(low));
}

float read_number(const Source& source, size_t index) {
  if (source.number == Number::f32) return static_cast<const float*>(source.data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(source.data)[index];
  return source.number == Number::bf16 ? from_bits(uint32_t(bits) << 16) : half_to_float(bits);
}

// The inputs from `begin` to `end` of a source's row, into a lane.
void read_row(const Source& source, int row, int inputs, int begin, int end, float* lane) {
  const size_t first = size_t(row) * inputs;
  for (int k = begin; k < end; k++) lane[(k - begin) * LANES] = read_number(source, first + k);
}

// The codes of some lanes that are nearest to their weights times a factor.
void encode(const float* w, int size, Four factor, float low, float high, float* codes) {
  for (int i = 0; i < size; i++)
    store(codes + i * LANES, nearest_between(load(w + i * LANES) * factor, low, high));
}

// Codes from -127 to 127 of some lanes, and the scale of each.
void quantize_bytes(const float* w, int size, float* codes, uint16_t* scales) {
  Four largest = set(0), factor;
  for (int i = 0; i < size; i++) {
    const Four size_of = magnitude(load(w + i * LANES));
    largest = choose(size_of > largest, size_of, largest);
  }
  for (int lane = 0; lane < WIDTH; lane++) {
    scales[lane] = float_to_half(largest[lane] / 127);
    const float rounded = half_to_float(scales[lane]);
    factor[lane] = rounded > 0 ? 1 / rounded : 0;
  }
  encode(w, size, factor, -127, 127, codes);
}

// Codes from -8 to 7 of some lanes, and the scale of each. Among some scales around the one that makes the largest
// weight -8, each with the codes that are nearest and then the scale that fits these best, the one with the least
// squared error is taken.
void quantize_nibbles(const float* w, int size, float* codes, uint16_t* scales) {
  Four largest = set(0), signed_largest = set(0);
  for (int i = 0; i < size; i++) {
    const Four weight = load(w + i * LANES);
    const Mask larger = magnitude(weight) > largest;
    largest = choose(larger, magnitude(weight), largest);
    signed_largest = choose(larger, weight, signed_largest);
  }
  Four best_gain = set(0), best_factor = set(0), best_scale = set(0);
  for (int step = 0; step < 10; step++) {
    const Four factor = choose(largest > 0, -(7.0f + 0.35f * float(step)) / signed_largest, set(0));
    Four product = set(0), square = set(0);
    for (int i = 0; i < size; i++) {
      const Four weight = load(w + i * LANES), code = nearest_between(weight * factor, -8, 7);
      product += weight * code;
      square += code * code;
    }
    // With the scale that fits best, product / square, the squared error falls by product² / square.
    const Four gain = choose(square > 0, product * product / square, set(0));
    const Mask better = gain > best_gain;
    best_gain = choose(better, gain, best_gain);
    best_factor = choose(better, factor, best_factor);
    best_scale = choose(better, product / square, best_scale);
  }
  for (int lane = 0; lane < WIDTH; lane++) scales[lane] = float_to_half(best_scale[lane]);
  encode(w, size, best_factor, -8, 7, codes);
}

bool is_finite_half(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

bool all_finite(const float* w, int size) {
  Mask finite = set(0) == set(0);
  for (int i = 0; i < size * LANES; i += WIDTH) finite &= magnitude(load(w + i)) <= 3.4028234e38f;  // no NaN either
  for (int lane = 0; lane < WIDTH; lane++)
    if (!finite[lane]) return false;
  return true;
}

// Numbers as they are, `size` inputs from `begin` on, into their places in a tile.
void place_numbers(const Matrix& m, const float* w, int begin, int size, int panel, uint8_t* tile) {
  const int width = m.tile_width(panel), place = panel % TILE;
  for (int k = 0; k < size; k++) {
    const size_t index = (size_t(begin + k) * width + place) * LANES;
    for (int lane = 0; lane < LANES; lane++) {
      const float weight = w[k * LANES + lane];
      if (m.type == Type::f32) reinterpret_cast<float*>(tile)[index + lane] = weight;
      else reinterpret_cast<uint16_t*>(tile)[index + lane] = float_to_bf16(weight);
    }
  }
}

// A group as codes and scales, into its places in a tile's part. Returns whether all scales are finite.
bool place_group(const Matrix& m, const float* w, int panel, uint8_t* part) {
  const int width = m.tile_width(panel), place = panel % TILE;
  Block block;
  uint16_t scales[LANES];
  const bool bytes = m.type == Type::int8;
  for (int lane = 0; lane < LANES; lane += WIDTH)
    (bytes ? quantize_bytes : quantize_nibbles)(w + lane, m.group, block.w + lane, scales + lane);
  const float* codes = block.w;
  const int half = m.group / 2, places = bytes ? m.group : half;
  for (int four = 0; four < places; four += 4) {
    uint8_t* out = part + size_t(four / 4 * width + place) * 64;
    for (int lane = 0; lane < LANES; lane++)
      for (int i = four; i < four + 4; i++) {
        const int code = int(codes[i * LANES + lane]);
        out[lane * 4 + i - four] =
            uint8_t(bytes ? code + 128 : (code + 8) | (int(codes[(half + i) * LANES + lane]) + 8) << 4);
      }
  }
  std::memcpy(part + width * m.code_bytes() + place * LANES * 2, scales, sizeof scales);
  bool finite = true;
  for (uint16_t scale : scales) finite = finite && is_finite_half(scale);
  return finite;
}

struct Line {  // a row of a source
  const Source* source = nullptr;
  int row = 0;
};

Line find_line(const std::vector<Source>& sources, bool in_turn, int panel, int lane) {
  size_t which = in_turn ? size_t(panel) % sources.size() : 0;
  int row = (in_turn ? panel / int(sources.size()) : panel) * LANES + lane;
  if (!in_turn)
    for (; which < sources.size() && row >= sources[which].outputs; which++) row -= sources[which].outputs;
  if (which == sources.size() || row >= sources[which].outputs) return {};
  return {&sources[which], row};
}

// 16 rows of weights into their places in a tile. Returns whether all is finite.
bool pack_panel(const Matrix& m, const Line (&lines)[LANES], int panel, uint8_t* tile) {
  const int chunk = m.quantized() ? m.group : MOST;
  bool finite = true;
  for (int begin = 0; begin < m.inputs; begin += chunk) {
    const int end = begin + chunk < m.inputs ? begin + chunk : m.inputs;
    Block block = {};
    float* w = block.w;
    for (int lane = 0; lane < LANES; lane++)
      if (lines[lane].source)
        read_row(*lines[lane].source, lines[lane].row, m.inputs, begin, end, w + lane);
    finite = finite && all_finite(w, chunk);
    if (m.quantized()) {
      uint8_t* part = tile + size_t(begin / chunk) * m.tile_width(panel) * (m.code_bytes() + LANES * 2);
      finite = finite && place_group(m, w, panel, part);
    } else {
      place_numbers(m, w, begin, end - begin, panel, tile);
    }
  }
  return finite;
}

}  // namespace

bool pack(const std::vector<Source>& sources, bool in_turn, const Matrix& matrix, uint8_t* out, Pool& pool) {
  std::atomic<int> next{0};
  std::atomic<bool> finite{true};
  pool.run([&](int) {
    for (int panel; (panel = next.fetch_add(1)) < matrix.panels();) {
      Line lines[LANES];
      for (int lane = 0; lane < LANES; lane++) lines[lane] = find_line(sources, in_turn, panel, lane);
      if (!pack_panel(matrix, lines, panel, out + matrix.tile_offset(panel))) finite.store(false);
    }
  });
  return finite.load();
}

}  // namespace camelid
