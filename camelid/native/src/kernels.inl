// The kernels, written once over vectors of 16; each instruction set includes this inside a namespace of its own,
// after its lanes. It uses nothing of the standard library: an inline function compiled here for one processor
// could be taken by the linker for all.

// --- vectors ----------------------------------------------------------------------------------------------

static inline float sum_lanes(F x) {
  float v[16];
  store(v, x);
  for (int width = 8; width; width /= 2)
    for (int i = 0; i < width; i++) v[i] += v[i + width];
  return v[0];
}

static inline float max_lanes(F x) {
  float v[16];
  store(v, x);
  for (int width = 8; width; width /= 2)
    for (int i = 0; i < width; i++) v[i] = v[i] > v[i + width] ? v[i] : v[i + width];
  return v[0];
}

static inline int32_t sum_lanes_int(I x) {
  int32_t v[16], total = 0;
  store_int(v, x);
  for (int i = 0; i < 16; i++) total += v[i];
  return total;
}

// exp to about 2 units in the last place; 0 below -87. Source: the polynomial of Cephes' expf (Moshier 1992).
static inline F exponential(F x) {
  F clamped = min(max(x, set(-87.0f)), set(88.0f));
  I power = round_int(mul(clamped, set(1.44269504f)));
  F n = to_float(power);
  F r = fma(n, set(2.12194440e-4f), fma(n, set(-0.693359375f), clamped));
  F p = set(1.9875691500e-4f);
  p = fma(p, r, set(1.3981999507e-3f));
  p = fma(p, r, set(8.3334519073e-3f));
  p = fma(p, r, set(4.1665795894e-2f));
  p = fma(p, r, set(1.6666665459e-1f));
  p = fma(p, r, set(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), set(1.0f));
  F scale = as_float(shift_left<23>(add_int(power, set_int(127))));
  return where_below(x, set(-87.0f), mul(p, scale), set(0.0f));
}

// Natural logarithm of positive normal numbers. Source: the polynomial of Cephes' logf (Moshier 1992).
static inline F logarithm(F x) {
  I bits = as_int(x);
  F exponent = to_float(add_int(shift_right<23>(bits), set_int(-126)));
  F m = as_float(add_int(and_int(bits, set_int(0x007fffff)), set_int(0x3f000000)));  // in [0.5, 1)
  F root = set(0.707106781f);
  exponent = where_below(m, root, exponent, sub(exponent, set(1.0f)));
  m = sub(where_below(m, root, m, add(m, m)), set(1.0f));
  F p = set(7.0376836292e-2f);
  p = fma(p, m, set(-1.1514610310e-1f));
  p = fma(p, m, set(1.1676998740e-1f));
  p = fma(p, m, set(-1.2420140846e-1f));
  p = fma(p, m, set(1.4249322787e-1f));
  p = fma(p, m, set(-1.6668057665e-1f));
  p = fma(p, m, set(2.0000714765e-1f));
  p = fma(p, m, set(-2.4999993993e-1f));
  p = fma(p, m, set(3.3333331174e-1f));
  F square = mul(m, m);
  F y = mul(mul(m, square), p);
  y = fma(exponent, set(-2.12194440e-4f), y);
  y = fma(set(-0.5f), square, y);
  return fma(exponent, set(0.693359375f), add(m, y));
}

static inline F silu(F x) { return div(x, add(set(1.0f), exponential(sub(set(0.0f), x)))); }

// --- products ---------------------------------------------------------------------------------------------

// Each of these adds up `PANELS` panels times `ROWS` rows; the order of the sums does not depend on either.

struct Floats {
  static constexpr int SIZE = 4 * LANES;
  static inline F at(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
};
struct Bfloats {
  static constexpr int SIZE = 2 * LANES;
  static inline F at(const uint8_t* p) { return load_bf16(reinterpret_cast<const uint16_t*>(p)); }
};

template <class Weights, int ROWS, int PANELS>
static inline void add_up_floats(const Matrix& m, const Rows& x, int row, int panel, F (&sums)[ROWS][PANELS]) {
  const uint8_t* w = m.data + m.tile_offset(panel) + panel % TILE * Weights::SIZE;
  const size_t step = m.tile_width(panel) * Weights::SIZE;
  const float* values = x.values + row * x.stride;
  for (int r = 0; r < ROWS; r++)
    for (int p = 0; p < PANELS; p++) sums[r][p] = set(0.0f);
  for (int k = 0; k < m.inputs; k++, w += step) {
    F weights[PANELS];
    for (int p = 0; p < PANELS; p++) weights[p] = Weights::at(w + p * Weights::SIZE);
    for (int r = 0; r < ROWS; r++) {
      F value = set(values[r * x.stride + k]);
      for (int p = 0; p < PANELS; p++) sums[r][p] = fma(value, weights[p], sums[r][p]);
    }
  }
}

template <int GROUP>
struct Bytes {
  static constexpr int LOADS = GROUP / 4;
  static inline I begin(int32_t start) { return begin_bytes(start); }
  template <int ROWS, int PANELS>
  static inline void add_up(const uint8_t* w, size_t step, const int8_t* const (&x)[ROWS],
                            I (&dots)[ROWS][PANELS]) {
#pragma GCC unroll 16
    for (int j = 0; j < LOADS; j++) {
      B bytes[PANELS];
      for (int p = 0; p < PANELS; p++) bytes[p] = as_weights(load_bytes(w + j * step + p * 64));
      for (int r = 0; r < ROWS; r++) {
        Spread four = spread(x[r] + 4 * j);
        for (int p = 0; p < PANELS; p++) dots[r][p] = dot_bytes(dots[r][p], bytes[p], four);
      }
    }
  }
};

template <int GROUP>
struct Nibbles {
  static constexpr int LOADS = GROUP / 8;
  static inline I begin(int32_t start) { return begin_nibbles(start); }
  template <int ROWS, int PANELS>
  static inline void add_up(const uint8_t* w, size_t step, const int8_t* const (&x)[ROWS],
                            I (&dots)[ROWS][PANELS]) {
#pragma GCC unroll 8
    for (int j = 0; j < LOADS; j++) {
      B low[PANELS], high[PANELS];
      for (int p = 0; p < PANELS; p++) {
        B both = load_bytes(w + j * step + p * 64);
        low[p] = low_nibbles(both);
        high[p] = high_nibbles(both);
      }
      for (int r = 0; r < ROWS; r++) {
        Spread first = spread(x[r] + 4 * j), second = spread(x[r] + GROUP / 2 + 4 * j);
        for (int p = 0; p < PANELS; p++) {
          dots[r][p] = dot_nibbles(dots[r][p], low[p], first);
          dots[r][p] = dot_nibbles(dots[r][p], high[p], second);
        }
      }
    }
  }
};

template <class Codes, int ROWS, int PANELS>
static inline void add_up_codes(const Matrix& m, const Rows& x, int row, int panel, F (&sums)[ROWS][PANELS]) {
  const int groups = m.groups(), width = m.tile_width(panel), place = panel % TILE;
  const uint8_t* w = m.data + m.tile_offset(panel);
  const size_t step = width * 64;
  const int8_t* codes[ROWS];
  const float* row_scales = x.scales + row * x.group_stride;
  const int32_t* starts = x.starts + row * x.group_stride;
  for (int r = 0; r < ROWS; r++) {
    codes[r] = x.codes + (row + r) * x.code_stride;
    for (int p = 0; p < PANELS; p++) sums[r][p] = set(0.0f);
  }
  for (int g = 0; g < groups; g++) {
    I dots[ROWS][PANELS];
    for (int r = 0; r < ROWS; r++)
      for (int p = 0; p < PANELS; p++) dots[r][p] = Codes::begin(starts[r * x.group_stride + g]);
    Codes::template add_up<ROWS, PANELS>(w + place * 64, step, codes, dots);
    w += Codes::LOADS * step;
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(w) + place * LANES;
    for (int p = 0; p < PANELS; p++) {
      F scale = load_half(scales + p * LANES);
      for (int r = 0; r < ROWS; r++)
        sums[r][p] = fma(mul(to_float(dots[r][p]), scale), set(row_scales[r * x.group_stride + g]), sums[r][p]);
    }
    w += width * LANES * 2;
    for (int r = 0; r < ROWS; r++) codes[r] += m.group;
  }
}

template <int ROWS, int PANELS>
static inline void put(const F (&sums)[ROWS][PANELS], float* out, int64_t stride, int row, int panel, Into into) {
  for (int r = 0; r < ROWS; r++) {
    float* line = out + (row + r) * stride;
    if (into == Into::gate) {
      for (int p = 0; p + 1 < PANELS; p += 2)
        store(line + (panel + p) / 2 * LANES, mul(silu(sums[r][p]), sums[r][p + 1]));
    } else {
      for (int p = 0; p < PANELS; p++) {
        float* place = line + (panel + p) * LANES;
        store(place, into == Into::add ? add(load(place), sums[r][p]) : sums[r][p]);
      }
    }
  }
}

static void gate(const float* sums, int first, int last, float* out) {
  for (int panel = first; panel + 1 < last; panel += 2) {
    const float* place = sums + panel * LANES;
    store(out + panel / 2 * LANES, mul(silu(load(place)), load(place + LANES)));
  }
}

// What adds up a tile, for each type of weights.
template <int ROWS, int PANELS>
static inline void tile(const Matrix& m, const Rows& x, int row, int panel, float* out, int64_t stride, Into into) {
  F sums[ROWS][PANELS];
  switch (m.type) {
    case Type::f32: add_up_floats<Floats>(m, x, row, panel, sums); break;
    case Type::bf16: add_up_floats<Bfloats>(m, x, row, panel, sums); break;
    case Type::int8:
      if (m.group == 64) add_up_codes<Bytes<64>>(m, x, row, panel, sums);
      else add_up_codes<Bytes<32>>(m, x, row, panel, sums);
      break;
    case Type::int4:
      if (m.group == 64) add_up_codes<Nibbles<64>>(m, x, row, panel, sums);
      else add_up_codes<Nibbles<32>>(m, x, row, panel, sums);
      break;
  }
  put(sums, out, stride, row, panel, into);
}

template <int ROWS, int PANELS>
static void last_rows(const Matrix& m, const Rows& x, int row, int rows, int panel, float* out, int64_t stride,
                      Into into) {
  if (rows == ROWS) return tile<ROWS, PANELS>(m, x, row, panel, out, stride, into);
  if constexpr (ROWS > 1) last_rows<ROWS - 1, PANELS>(m, x, row, rows, panel, out, stride, into);
}

template <int MOST, int PANELS>
static void all_rows(const Matrix& m, const Rows& x, int rows, int panel, float* out, int64_t stride, Into into) {
  for (int row = 0; row < rows; row += MOST)
    last_rows<MOST, PANELS>(m, x, row, rows - row < MOST ? rows - row : MOST, panel, out, stride, into);
}

static void multiply(const Matrix& m, const Rows& x, int rows, int first, int last, float* out, int64_t stride,
                     Into into) {
  // Few sums per weight: a whole tile at once hides how long each sum takes.
  const bool few = FEW_ROWS > 0 && rows <= FEW_ROWS;
  for (int panel = first; panel < last;) {
    const int tile_end = (panel / TILE + 1) * TILE, left = (last < tile_end ? last : tile_end) - panel;
    if (few && left == TILE) {
      all_rows<FEW_ROWS ? FEW_ROWS : 1, TILE>(m, x, rows, panel, out, stride, into);
      panel += TILE;
    } else if (left >= 2) {
      all_rows<MOST_ROWS, 2>(m, x, rows, panel, out, stride, into);
      panel += 2;
    } else {
      all_rows<MOST_ROWS, 1>(m, x, rows, panel, out, stride, into);
      panel++;
    }
  }
}

// --- rows -------------------------------------------------------------------------------------------------

static void normalize(const float* x, const float* weight, int width, float epsilon, float* out) {
  F squares = set(0.0f);
  int i = 0;
  for (; i + LANES <= width; i += LANES) squares = fma(load(x + i), load(x + i), squares);
  float total = sum_lanes(squares);
  for (int k = i; k < width; k++) total += x[k] * x[k];
  float factor = 1.0f / __builtin_sqrtf(total / float(width) + epsilon);
  for (i = 0; i + LANES <= width; i += LANES) store(out + i, mul(mul(load(x + i), set(factor)), load(weight + i)));
  for (; i < width; i++) out[i] = x[i] * factor * weight[i];
}

// `x` and `codes` have room for whole groups; what lies beyond `width` counts as nothing.
static void quantize(const float* x, int width, int group, int offset, int8_t* codes, float* scales,
                     int32_t* starts) {
  for (int begin = 0, g = 0; begin < width; begin += group, g++) {
    F largest = set(0.0f);
    for (int i = 0; i < group; i += LANES)
      largest = max(largest, abs(keep_first(load(x + begin + i), width - begin - i, 0.0f)));
    float scale = max_lanes(largest) * (1.0f / 127.0f);
    float factor = scale > 1e-30f ? 1.0f / scale : 0.0f;
    I total = set_int(0);
    for (int i = 0; i < group; i += LANES) {
      F scaled = mul(keep_first(load(x + begin + i), width - begin - i, 0.0f), set(factor));
      I code = round_int(min(max(scaled, set(-127.0f)), set(127.0f)));
      store_bytes(codes + begin + i, code);
      total = add_int(total, code);
    }
    scales[g] = scale;
    starts[g] = -offset * sum_lanes_int(total);
  }
}

static void rotate(float* x, int heads, int head_dim, const float* cosines, const float* sines) {
  const int half = head_dim / 2;
  for (int h = 0; h < heads; h++, x += head_dim) {
    int i = 0;
    for (; i + LANES <= half; i += LANES) {
      F left = load(x + i), right = load(x + half + i), c = load(cosines + i), s = load(sines + i);
      store(x + i, sub(mul(left, c), mul(right, s)));
      store(x + half + i, add(mul(right, c), mul(left, s)));
    }
    for (; i < half; i++) {
      float left = x[i], right = x[half + i];
      x[i] = left * cosines[i] - right * sines[i];
      x[half + i] = right * cosines[i] + left * sines[i];
    }
  }
}

// --- attention --------------------------------------------------------------------------------------------

// The cache holds float32, for exactness, or words: 16-bit integers with a scale for each position and head.
// Words take part in sums of pairs of products, which are exact and twice as many at a time. How large codes may
// be follows from the sums, which must fit in 32 bits: of a query and a key over the head, of chances and values
// over HALF a block.
constexpr int QUERY_LIMIT = 2047, CHANCE_LIMIT = 8191, VALUE_LIMIT = 8191, HALF = BLOCK / 2;
static_assert(int64_t(HALF) * CHANCE_LIMIT * VALUE_LIMIT < INT64_C(1) << 31, "a sum could overflow");

static inline int key_limit(int head_dim) {
  int limit = 0x7fffffff / QUERY_LIMIT / head_dim;
  return limit < 32767 ? limit : 32767;
}

// Codes of magnitude `limit` at most, and the scale that makes numbers of them again.
static inline float quantize_words(const float* x, int size, int limit, int16_t* codes) {
  F largest = set(0.0f);
  int whole = size / LANES * LANES;
  for (int i = 0; i < whole; i += LANES) largest = max(largest, abs(load(x + i)));
  float top = max_lanes(largest);
  for (int i = whole; i < size; i++) {
    float magnitude = x[i] < 0 ? -x[i] : x[i];
    top = magnitude > top ? magnitude : top;
  }
  const float factor = top > 1e-30f ? float(limit) / top : 0.0f;
  for (int i = 0; i < whole; i += LANES) store_words(codes + i, round_int(mul(load(x + i), set(factor))));
  if (whole < size) {
    float padded[LANES] = {};
    int16_t narrow[LANES];
    for (int i = whole; i < size; i++) padded[i - whole] = x[i];
    store_words(narrow, round_int(mul(load(padded), set(factor))));
    for (int i = whole; i < size; i++) codes[i] = narrow[i - whole];
  }
  return top > 1e-30f ? top / float(limit) : 0.0f;
}

// A block of words: of keys (head_dim / 2, BLOCK, 2), of values (BLOCK / 2, head_dim rounded up, 2); then BLOCK
// scales.
static inline float* word_scales(void* block, int width) {
  return reinterpret_cast<float*>(static_cast<int16_t*>(block) + width * BLOCK);
}
static inline const float* word_scales(const void* block, int width) {
  return reinterpret_cast<const float*>(static_cast<const int16_t*>(block) + width * BLOCK);
}

static void remember_words(const float* key, const float* value, int head_dim, void* keys, void* values,
                           int place) {
  const int width = round_up(head_dim, LANES);
  int16_t codes[MOST_HEAD_DIM];
  word_scales(keys, head_dim)[place] = quantize_words(key, head_dim, key_limit(head_dim), codes);
  for (int e = 0; e < head_dim; e += 2)
    __builtin_memcpy(static_cast<int16_t*>(keys) + (e / 2 * BLOCK + place) * 2, codes + e, 4);
  word_scales(values, width)[place] = quantize_words(value, head_dim, VALUE_LIMIT, codes);
  int16_t* line = static_cast<int16_t*>(values) + place / 2 * width * 2 + place % 2;
  for (int e = 0; e < head_dim; e++) line[e * 2] = codes[e];
}

static void remember(const float* key, const float* value, int head_dim, bool words, void* keys, void* values,
                     int place) {
  if (words) return remember_words(key, value, head_dim, keys, values, place);
  const int width = round_up(head_dim, LANES);
  for (int e = 0; e < head_dim; e++) {
    static_cast<float*>(keys)[e * BLOCK + place] = key[e];
    static_cast<float*>(values)[place * width + e] = value[e];
  }
}

// The scores of some queries against a block's keys, (QUERIES, BLOCK). Even and odd dimensions are added up
// apart: twice as many sums run at a time.
template <int QUERIES>
static inline void score_floats(const float* const (&q)[QUERIES], const float* keys, int head_dim, float scale,
                                float* const (&scores)[QUERIES]) {
  constexpr int VECTORS = QUERIES == 1 ? 4 : 2;
  for (int v = 0; v < BLOCK / LANES; v += VECTORS) {
    F even[QUERIES][VECTORS], odd[QUERIES][VECTORS];
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++) even[i][j] = odd[i][j] = set(0.0f);
    for (int e = 0; e < head_dim; e += 2) {  // head_dim is even
      const float* line = keys + e * BLOCK + v * LANES;
      for (int j = 0; j < VECTORS; j++) {
        F first = load(line + j * LANES), second = load(line + BLOCK + j * LANES);
        for (int i = 0; i < QUERIES; i++) {
          even[i][j] = fma(set(q[i][e]), first, even[i][j]);
          odd[i][j] = fma(set(q[i][e + 1]), second, odd[i][j]);
        }
      }
    }
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++)
        store(scores[i] + (v + j) * LANES, mul(add(even[i][j], odd[i][j]), set(scale)));
  }
}

template <int QUERIES>
static inline void score_words(const int16_t* const (&q)[QUERIES], const float (&scales)[QUERIES],
                               const int16_t* keys, const uint8_t* next, int head_dim,
                               float* const (&scores)[QUERIES]) {
  constexpr int VECTORS = FEW_ROWS > 0 ? 4 : 2;
  constexpr int CHAINS = QUERIES == 1 ? 2 : 1;  // so that enough sums run at a time
  const float* key_scales = word_scales(keys, head_dim);
  const int pairs = head_dim / 2;
  for (int v = 0; v < BLOCK / LANES; v += VECTORS) {
    I dots[CHAINS][QUERIES][VECTORS];
    for (int c = 0; c < CHAINS; c++)
      for (int i = 0; i < QUERIES; i++)
        for (int j = 0; j < VECTORS; j++) dots[c][i][j] = set_int(0);
    const int16_t* line = keys + v * LANES * 2;
    int e = 0;
    for (; e + CHAINS <= pairs; e += CHAINS)
      for (int c = 0; c < CHAINS; c++, line += BLOCK * 2, next += VECTORS * 64)
        for (int j = 0; j < VECTORS; j++) {
          __builtin_prefetch(next + j * 64);
          W words = load_words(line + j * LANES * 2);
          for (int i = 0; i < QUERIES; i++)
            dots[c][i][j] = dot_words(dots[c][i][j], words, pair(q[i] + (e + c) * 2));
        }
    for (; e < pairs; e++, line += BLOCK * 2)
      for (int j = 0; j < VECTORS; j++)
        for (int i = 0; i < QUERIES; i++)
          dots[0][i][j] = dot_words(dots[0][i][j], load_words(line + j * LANES * 2), pair(q[i] + e * 2));
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++) {
        I dot = CHAINS == 2 ? add_int(dots[0][i][j], dots[CHAINS - 1][i][j]) : dots[0][i][j];
        F scale = mul(load(key_scales + (v + j) * LANES), set(scales[i]));
        store(scores[i] + (v + j) * LANES, mul(to_float(dot), scale));
      }
  }
}

// Scores become exp(score - largest), those beyond `seen` nothing; returns their sum.
static inline float soften(float* scores, int seen) {
  F largest = set(-__builtin_inff());
  int whole = seen / LANES * LANES;
  for (int i = 0; i < whole; i += LANES) largest = max(largest, load(scores + i));
  if (whole < seen) {
    F last = keep_first(load(scores + whole), seen - whole, -__builtin_inff());
    store(scores + whole, last);
    largest = max(largest, last);
  }
  F top = set(max_lanes(largest)), total = set(0.0f);
  for (int i = 0; i < seen; i += LANES) {
    F chance = exponential(sub(load(scores + i), top));
    store(scores + i, chance);
    total = add(total, chance);
  }
  return sum_lanes(total);
}

// The values of `count` positions, times their chances, added to (QUERIES, VECTORS) sums; even and odd apart.
template <int QUERIES, int VECTORS>
static inline void mix_floats(const float* const (&chances)[QUERIES], const float* values, int width, int count,
                              F (&even)[QUERIES][VECTORS], F (&odd)[QUERIES][VECTORS]) {
  int t = 0;
  for (; t + 2 <= count; t += 2)
    for (int j = 0; j < VECTORS; j++) {
      F first = load(values + t * width + j * LANES), second = load(values + (t + 1) * width + j * LANES);
      for (int i = 0; i < QUERIES; i++) {
        even[i][j] = fma(set(chances[i][t]), first, even[i][j]);
        odd[i][j] = fma(set(chances[i][t + 1]), second, odd[i][j]);
      }
    }
  if (t < count)
    for (int j = 0; j < VECTORS; j++) {
      F last = load(values + t * width + j * LANES);
      for (int i = 0; i < QUERIES; i++) even[i][j] = fma(set(chances[i][t]), last, even[i][j]);
    }
}

// The chances of a block times the scales of its values, as words; returns what makes numbers of them again. What
// lies beyond `seen` is nothing, whatever stands there.
static inline float quantize_chances(const float* chances, const float* scales, int seen, int16_t* codes) {
  F weights[BLOCK / LANES], largest = set(0.0f);
  for (int v = 0; v < BLOCK / LANES; v++) {
    weights[v] = keep_first(mul(load(chances + v * LANES), load(scales + v * LANES)), seen - v * LANES, 0.0f);
    largest = max(largest, weights[v]);
  }
  const float top = max_lanes(largest), factor = top > 1e-30f ? float(CHANCE_LIMIT) / top : 0.0f;
  for (int v = 0; v < BLOCK / LANES; v++)
    store_words(codes + v * LANES, round_int(mul(weights[v], set(factor))));
  return top > 1e-30f ? top / float(CHANCE_LIMIT) : 0.0f;
}

template <int QUERIES, int VECTORS>
static inline void mix_words(const int16_t* const (&codes)[QUERIES], const float (&scales)[QUERIES],
                             const int16_t* values, const uint8_t* next, int width, int count,
                             F (&sums)[QUERIES][VECTORS]) {
  for (int begin = 0; begin < count; begin += HALF) {
    const int pairs = (count - begin < HALF ? count - begin + 1 : HALF) / 2;
    I even[QUERIES][VECTORS], odd[QUERIES][VECTORS];
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++) even[i][j] = odd[i][j] = set_int(0);
    const int16_t* line = values + begin * width;
    int t = 0;
    for (; t + 2 <= pairs; t += 2, line += width * 4, next += width * 8)
      for (int j = 0; j < VECTORS; j++) {
        __builtin_prefetch(next + j * 64);
        __builtin_prefetch(next + (width + j * LANES) * 4);
        W first = load_words(line + j * LANES * 2), second = load_words(line + (width + j * LANES) * 2);
        for (int i = 0; i < QUERIES; i++) {
          even[i][j] = dot_words(even[i][j], first, pair(codes[i] + begin + t * 2));
          odd[i][j] = dot_words(odd[i][j], second, pair(codes[i] + begin + t * 2 + 2));
        }
      }
    if (t < pairs)
      for (int j = 0; j < VECTORS; j++)
        for (int i = 0; i < QUERIES; i++)
          even[i][j] = dot_words(even[i][j], load_words(line + j * LANES * 2), pair(codes[i] + begin + t * 2));
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++)
        sums[i][j] = fma(to_float(add_int(even[i][j], odd[i][j])), set(scales[i]), sums[i][j]);
  }
}

// Some of the values' vectors mixed over all blocks. `seen` may differ between the queries: the chances beyond
// are 0.
template <bool WORDS, int QUERIES, int VECTORS>
static inline void mix(const Attention& a, const float* const (&chances)[QUERIES], const int (&seen)[QUERIES],
                       const float (&totals)[QUERIES], int vector, float* const (&out)[QUERIES]) {
  const int width = round_up(a.head_dim, LANES), most = seen[QUERIES - 1];
  F even[QUERIES][VECTORS], odd[QUERIES][VECTORS];
  for (int i = 0; i < QUERIES; i++)
    for (int j = 0; j < VECTORS; j++) even[i][j] = odd[i][j] = set(0.0f);
  for (int begin = 0; begin < most; begin += BLOCK) {
    const uint8_t* block = a.values + a.blocks[begin / BLOCK] * a.value_stride;
    const int count = most - begin < BLOCK ? most - begin : BLOCK;
    if constexpr (WORDS) {
      int16_t codes[QUERIES][BLOCK];
      const int16_t* here[QUERIES];
      float scales[QUERIES];
      for (int i = 0; i < QUERIES; i++) {
        scales[i] = quantize_chances(chances[i] + begin, word_scales(block, width), seen[i] - begin, codes[i]);
        here[i] = codes[i];
      }
      mix_words<QUERIES, VECTORS>(here, scales, reinterpret_cast<const int16_t*>(block) + vector * LANES * 2,
                                  a.values + a.blocks[begin + BLOCK < most ? begin / BLOCK + 1 : 0] * a.value_stride +
                                      vector * 64,
                                  width, count, even);
    } else {
      const float* here[QUERIES];
      for (int i = 0; i < QUERIES; i++) here[i] = chances[i] + begin;
      mix_floats<QUERIES, VECTORS>(here, reinterpret_cast<const float*>(block) + vector * LANES, width, count,
                                   even, odd);
    }
  }
  for (int i = 0; i < QUERIES; i++)
    for (int j = 0; j < VECTORS; j++) {
      F mixed = mul(WORDS ? even[i][j] : add(even[i][j], odd[i][j]), set(1.0f / totals[i]));
      int rest = a.head_dim - (vector + j) * LANES;
      if (rest >= LANES) {
        store(out[i] + (vector + j) * LANES, mixed);
      } else {
        float narrow[LANES];
        store(narrow, mixed);
        for (int e = 0; e < rest; e++) out[i][(vector + j) * LANES + e] = narrow[e];
      }
    }
}

// Some queries, in the order of what they see: `index` counts through rows and, within a row, heads.
template <bool WORDS, int QUERIES>
static inline void attend_some(const Attention& a, int index) {
  const float* q[QUERIES];
  float* out[QUERIES];
  float* scores[QUERIES];
  int seen[QUERIES];
  for (int i = 0; i < QUERIES; i++) {
    int row = (index + i) / a.heads, head = (index + i) % a.heads;
    q[i] = a.queries + row * a.row_stride + head * a.head_dim;
    out[i] = a.out + row * a.out_stride + head * a.head_dim;
    seen[i] = a.first + row + 1;
  }
  const int most = seen[QUERIES - 1], room = round_up(most, BLOCK);
  for (int i = 0; i < QUERIES; i++) scores[i] = a.scratch + i * size_t(room);
  int16_t codes[WORDS ? QUERIES : 1][MOST_HEAD_DIM];
  const int16_t* words[QUERIES];
  float scales[QUERIES];
  for (int i = 0; WORDS && i < QUERIES; i++) {
    scales[i] = a.scale * quantize_words(q[i], a.head_dim, QUERY_LIMIT, codes[i]);
    words[i] = codes[i];
  }
  for (int begin = 0; begin < most; begin += BLOCK) {
    const uint8_t* keys = a.keys + a.blocks[begin / BLOCK] * a.key_stride;
    float* here[QUERIES];
    for (int i = 0; i < QUERIES; i++) here[i] = scores[i] + begin;
    if constexpr (WORDS)
      score_words<QUERIES>(words, scales, reinterpret_cast<const int16_t*>(keys),
                           begin + BLOCK < most ? a.keys + a.blocks[begin / BLOCK + 1] * a.key_stride
                                                : a.values + a.blocks[0] * a.value_stride,
                           a.head_dim, here);
    else score_floats<QUERIES>(q, reinterpret_cast<const float*>(keys), a.head_dim, a.scale, here);
  }
  float totals[QUERIES];
  const float* chances[QUERIES];
  for (int i = 0; i < QUERIES; i++) {
    totals[i] = soften(scores[i], seen[i]);
    for (int t = round_up(seen[i], LANES); t < most; t++) scores[i][t] = 0.0f;
    chances[i] = scores[i];
  }
  const int vectors = round_up(a.head_dim, LANES) / LANES;
  int vector = 0;
  if constexpr (FEW_ROWS > 0) {
    for (; vector + 4 <= vectors; vector += 4) mix<WORDS, QUERIES, 4>(a, chances, seen, totals, vector, out);
    for (; vector + 3 <= vectors; vector += 3) mix<WORDS, QUERIES, 3>(a, chances, seen, totals, vector, out);
  }
  for (; vector + 2 <= vectors; vector += 2) mix<WORDS, QUERIES, 2>(a, chances, seen, totals, vector, out);
  if (vector < vectors) mix<WORDS, QUERIES, 1>(a, chances, seen, totals, vector, out);
}

template <bool WORDS>
static void attend_as(const Attention& a) {
  const int queries = a.rows * a.heads;
  int index = 0;
  if constexpr (FEW_ROWS > 0)
    for (; index + 4 <= queries; index += 4) attend_some<WORDS, 4>(a, index);
  for (; index + 2 <= queries; index += 2) attend_some<WORDS, 2>(a, index);
  if (index < queries) attend_some<WORDS, 1>(a, index);
}

static void attend(const Attention& a) {
  if (a.words) attend_as<true>(a);
  else attend_as<false>(a);
}

// --- the rest ---------------------------------------------------------------------------------------------

static void unpack(const Matrix& m, int output, float* out) {
  const int panel = output / LANES, lane = output % LANES, width = m.tile_width(panel), place = panel % TILE;
  const uint8_t* tile = m.data + m.tile_offset(panel);
  if (!m.quantized()) {
    for (int k = 0; k < m.inputs; k++) {
      const size_t index = (size_t(k) * width + place) * LANES + lane;
      out[k] = m.type == Type::f32 ? reinterpret_cast<const float*>(tile)[index]
                                   : from_bits(uint32_t(reinterpret_cast<const uint16_t*>(tile)[index]) << 16);
    }
    return;
  }
  const int half = m.group / 2;
  for (int g = 0; g < m.groups(); g++) {
    const uint8_t* codes = tile + size_t(g) * width * (m.code_bytes() + LANES * 2);
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(codes + width * m.code_bytes());
    const float scale = half_to_float(scales[place * LANES + lane]);
    for (int i = 0; i < m.group && g * m.group + i < m.inputs; i++) {
      const int at = m.type == Type::int8 ? i : i % half;
      const uint8_t both = codes[(at / 4 * width + place) * 64 + lane * 4 + at % 4];
      const int code = m.type == Type::int8 ? both - 128 : (i < half ? both & 15 : both >> 4) - 8;
      out[g * m.group + i] = float(code) * scale;
    }
  }
}

static float largest(const float* x, int size) {
  F top = set(-__builtin_inff());
  int i = 0;
  for (; i + LANES <= size; i += LANES) top = max(top, load(x + i));
  float most = max_lanes(top);
  for (; i < size; i++) most = x[i] > most ? x[i] : most;
  return most;
}

static double exponentials(const float* x, int size, float top, float scale, float* out) {
  double total = 0;
  for (int i = 0; i < size; i += LANES) {
    int count = size - i < LANES ? size - i : LANES;
    float padded[LANES] = {};
    if (count < LANES)
      for (int k = 0; k < count; k++) padded[k] = x[i + k];
    F raised = exponential(mul(sub(count < LANES ? load(padded) : load(x + i), set(top)), set(scale)));
    raised = keep_first(raised, count, 0.0f);
    total += sum_lanes(raised);
    store(padded, raised);
    for (int k = 0; k < count; k++) out[i + k] = padded[k];
  }
  return total;
}

// Every number's time is exponential with its weight as its rate, drawn from two keys and the number alone; the
// first one wins. The winner is number i with a chance of its share of the weights, and two models that race
// with the same keys mostly agree. Source: Daliri, Musco and Suresh 2024, arXiv:2408.07978, section 3.
static int race(const float* weights, int size, float least, uint32_t key, uint32_t other_key) {
  const float never = __builtin_inff();
  F soonest = set(never);
  I winners = set_int(0);
  int32_t numbers[LANES];
  for (int k = 0; k < LANES; k++) numbers[k] = k;
  for (int i = 0; i < size; i += LANES) {
    float padded[LANES] = {};
    int count = size - i < LANES ? size - i : LANES;
    if (count < LANES)
      for (int k = 0; k < count; k++) padded[k] = weights[i + k];
    F weight = count < LANES ? load(padded) : load(weights + i);
    I number = add_int(load_int(numbers), set_int(i));
    I h = xor_int(mul_int(number, set_int(int32_t(0x9e3779b1u))), set_int(int32_t(key)));
    h = mul_int(xor_int(h, shift_right<16>(h)), set_int(int32_t(0x85ebca6bu)));
    h = add_int(mul_int(xor_int(h, shift_right<13>(h)), set_int(int32_t(0xc2b2ae35u))), set_int(int32_t(other_key)));
    h = mul_int(xor_int(h, shift_right<16>(h)), set_int(int32_t(0x7feb352du)));
    h = mul_int(xor_int(h, shift_right<15>(h)), set_int(int32_t(0x846ca68bu)));
    h = xor_int(h, shift_right<16>(h));
    // 23 bits and a half: never 0 and never 1
    F uniform = mul(add(to_float(shift_right<9>(h)), set(0.5f)), set(1.0f / 8388608.0f));
    F time = div(sub(set(0.0f), logarithm(uniform)), weight);
    time = where_below(weight, set(least), time, set(never));
    time = where_below(set(0.0f), weight, set(never), time);  // a weight of 0 never arrives
    winners = as_int(where_below(time, soonest, as_float(winners), as_float(number)));
    soonest = min(soonest, time);
  }
  float times[LANES];
  int32_t found[LANES];
  store(times, soonest);
  store_int(found, winners);
  int best = 0;
  for (int k = 1; k < LANES; k++)
    if (times[k] < times[best] || (times[k] == times[best] && found[k] < found[best])) best = k;
  return found[best];
}

const Kernels KERNELS = {ISA_NAME, multiply, gate, normalize, quantize, rotate, remember, attend, unpack, largest,
                         exponentials, race};
