#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>

#include "bits.h"

namespace camelid {

namespace {

constexpr int PRIVATE_ROWS = 2;  // so few are prepared by each thread for itself, which saves a meeting
constexpr int FAIR_TILES = 4;    // so many for each thread are divided fairly enough
constexpr int ITEM_ROWS = 16;    // of a prompt, that one thread attends for at a time
constexpr int LOW_ROWS = 8;      // that an adapter's A reads together

template <class T>
void grow(std::vector<T>& vector, size_t size) {
  if (vector.size() < size) vector.resize(size);
}

std::pair<int, int> share(int units, int thread, int threads) {
  return {int(int64_t(units) * thread / threads), int(int64_t(units) * (thread + 1) / threads)};
}

// The places of sequences so that those of one adapter follow each other.
void put_in_order(const std::vector<Sequence*>& sequences, std::vector<size_t>& places) {
  places.resize(sequences.size());
  std::iota(places.begin(), places.end(), size_t(0));
  const auto adapter = [&](size_t place) { return sequences[place]->adapter.get(); };
  const auto before = [&](size_t one, size_t other) {
    return std::less<const Adapter*>()(adapter(one), adapter(other));
  };
  if (!std::is_sorted(places.begin(), places.end(), before))
    std::stable_sort(places.begin(), places.end(), before);
}

}  // namespace

// --- the cache --------------------------------------------------------------------------------------------

void Cache::Free::operator()(uint8_t* p) const { ::operator delete(p, std::align_val_t(64)); }

Cache::Cache(const Config& config, int blocks, bool words)
    : layers_(config.num_hidden_layers), heads_(config.num_key_value_heads), head_dim_(config.head_dim),
      padded_(round_up(config.head_dim, LANES)), blocks_(blocks), words_(words) {
  const size_t rows = size_t(layers_) * blocks;
  // Memory that nobody has touched costs nothing: a cache is as large as what it holds.
  keys_.reset(static_cast<uint8_t*>(::operator new(rows * key_stride(), std::align_val_t(64))));
  values_.reset(static_cast<uint8_t*>(::operator new(rows * value_stride(), std::align_val_t(64))));
}

uint8_t* Cache::keys(int layer, int head) const {
  return keys_.get() + int64_t(layer) * blocks_ * key_stride() + head * block_bytes(head_dim_);
}

uint8_t* Cache::values(int layer, int head) const {
  return values_.get() + int64_t(layer) * blocks_ * value_stride() + head * block_bytes(padded_);
}

void Cache::copy(int from, int to) {
  for (int layer = 0; layer < layers_; layer++) {
    std::memcpy(keys(layer, 0) + to * key_stride(), keys(layer, 0) + from * key_stride(), key_stride());
    std::memcpy(values(layer, 0) + to * value_stride(), values(layer, 0) + from * value_stride(), value_stride());
  }
}

// --- a sequence -------------------------------------------------------------------------------------------

void Sequence::accept(int32_t token) {
  tokens.push_back(token);
  if (sampling.changes_logits()) counts[token]++;
}

void Sequence::rewind(int length) {
  while (int(tokens.size()) > length) {
    if (sampling.changes_logits()) {
      const auto found = counts.find(tokens.back());
      // What the prompt has, too, stays with a count of 0: the repetition penalty goes by it.
      if (--found->second == 0 && (sampling.repetition_penalty == 1 || !in_prompt(tokens.back())))
        counts.erase(found);
    }
    tokens.pop_back();
  }
  computed = std::min(computed, length);
}

bool Sequence::in_prompt(int32_t token) const {
  return std::find(tokens.begin(), tokens.begin() + prompt, token) != tokens.begin() + prompt;
}

// --- the model --------------------------------------------------------------------------------------------

Model::Model(const Config& config, std::vector<float> frequencies, std::vector<Layer> layers,
             const float* final_norm, Matrix head, Table embedding, const Kernels* kernels,
             std::shared_ptr<Pool> pool)
    : config_(config), frequencies_(std::move(frequencies)), layers_(std::move(layers)), final_norm_(final_norm),
      head_(head), embedding_(embedding), kernels_(kernels), pool_(std::move(pool)), own_(pool_->size()),
      next_(config.num_hidden_layers + 1) {
  x_stride_ = round_up(config.hidden_size, BLOCK);
  qkv_stride_ = round_up(config.query_width() + 2 * config.key_width(), BLOCK);
  mixed_stride_ = round_up(config.query_width(), BLOCK);
  act_stride_ = round_up(config.intermediate_size, BLOCK);
  gate_stride_ = 2 * act_stride_;
  logit_stride_ = round_up(config.vocab_size, BLOCK);
}

void Model::Lines::reserve(int rows, int width) {
  const int padded = round_up(width, BLOCK);
  grow(values, size_t(rows) * padded);
  grow(codes, size_t(rows) * padded);
  grow(scales, size_t(rows) * padded / 32);
  grow(starts, size_t(rows) * padded / 32);
}

Rows Model::Lines::rows(int width) const {
  const int padded = round_up(width, BLOCK);
  return {values.data(), padded, codes.data(), scales.data(), starts.data(), padded, padded / 32};
}

void Model::extend_tables(int positions) {
  if (positions <= positions_) return;
  positions = std::max(positions, std::min(config_.context, std::max(256, 2 * positions_)));
  const int half = config_.head_dim / 2;
  cosines_.resize(size_t(positions) * half);
  sines_.resize(size_t(positions) * half);
  for (int position = positions_; position < positions; position++)
    for (int i = 0; i < half; i++) {
      const float angle = float(position) * frequencies_[i];
      cosines_[size_t(position) * half + i] = std::cos(angle);
      sines_[size_t(position) * half + i] = std::sin(angle);
    }
  positions_ = positions;
}

void Model::plan(const std::vector<Sequence*>& sequences, const std::vector<int>& counts, bool choose) {
  slices_.clear();
  items_.clear();
  out_rows_.clear();
  row_tokens_.clear();
  row_slices_.clear();
  rows_ = 0;
  single_ = true;
  int longest = 0;
  put_in_order(sequences, order_);
  for (const size_t i : order_) {
    Sequence& sequence = *sequences[i];
    const int count = counts[i];
    const bool last = count == sequence.pending();
    const int drafts = choose && last ? int(sequence.drafts.size()) : 0;
    Slice slice{&sequence, rows_, count + drafts, sequence.computed, int(out_rows_.size()), 0};
    for (int k = 0; k < slice.rows; k++) {
      row_tokens_.push_back(k < count ? sequence.tokens[sequence.computed + k] : sequence.drafts[k - count]);
      row_slices_.push_back(int(slices_.size()));
      if (!choose || (last && k >= count - 1)) out_rows_.push_back(rows_ + k);
    }
    slice.outs = int(out_rows_.size()) - slice.out;
    rows_ += slice.rows;
    single_ = single_ && slice.rows == 1;
    longest = std::max(longest, slice.start + slice.rows);
    slices_.push_back(slice);
  }
  for (int i = int(slices_.size()) - 1; i >= 0; i--)  // the longest pieces first
    for (int row = (slices_[i].rows - 1) / ITEM_ROWS * ITEM_ROWS; row >= 0; row -= ITEM_ROWS)
      for (int head = 0; head < config_.num_key_value_heads; head++)
        items_.push_back({i, head, row, std::min(ITEM_ROWS, slices_[i].rows - row)});
  find_runs();
  extend_tables(longest);
  for (auto& next : next_) next.store(0, std::memory_order_relaxed);

  grow(x_, size_t(rows_) * x_stride_);
  grow(qkv_, size_t(rows_) * qkv_stride_);
  grow(mixed_, size_t(rows_) * mixed_stride_);
  grow(act_, size_t(rows_) * act_stride_);
  if (choose) grow(logits_, out_rows_.size() * logit_stride_);
  const int widest = std::max({x_stride_, mixed_stride_, act_stride_});
  if (rows_ > PRIVATE_ROWS) shared_.reserve(rows_, widest);
  for (auto& own : own_) {
    own.lines.reserve(PRIVATE_ROWS, widest);
    grow(own.line, size_t(widest));
    grow(own.scratch, attention_scratch(longest));
    grow(own.spare, size_t(logit_stride_));
    if (runs_.empty()) continue;
    grow(own.low, size_t(PRIVATE_ROWS) * low_stride_);
    grow(own.normed, size_t(LOW_ROWS) * x_stride_);
  }
}

void Model::find_runs() {
  runs_.clear();
  int rank = 0;
  for (const Slice& slice : slices_) {
    const Adapter* adapter = slice.sequence->adapter.get();
    if (!adapter) continue;
    if (runs_.empty() || runs_.back().adapter != adapter) runs_.push_back({adapter, slice.row, 0});
    runs_.back().rows += slice.rows;
    rank = std::max(rank, adapter->rank);
  }
  if (runs_.empty()) return;
  low_stride_ = round_up(rank, LANES);
  grow(gates_, size_t(rows_) * gate_stride_);
  if (rows_ > PRIVATE_ROWS) grow(low_, size_t(rows_) * low_stride_);
}

void Model::embed(int row, int32_t token) {
  float* x = x_.data() + size_t(row) * x_stride_;
  const int width = config_.hidden_size;
  if (!embedding_.data) return kernels_->unpack(head_, token, x);
  if (embedding_.type == Type::f32) {
    std::memcpy(x, static_cast<const float*>(embedding_.data) + size_t(token) * width, size_t(width) * 4);
    return;
  }
  const uint16_t* line = static_cast<const uint16_t*>(embedding_.data) + size_t(token) * width;
  for (int i = 0; i < width; i++) x[i] = from_bits(uint32_t(line[i]) << 16);
}

Rows Model::prepare(int thread, const float* x, int64_t stride, const int* index, int rows, int width,
                    const float* norm, const Matrix& target) {
  const bool alone = rows <= PRIVATE_ROWS;
  if (!target.quantized() && !norm && !index) return {x, stride};
  Lines& lines = alone ? own_[thread].lines : shared_;
  const Rows prepared = lines.rows(width);
  const auto [first, last] = alone ? std::pair<int, int>(0, rows) : share(rows, thread, pool_->size());
  for (int row = first; row < last; row++) {
    const float* line = x + (index ? index[row] : row) * stride;
    float* values = lines.values.data() + row * prepared.stride;
    if (norm) {
      float* normed = target.quantized() ? own_[thread].line.data() : values;
      kernels_->normalize(line, norm, width, config_.rms_norm_eps, normed);
      line = normed;
    } else if (!target.quantized()) {
      std::memcpy(values, line, size_t(width) * 4);
    }
    if (target.quantized())
      kernels_->quantize(line, width, target.group, target.type == Type::int8 ? 128 : 8,
                         lines.codes.data() + row * prepared.code_stride,
                         lines.scales.data() + row * prepared.group_stride,
                         lines.starts.data() + row * prepared.group_stride);
  }
  if (!alone) pool_->meet();
  return prepared;
}

std::pair<int, int> Model::share_panels(int thread, const Matrix& matrix, bool in_pairs) const {
  // By whole tiles, which are read in one stream, unless that would leave some threads with much less than others;
  // a gate's panels come in pairs.
  const int threads = pool_->size(), panels = matrix.panels();
  const int unit = panels >= FAIR_TILES * TILE * threads ? TILE : in_pairs ? 2 : 1;
  const auto [first, last] = share((panels + unit - 1) / unit, thread, threads);
  return {first * unit, std::min(last * unit, panels)};
}

void Model::multiply(int thread, const Matrix& matrix, const Rows& x, int rows, float* out, int64_t stride,
                     Into into, bool in_pairs) {
  const auto [first, last] = share_panels(thread, matrix, in_pairs || into == Into::gate);
  kernels_->multiply(matrix, x, rows, first, last, out, stride, into);
}

// One of a layer's products for all rows, with what adapters add to it. Where one changes gates, those of all rows
// are stored before they meet their inputs: the same numbers by another way.
void Model::take_product(int thread, int layer, Product product, const Matrix& matrix, const Input& input,
                         float* out, int64_t stride, Into into) {
  const Rows in = prepare(thread, input.x, input.stride, nullptr, rows_, input.width, input.norm, matrix);
  if (runs_.empty() || !changes(layer, product)) return multiply(thread, matrix, in, rows_, out, stride, into);
  lower(thread, layer, product, input);
  if (into != Into::gate) {
    multiply(thread, matrix, in, rows_, out, stride, into);
    return raise(thread, layer, product, out, stride);
  }
  multiply(thread, matrix, in, rows_, gates_.data(), gate_stride_, Into::store, true);
  raise(thread, layer, product, gates_.data(), gate_stride_);
  const auto [first, last] = share_panels(thread, matrix, true);
  for (int row = 0; row < rows_; row++)
    kernels_->gate(gates_.data() + size_t(row) * gate_stride_, first, last, out + row * stride);
}

bool Model::changes(int layer, Product product) const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [&](const Run& run) { return run.adapter->layers[layer][product].is_there(); });
}

// What the As of adapters make of their rows; those few that all threads need at once each makes for itself.
void Model::lower(int thread, int layer, Product product, const Input& input) {
  const bool alone = rows_ <= PRIVATE_ROWS;
  Own& own = own_[thread];
  float* low = alone ? own.low.data() : low_.data();
  const auto [first, last] = alone ? std::pair<int, int>(0, rows_) : share(rows_, thread, pool_->size());
  for (const Run& run : runs_) {
    const Change& change = run.adapter->layers[layer][product];
    if (!change.is_there()) continue;
    const int end = std::min(last, run.row + run.rows);
    for (int row = std::max(first, run.row); row < end; row += LOW_ROWS) {
      const int rows = std::min(LOW_ROWS, end - row);
      Rows x;
      x.values = input.x + row * input.stride;
      x.stride = input.stride;
      if (input.norm) {
        for (int i = 0; i < rows; i++)
          kernels_->normalize(x.values + i * x.stride, input.norm, input.width, config_.rms_norm_eps,
                              own.normed.data() + size_t(i) * x_stride_);
        x.values = own.normed.data();
        x.stride = x_stride_;
      }
      kernels_->multiply(change.a, x, rows, 0, change.a.panels(), low + size_t(row) * low_stride_, low_stride_,
                         Into::store);
    }
  }
  if (!alone) pool_->meet();
}

// Adds what the Bs of adapters make of that, in the panels that this thread has multiplied itself.
void Model::raise(int thread, int layer, Product product, float* out, int64_t stride) {
  const float* low = rows_ <= PRIVATE_ROWS ? own_[thread].low.data() : low_.data();
  for (const Run& run : runs_) {
    const Change& change = run.adapter->layers[layer][product];
    if (!change.is_there()) continue;
    const auto [first, last] = share_panels(thread, change.b, product == GATE_UP);
    Rows x;
    x.values = low + size_t(run.row) * low_stride_;
    x.stride = low_stride_;
    kernels_->multiply(change.b, x, run.rows, first, last, out + run.row * stride, stride, Into::add);
  }
}

void Model::turn_row(Cache& cache, int layer, const Slice& slice, int row, int first_head, int last_head) {
  const int width = config_.head_dim, share = config_.num_attention_heads / config_.num_key_value_heads;
  const int position = slice.start + row - slice.row;
  const float* cosines = cosines_.data() + size_t(position) * width / 2;
  const float* sines = sines_.data() + size_t(position) * width / 2;
  float* queries = qkv_.data() + size_t(row) * qkv_stride_;
  float* keys = queries + config_.query_width();
  const float* values = keys + config_.key_width();
  const int block = slice.sequence->blocks[position / BLOCK];
  for (int head = first_head; head < last_head; head++) {
    kernels_->rotate(queries + head * share * width, share, width, cosines, sines);
    kernels_->rotate(keys + head * width, 1, width, cosines, sines);
    kernels_->remember(keys + head * width, values + head * width, width, cache.words(),
                       cache.keys(layer, head) + block * cache.key_stride(),
                       cache.values(layer, head) + block * cache.value_stride(), position % BLOCK);
  }
}

void Model::attend(Cache& cache, int thread, int layer, const Item& item) {
  const Slice& slice = slices_[item.slice];
  const int share = config_.num_attention_heads / config_.num_key_value_heads;
  const int row = slice.row + item.row, offset = item.head * share * config_.head_dim;
  if (single_) turn_row(cache, layer, slice, row, item.head, item.head + 1);
  Attention a;
  a.queries = qkv_.data() + size_t(row) * qkv_stride_ + offset;
  a.out = mixed_.data() + size_t(row) * mixed_stride_ + offset;
  a.row_stride = qkv_stride_;
  a.out_stride = mixed_stride_;
  a.rows = item.rows;
  a.heads = share;
  a.head_dim = config_.head_dim;
  a.first = slice.start + item.row;
  a.scale = 1 / std::sqrt(float(config_.head_dim));
  a.words = cache.words();
  a.keys = cache.keys(layer, item.head);
  a.values = cache.values(layer, item.head);
  a.key_stride = cache.key_stride();
  a.value_stride = cache.value_stride();
  a.blocks = slice.sequence->blocks.data();
  a.scratch = own_[thread].scratch.data();
  kernels_->attend(a);
}

void Model::run_layer(Cache& cache, int thread, int index) {
  const Layer& layer = layers_[index];
  const int width = config_.hidden_size;
  take_product(thread, index, QKV, layer.qkv, {x_.data(), x_stride_, width, layer.attention_norm}, qkv_.data(),
               qkv_stride_, Into::store);
  pool_->meet();
  if (!single_) {
    const auto [first, last] = share(rows_, thread, pool_->size());
    for (int row = first; row < last; row++)
      turn_row(cache, index, slices_[row_slices_[row]], row, 0, config_.num_key_value_heads);
    pool_->meet();
  }
  for (size_t i; (i = size_t(next_[index].fetch_add(1, std::memory_order_relaxed))) < items_.size();)
    attend(cache, thread, index, items_[i]);
  pool_->meet();
  take_product(thread, index, OUT, layer.out, {mixed_.data(), mixed_stride_, config_.query_width(), nullptr},
               x_.data(), x_stride_, Into::add);
  pool_->meet();
  take_product(thread, index, GATE_UP, layer.gate_up, {x_.data(), x_stride_, width, layer.feed_norm}, act_.data(),
               act_stride_, Into::gate);
  pool_->meet();
  take_product(thread, index, DOWN, layer.down, {act_.data(), act_stride_, config_.intermediate_size, nullptr},
               x_.data(), x_stride_, Into::add);
  pool_->meet();
}

void Model::forward(Cache& cache, float* all_logits, float* hidden) {
  float* logits = all_logits ? all_logits : logits_.data();
  const int outs = int(out_rows_.size());
  pool_->run([&](int thread) {
    const auto [first, last] = share(rows_, thread, pool_->size());
    for (int row = first; row < last; row++) embed(row, row_tokens_[row]);
    pool_->meet();
    for (int layer = 0; layer < config_.num_hidden_layers; layer++) run_layer(cache, thread, layer);
    if (!outs) return;
    if (hidden) {
      for (int row = first; row < last; row++)
        kernels_->normalize(x_.data() + size_t(row) * x_stride_, final_norm_, config_.hidden_size,
                            config_.rms_norm_eps, hidden + size_t(row) * config_.hidden_size);
      return;
    }
    const Rows in = prepare(thread, x_.data(), x_stride_, out_rows_.data(), outs, config_.hidden_size, final_norm_,
                            head_);
    multiply(thread, head_, in, outs, logits, logit_stride_, Into::store);
    if (all_logits) return;
    pool_->meet();
    for (size_t i; (i = size_t(next_.back().fetch_add(1, std::memory_order_relaxed))) < slices_.size();)
      if (slices_[i].outs) verify(slices_[i], logits_.data(), own_[thread].spare.data());
  });
}

void Model::verify(const Slice& slice, float* logits, float* spare) {
  Sequence& sequence = *slice.sequence;
  const uint32_t* allowed = sequence.allowed.empty() ? nullptr : sequence.allowed.data();
  if (sequence.read) read(slice, logits + size_t(slice.out) * logit_stride_, spare);
  for (int i = 0; i < slice.outs; i++) {
    const int place = int(sequence.tokens.size()) - sequence.prompt;
    float* row = logits + size_t(slice.out + i) * logit_stride_;
    Chosen chosen = choose(*kernels_, sequence.sampling, sequence.counts, i == 0 ? allowed : nullptr, place, row,
                           config_.vocab_size, spare);
    const bool drafted = i + 1 < slice.outs && chosen.token >= 0;
    if (drafted && sequence.dial < 1 && is_near(sequence, row, sequence.drafts[i]))
      chosen.token = sequence.drafts[i];
    const int32_t token = chosen.token;
    sequence.chosen.push_back(std::move(chosen));
    if (token < 0) return;
    sequence.accept(token);
    if (std::find(sequence.stops.begin(), sequence.stops.end(), token) != sequence.stops.end()) return;
    if (i + 1 == slice.outs || sequence.drafts[i] != token) return;
    sequence.computed++;  // the draft was read in its place, so the cache knows it
  }
}

void Model::read(const Slice& slice, const float* logits, float* spare) {
  Sequence& sequence = *slice.sequence;
  sequence.read = false;
  Reading& reading = sequence.reading;
  reading.hidden.resize(config_.hidden_size);
  kernels_->normalize(x_.data() + size_t(out_rows_[slice.out]) * x_stride_, final_norm_, config_.hidden_size,
                      config_.rms_norm_eps, reading.hidden.data());
  measure(*kernels_, logits, config_.vocab_size, spare, reading);
}

// A speculative cascade with the rule TokenV3: a draft is kept where its chance is at least `dial` times that of
// the likeliest token. Source: Narasimhan et al. 2024, arXiv:2405.19261, token-specific rules (alpha = 1 - dial).
// Differs: a draft that is the model's own choice is kept in any case, so that a dial of 1 is exact when sampling.
bool Model::is_near(const Sequence& sequence, const float* logits, int32_t draft) const {
  const float temperature = sequence.sampling.temperature > 0 ? sequence.sampling.temperature : 1;
  const float top = kernels_->largest(logits, config_.vocab_size);
  return logits[draft] - top >= std::log(sequence.dial) * temperature;
}

void Model::step(Cache& cache, const std::vector<Sequence*>& sequences, const std::vector<int>& counts) {
  std::lock_guard<std::mutex> lock(busy_);
  take_step(cache, sequences, counts);
}

void Model::run(Cache& cache, const std::vector<Sequence*>& sequences, int steps) {
  std::lock_guard<std::mutex> lock(busy_);
  std::vector<Sequence*> going = sequences;
  for (int i = 0; i < steps && !going.empty(); i++) {
    std::vector<int> counts;
    for (const Sequence* sequence : going) counts.push_back(sequence->pending());
    take_step(cache, going, counts);
    const auto over = [](const Sequence* sequence) {
      return sequence->chosen.empty() || sequence->chosen.back().token < 0 ||
             std::find(sequence->stops.begin(), sequence->stops.end(), sequence->tokens.back()) !=
                 sequence->stops.end();
    };
    going.erase(std::remove_if(going.begin(), going.end(), over), going.end());
  }
}

void Model::take_step(Cache& cache, const std::vector<Sequence*>& sequences, const std::vector<int>& counts) {
  plan(sequences, counts, true);
  for (size_t i = 0; i < sequences.size(); i++) sequences[i]->chosen.clear();
  // What is read now counts as known before the choices are made: an accepted draft adds to it.
  for (size_t i = 0; i < sequences.size(); i++) sequences[i]->computed += counts[i];
  forward(cache, nullptr);
  for (Sequence* sequence : sequences) sequence->drafts.clear();
}

void Model::hidden(Cache& cache, Sequence& sequence, int count, float* out) {
  std::lock_guard<std::mutex> lock(busy_);
  plan({&sequence}, {count}, false);
  forward(cache, nullptr, out);
  sequence.computed += count;
}

void Model::logits(Cache& cache, Sequence& sequence, int count, float* out) {
  std::lock_guard<std::mutex> lock(busy_);
  plan({&sequence}, {count}, false);
  std::vector<float> all(size_t(count) * logit_stride_);
  forward(cache, all.data());
  for (int row = 0; row < count; row++)
    std::memcpy(out + size_t(row) * config_.vocab_size, all.data() + size_t(row) * logit_stride_,
                size_t(config_.vocab_size) * 4);
  sequence.computed += count;
}

}  // namespace camelid
