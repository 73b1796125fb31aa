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
  static inline F at(const uint8_t* panel, int input) {
    return load(reinterpret_cast<const float*>(panel) + size_t(input) * LANES);
  }
};
struct Bfloats {
  static inline F at(const uint8_t* panel, int input) {
    return load_bf16(reinterpret_cast<const uint16_t*>(panel) + size_t(input) * LANES);
  }
};

template <class Weights, int ROWS, int PANELS>
static inline void add_up_floats(const Matrix& m, const Rows& x, int row, int panel, F (&sums)[ROWS][PANELS]) {
  const uint8_t* base = m.panel(panel);
  const size_t step = m.panel_bytes();
  const float* values = x.values + row * x.stride;
  for (int r = 0; r < ROWS; r++)
    for (int p = 0; p < PANELS; p++) sums[r][p] = set(0.0f);
  for (int k = 0; k < m.inputs; k++) {
    F w[PANELS];
    for (int p = 0; p < PANELS; p++) w[p] = Weights::at(base + p * step, k);
    for (int r = 0; r < ROWS; r++) {
      F value = set(values[r * x.stride + k]);
      for (int p = 0; p < PANELS; p++) sums[r][p] = fma(value, w[p], sums[r][p]);
    }
  }
}

template <int GROUP>
struct Bytes {
  static constexpr int LOADS = GROUP / 4;
  static constexpr int SIZE = GROUP * LANES;
  static inline I begin(int32_t start) { return begin_bytes(start); }
  template <int ROWS, int PANELS>
  static inline void add_up(const uint8_t* const (&w)[PANELS], const int8_t* const (&x)[ROWS],
                            I (&dots)[ROWS][PANELS]) {
#pragma GCC unroll 16
    for (int j = 0; j < LOADS; j++) {
      B bytes[PANELS];
      for (int p = 0; p < PANELS; p++) bytes[p] = as_weights(load_bytes(w[p] + j * 64));
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
  static constexpr int SIZE = GROUP * LANES / 2;
  static inline I begin(int32_t start) { return begin_nibbles(start); }
  template <int ROWS, int PANELS>
  static inline void add_up(const uint8_t* const (&w)[PANELS], const int8_t* const (&x)[ROWS],
                            I (&dots)[ROWS][PANELS]) {
#pragma GCC unroll 8
    for (int j = 0; j < LOADS; j++) {
      B low[PANELS], high[PANELS];
      for (int p = 0; p < PANELS; p++) {
        B both = load_bytes(w[p] + j * 64);
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
  const int groups = m.groups();
  const uint8_t* w[PANELS];
  const uint16_t* scales[PANELS];
  const int8_t* codes[ROWS];
  const float* row_scales = x.scales + row * x.group_stride;
  const int32_t* starts = x.starts + row * x.group_stride;
  for (int p = 0; p < PANELS; p++) {
    w[p] = m.panel(panel + p);
    scales[p] = m.scales(panel + p);
  }
  for (int r = 0; r < ROWS; r++) {
    codes[r] = x.codes + (row + r) * x.code_stride;
    for (int p = 0; p < PANELS; p++) sums[r][p] = set(0.0f);
  }
  for (int g = 0; g < groups; g++) {
    I dots[ROWS][PANELS];
    for (int r = 0; r < ROWS; r++)
      for (int p = 0; p < PANELS; p++) dots[r][p] = Codes::begin(starts[r * x.group_stride + g]);
    Codes::template add_up<ROWS, PANELS>(w, codes, dots);
    for (int p = 0; p < PANELS; p++) {
      F scale = load_half(scales[p] + g * LANES);
      for (int r = 0; r < ROWS; r++)
        sums[r][p] = fma(mul(to_float(dots[r][p]), scale), set(row_scales[r * x.group_stride + g]), sums[r][p]);
      w[p] += Codes::SIZE;
    }
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
  int panel = first;
  if constexpr (FEW_ROWS > 0)  // few sums per weight: more panels at once hide how long each sum takes
    if (rows <= FEW_ROWS)
      for (; panel + 4 <= last; panel += 4) all_rows<FEW_ROWS, 4>(m, x, rows, panel, out, stride, into);
  for (; panel + 2 <= last; panel += 2) all_rows<MOST_ROWS, 2>(m, x, rows, panel, out, stride, into);
  if (panel < last) all_rows<MOST_ROWS, 1>(m, x, rows, panel, out, stride, into);
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

static inline F load_cache(const float* p) { return load(p); }
static inline F load_cache(const uint16_t* p) { return load_half(p); }
static inline void store_cache(float* p, F x) { store(p, x); }
static inline void store_cache(uint16_t* p, F x) { store_half(p, x); }

template <class Number>
static void remember_as(const float* key, const float* value, int head_dim, Number* keys, Number* values,
                        int place) {
  const int width = round_up(head_dim, LANES);
  for (int e = 0; e < head_dim; e += LANES) {
    Number narrow[LANES];
    int count = head_dim - e < LANES ? head_dim - e : LANES;
    float padded[LANES] = {};
    for (int i = 0; i < count; i++) padded[i] = key[e + i];
    store_cache(narrow, load(padded));
    for (int i = 0; i < count; i++) keys[(e + i) * BLOCK + place] = narrow[i];
    for (int i = 0; i < count; i++) padded[i] = value[e + i];
    store_cache(values + place * width + e, load(padded));
  }
}

static void remember(const float* key, const float* value, int head_dim, bool half, void* keys, void* values,
                     int place) {
  if (half)
    remember_as(key, value, head_dim, static_cast<uint16_t*>(keys), static_cast<uint16_t*>(values), place);
  else
    remember_as(key, value, head_dim, static_cast<float*>(keys), static_cast<float*>(values), place);
}

// The scores of some queries against a block's keys, (QUERIES, BLOCK). Even and odd dimensions are added up
// apart: twice as many sums run at a time.
template <class Number, int QUERIES>
static inline void score_block(const float* const (&q)[QUERIES], const Number* keys, int head_dim, float scale,
                               float* const (&scores)[QUERIES]) {
  constexpr int VECTORS = QUERIES == 1 ? 4 : 2;
  for (int v = 0; v < BLOCK / LANES; v += VECTORS) {
    F even[QUERIES][VECTORS], odd[QUERIES][VECTORS];
    for (int i = 0; i < QUERIES; i++)
      for (int j = 0; j < VECTORS; j++) even[i][j] = odd[i][j] = set(0.0f);
    for (int e = 0; e < head_dim; e += 2) {  // head_dim is even
      const Number* line = keys + e * BLOCK + v * LANES;
      for (int j = 0; j < VECTORS; j++) {
        F first = load_cache(line + j * LANES), second = load_cache(line + BLOCK + j * LANES);
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
template <class Number, int QUERIES, int VECTORS>
static inline void mix_block(const float* const (&chances)[QUERIES], const Number* values, int width, int count,
                             F (&even)[QUERIES][VECTORS], F (&odd)[QUERIES][VECTORS]) {
  int t = 0;
  for (; t + 2 <= count; t += 2)
    for (int j = 0; j < VECTORS; j++) {
      F first = load_cache(values + t * width + j * LANES);
      F second = load_cache(values + (t + 1) * width + j * LANES);
      for (int i = 0; i < QUERIES; i++) {
        even[i][j] = fma(set(chances[i][t]), first, even[i][j]);
        odd[i][j] = fma(set(chances[i][t + 1]), second, odd[i][j]);
      }
    }
  if (t < count)
    for (int j = 0; j < VECTORS; j++) {
      F last = load_cache(values + t * width + j * LANES);
      for (int i = 0; i < QUERIES; i++) even[i][j] = fma(set(chances[i][t]), last, even[i][j]);
    }
}

// `seen` may differ between the queries: each is mixed over its own positions, the common ones together.
template <class Number, int QUERIES, int VECTORS>
static inline void mix(const Attention& a, const float* const (&chances)[QUERIES], const int (&seen)[QUERIES],
                       const float (&totals)[QUERIES], int vector, float* const (&out)[QUERIES]) {
  const int width = round_up(a.head_dim, LANES);
  F even[QUERIES][VECTORS], odd[QUERIES][VECTORS];
  for (int i = 0; i < QUERIES; i++)
    for (int j = 0; j < VECTORS; j++) even[i][j] = odd[i][j] = set(0.0f);
  int most = seen[QUERIES - 1];
  for (int begin = 0; begin < most; begin += BLOCK) {
    const Number* block = static_cast<const Number*>(a.values) + a.blocks[begin / BLOCK] * a.value_stride +
                          vector * LANES;
    const float* here[QUERIES];
    for (int i = 0; i < QUERIES; i++) here[i] = chances[i] + begin;
    mix_block<Number, QUERIES, VECTORS>(here, block, width, most - begin < BLOCK ? most - begin : BLOCK, even, odd);
  }
  for (int i = 0; i < QUERIES; i++)
    for (int j = 0; j < VECTORS; j++) {
      F mixed = mul(add(even[i][j], odd[i][j]), set(1.0f / totals[i]));
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
template <class Number, int QUERIES>
static inline void attend_some(const Attention& a, int index) {
  const int width = round_up(a.head_dim, LANES);
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
  for (int begin = 0; begin < most; begin += BLOCK) {
    const Number* keys = static_cast<const Number*>(a.keys) + a.blocks[begin / BLOCK] * a.key_stride;
    float* here[QUERIES];
    for (int i = 0; i < QUERIES; i++) here[i] = scores[i] + begin;
    score_block<Number, QUERIES>(q, keys, a.head_dim, a.scale, here);
  }
  float totals[QUERIES];
  const float* chances[QUERIES];
  for (int i = 0; i < QUERIES; i++) {
    totals[i] = soften(scores[i], seen[i]);
    for (int t = round_up(seen[i], LANES); t < most; t++) scores[i][t] = 0.0f;
    chances[i] = scores[i];
  }
  constexpr int MANY = QUERIES == 1 ? 4 : 2;
  int vector = 0;
  for (; vector + MANY <= width / LANES; vector += MANY)
    mix<Number, QUERIES, MANY>(a, chances, seen, totals, vector, out);
  for (; vector < width / LANES; vector++) mix<Number, QUERIES, 1>(a, chances, seen, totals, vector, out);
}

template <class Number>
static void attend_as(const Attention& a) {
  const int queries = a.rows * a.heads;
  int index = 0;
  if constexpr (FEW_ROWS > 0)
    for (; index + 4 <= queries; index += 4) attend_some<Number, 4>(a, index);
  for (; index + 2 <= queries; index += 2) attend_some<Number, 2>(a, index);
  if (index < queries) attend_some<Number, 1>(a, index);
}

static void attend(const Attention& a) {
  if (a.half) attend_as<uint16_t>(a);
  else attend_as<float>(a);
}

// --- the rest ---------------------------------------------------------------------------------------------

static void unpack(const Matrix& m, int output, float* out) {
  const uint8_t* panel = m.panel(output / LANES);
  const uint16_t* scales = m.quantized() ? m.scales(output / LANES) : nullptr;
  const int lane = output % LANES;
  for (int k = 0; k < m.inputs; k++) {
    if (m.type == Type::f32) {
      out[k] = reinterpret_cast<const float*>(panel)[size_t(k) * LANES + lane];
    } else if (m.type == Type::bf16) {
      out[k] = from_bits(uint32_t(reinterpret_cast<const uint16_t*>(panel)[size_t(k) * LANES + lane]) << 16);
    } else {
      int group = k / m.group, rest = k % m.group, code;
      if (m.type == Type::int8) {
        code = panel[size_t(group) * m.group * LANES + rest / 4 * 64 + lane * 4 + rest % 4] - 128;
      } else {
        int half = m.group / 2, inside = rest % half;
        uint8_t both = panel[size_t(group) * half * LANES + inside / 4 * 64 + lane * 4 + inside % 4];
        code = (rest < half ? both & 15 : both >> 4) - 8;
      }
      out[k] = float(code) * half_to_float(scales[group * LANES + lane]);
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

const Kernels KERNELS = {ISA_NAME, multiply, normalize, quantize, rotate, remember, attend, unpack, largest,
                         exponentials, race};
