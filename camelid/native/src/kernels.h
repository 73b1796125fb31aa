// What the kernels work on, and the table of them that each instruction set fills.
//
// A packed matrix lies in panels of 16 outputs. Within a panel the inputs follow each other, so that one vector
// holds the same inputs of 16 outputs, and a sum over inputs is a chain of vectors: its order is the same for
// one row as for many, alone or in a batch, on any number of threads. That is why tokens are reproducible.
//
// Four panels make a tile, their vectors in turn, the scales of a group right behind its codes: who multiplies by
// a tile reads memory in one stream, which is half as fast again as several (docs/log.md). The last tile of a
// matrix is as wide as what is left.
#pragma once

#include <cstddef>
#include <cstdint>

namespace camelid {

constexpr int LANES = 16;  // outputs of a panel, numbers of a vector
constexpr int TILE = 4;    // panels of a tile
constexpr int BLOCK = 64;  // positions of a block of the key/value cache

// Never a function of its own: one compiled for one processor could be taken by the linker for all.
#define CAMELID_INLINE inline __attribute__((always_inline))

CAMELID_INLINE constexpr int round_up(int number, int step) { return (number + step - 1) / step * step; }

enum class Type : int { f32, bf16, int8, int4 };

// Weights (outputs, inputs), packed; of each panel of a tile in turn:
//   f32, bf16  for each input 16 numbers
//   int8       for each group (group/4) × 16 × 4 bytes, a weight being byte - 128; and 16 scales, float16
//   int4       for each group (group/8) × 16 × 4 bytes, a weight being nibble - 8; the low nibbles are the first
//              half of the group's inputs, the high ones the second; and the scales
struct Matrix {
  Type type = Type::f32;
  int outputs = 0, inputs = 0, group = 0;
  const uint8_t* data = nullptr;

  CAMELID_INLINE bool quantized() const { return type == Type::int8 || type == Type::int4; }
  CAMELID_INLINE int panels() const { return (outputs + LANES - 1) / LANES; }
  CAMELID_INLINE int groups() const { return quantized() ? (inputs + group - 1) / group : 0; }
  CAMELID_INLINE int code_bytes() const {  // of one panel and group
    return type == Type::int8 ? group * LANES : group * LANES / 2;
  }
  CAMELID_INLINE size_t panel_bytes() const {
    if (quantized()) return size_t(groups()) * (code_bytes() + LANES * 2);
    return size_t(inputs) * LANES * (type == Type::f32 ? 4 : 2);
  }
  CAMELID_INLINE size_t bytes() const { return panel_bytes() * panels(); }
  // The tile that a panel lies in: where it begins, how many panels it has, and which of them this one is.
  CAMELID_INLINE size_t tile_offset(int panel) const { return panel_bytes() * (panel / TILE * TILE); }
  CAMELID_INLINE int tile_width(int panel) const {
    int left = panels() - panel / TILE * TILE;
    return left < TILE ? left : TILE;
  }
};

// The rows that a matrix is multiplied with: as floats, or as codes with one scale per group. `starts` is where
// the sum of a group begins: minus the weights' offset times the sum of the codes.
struct Rows {
  const float* values = nullptr;
  int64_t stride = 0;
  const int8_t* codes = nullptr;
  const float* scales = nullptr;
  const int32_t* starts = nullptr;
  int64_t code_stride = 0, group_stride = 0;
};

// What becomes of a product: it is stored, added to what is there, or, from a matrix whose panels are a gate's
// and its input's in turn, stored as silu(gate) · input.
enum class Into : int { store, add, gate };

// Some rows of one sequence and one key/value head, and where their keys and values lie.
struct Attention {
  const float* queries;   // row r, head h: queries + r * row_stride + h * head_dim
  float* out;             // row r, head h: out + r * out_stride + h * head_dim
  int64_t row_stride, out_stride;
  int rows, heads, head_dim;
  int first;              // the position of row 0; row r sees first + r + 1 positions
  float scale;
  bool words;             // the cache holds words, else float32
  const uint8_t* keys;    // block b: keys + blocks[b] * key_stride; of floats (head_dim, BLOCK)
  const uint8_t* values;  // block b: likewise; of floats (BLOCK, head_dim rounded up to LANES)
  int64_t key_stride, value_stride;  // in bytes
  const int32_t* blocks;
  float* scratch;         // attention_scratch(...) floats
};

constexpr int MOST_HEAD_DIM = 1024;   // wider heads would overflow the sums of words, too
constexpr int ATTENTION_QUERIES = 4;  // that are read together
CAMELID_INLINE size_t attention_scratch(int positions) {
  return size_t(ATTENTION_QUERIES) * round_up(positions, BLOCK);
}

struct Kernels {
  const char* name;
  void (*multiply)(const Matrix&, const Rows&, int rows, int first_panel, int last_panel, float* out,
                   int64_t out_stride, Into);
  // Panels of gates and inputs in turn, from `first` to before `last`: silu(gate) · input, one half as wide.
  void (*gate)(const float* sums, int first, int last, float* out);
  void (*normalize)(const float* x, const float* weight, int width, float epsilon, float* out);
  void (*quantize)(const float* x, int width, int group, int offset, int8_t* codes, float* scales,
                   int32_t* starts);
  // x (heads, head_dim) turned in place; cos, sin (head_dim / 2).
  void (*rotate)(float* x, int heads, int head_dim, const float* cos, const float* sin);
  // One position's key and value of one head into its place in a block.
  void (*remember)(const float* key, const float* value, int head_dim, bool words, void* keys, void* values,
                   int place);
  void (*attend)(const Attention&);
  // One row of a packed matrix as floats, what an embedding tied to the head needs.
  void (*unpack)(const Matrix&, int output, float* out);
  float (*largest)(const float* x, int size);
  // out = exp((x - largest) * scale); returns the sum.
  double (*exponentials)(const float* x, int size, float largest, float scale, float* out);
  // The winner of a race in which each number of at least `least` starts with its weight as its rate.
  int (*race)(const float* weights, int size, float least, uint32_t key, uint32_t other_key);
};

// The instruction sets that were compiled, best first; ends with one whose name is null.
struct IsaEntry {
  const char* name;
  bool (*available)();
  const Kernels* kernels;
};
extern const IsaEntry ISAS[];

}  // namespace camelid
