// A decoder out of packed matrices, the memory of what it has read, and one step of many sequences through it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "adapter.h"
#include "kernels.h"
#include "pool.h"
#include "sampling.h"

namespace camelid {

struct Config {
  int hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  int num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0, vocab_size = 0, context = 0;
  float rms_norm_eps = 0;

  int query_width() const { return num_attention_heads * head_dim; }
  int key_width() const { return num_key_value_heads * head_dim; }
};

struct Layer {
  Matrix qkv, out, gate_up, down;
  const float* attention_norm = nullptr;
  const float* feed_norm = nullptr;
};

// Rows of an embedding that is not tied to the head; null data: it is tied.
struct Table {
  Type type = Type::f32;
  const void* data = nullptr;
};

// Keys and values of all layers, in blocks of BLOCK positions.
class Cache {
 public:
  // words: 16-bit integers with scales, else float32.
  Cache(const Config&, int blocks, bool words);
  int blocks() const { return blocks_; }
  size_t bytes() const { return size_t(key_stride() + value_stride()) * blocks_ * layers_; }
  bool words() const { return words_; }
  // Where a layer's keys or values of one head begin; a block further is `key_stride` or `value_stride` bytes.
  uint8_t* keys(int layer, int head) const;
  uint8_t* values(int layer, int head) const;
  int64_t key_stride() const { return heads_ * block_bytes(head_dim_); }
  int64_t value_stride() const { return heads_ * block_bytes(padded_); }
  // Copies what all layers know of a block.
  void copy(int from, int to);

 private:
  int64_t block_bytes(int width) const { return int64_t(BLOCK) * (words_ ? width * 2 + 4 : width * 4); }
  struct Free {
    void operator()(uint8_t* p) const;
  };
  int layers_, heads_, head_dim_, padded_, blocks_;
  bool words_;
  std::unique_ptr<uint8_t, Free> keys_, values_;
};

// One request's tokens and how its next ones are chosen. `blocks` say where its keys and values lie.
struct Sequence {
  std::vector<int32_t> tokens;
  int prompt = 0;    // how many of the tokens were given
  int computed = 0;  // how many of them the cache knows
  std::vector<int32_t> blocks;
  std::vector<int32_t> drafts;  // guesses of what follows `tokens`; used up by the next step
  std::vector<int32_t> stops;
  std::vector<uint32_t> allowed;  // a bit for each token of the next choice; empty: all
  Sampling sampling;
  Counts counts;  // kept only where the settings need it
  std::vector<Chosen> chosen;  // what the last step chose
  bool read = false;           // take down what the model finds at the end of the prompt
  Reading reading;
  std::shared_ptr<const Adapter> adapter;  // what changes the model for this request; null: nothing
  // Below 1, a draft is also kept if the model finds it at least so likely as the likeliest token times this.
  float dial = 1;

  void accept(int32_t token);
  // Forgets all tokens from a place in the reply on.
  void rewind(int length);
  int pending() const { return int(tokens.size()) - computed; }
  bool in_prompt(int32_t token) const;
};

class Model {
 public:
  Model(const Config&, std::vector<float> frequencies, std::vector<Layer>, const float* final_norm, Matrix head,
        Table embedding, const Kernels*, std::shared_ptr<Pool>);

  const Config& config() const { return config_; }
  const Kernels& kernels() const { return *kernels_; }
  int threads() const { return pool_->size(); }

  // Reads `counts[i]` of what sequence i has pending, and, where nothing is left, its drafts too; then chooses
  // what follows. A draft that is what would have been chosen is kept, and the choice after it is made at once.
  void step(Cache&, const std::vector<Sequence*>&, const std::vector<int>& counts);
  // Chooses so many tokens of each sequence, one after the other, except after one that stops it.
  void run(Cache&, const std::vector<Sequence*>&, int steps);
  // Reads `count` pending tokens of one sequence and writes the logits after each, (count, vocab).
  void logits(Cache&, Sequence&, int count, float* out);
  // Likewise the states after the final norm, (count, hidden_size).
  void hidden(Cache&, Sequence&, int count, float* out);

 private:
  struct Slice {
    Sequence* sequence;
    int row, rows, start;  // its first row in the step, and that row's position
    int out, outs;         // its first row of logits
  };
  struct Run {  // rows that one adapter changes
    const Adapter* adapter;
    int row, rows;
  };
  struct Item {  // a piece of attention
    int slice, head, row, rows;
  };
  struct Lines {  // rows as a matrix wants them
    std::vector<float> values, scales;
    std::vector<int8_t> codes;
    std::vector<int32_t> starts;
    void reserve(int rows, int width);
    Rows rows(int width) const;
  };
  struct Own {  // what one thread has for itself
    Lines lines;
    std::vector<float> line, scratch, spare, normed, low;
  };
  struct Input {  // what a product is made of: rows, normalized first unless `norm` is null
    const float* x;
    int64_t stride;
    int width;
    const float* norm;
  };

  void take_step(Cache&, const std::vector<Sequence*>&, const std::vector<int>& counts);
  void plan(const std::vector<Sequence*>&, const std::vector<int>& counts, bool choose);
  void forward(Cache&, float* all_logits, float* hidden = nullptr);
  void find_runs();
  void run_layer(Cache&, int thread, int layer);
  void take_product(int thread, int layer, Product, const Matrix&, const Input&, float* out, int64_t stride, Into);
  bool changes(int layer, Product) const;
  void lower(int thread, int layer, Product, const Input&);
  void raise(int thread, int layer, Product, float* out, int64_t stride);
  void attend(Cache&, int thread, int layer, const Item&);
  void turn_row(Cache&, int layer, const Slice&, int row, int first_head, int last_head);
  Rows prepare(int thread, const float* x, int64_t stride, const int* index, int rows, int width,
               const float* norm, const Matrix& target);
  std::pair<int, int> share_panels(int thread, const Matrix&, bool in_pairs) const;
  void multiply(int thread, const Matrix&, const Rows&, int rows, float* out, int64_t stride, Into,
                bool in_pairs = false);
  void embed(int row, int32_t token);
  void verify(const Slice&, float* logits, float* spare);
  void read(const Slice&, const float* logits, float* spare);
  bool is_near(const Sequence&, const float* logits, int32_t draft) const;
  void extend_tables(int positions);

  Config config_;
  std::vector<float> frequencies_;
  std::vector<Layer> layers_;
  const float* final_norm_;
  Matrix head_;
  Table embedding_;
  const Kernels* kernels_;
  std::shared_ptr<Pool> pool_;

  // one step at a time:
  std::mutex busy_;
  int x_stride_, qkv_stride_, mixed_stride_, act_stride_, gate_stride_, logit_stride_;
  int positions_ = 0;                   // of the rotary tables
  std::vector<float> cosines_, sines_;  // (positions, head_dim / 2)
  std::vector<size_t> order_;
  std::vector<Slice> slices_;
  std::vector<Run> runs_;
  std::vector<Item> items_;
  std::vector<int> out_rows_;
  std::vector<int32_t> row_tokens_;
  std::vector<int> row_slices_;
  int rows_ = 0;
  bool single_ = false;  // every slice is one row
  std::vector<float> x_, qkv_, mixed_, act_, logits_;
  std::vector<float> gates_, low_;  // with adapters: gates and inputs before they meet; what the As make of rows
  int low_stride_ = 0;
  Lines shared_;
  std::vector<Own> own_;
  std::vector<std::atomic<int>> next_;  // the next piece of attention of each layer, then of the choices
};

}  // namespace camelid
