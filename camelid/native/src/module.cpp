// The binding: arrays and numbers in, tokens out. Whoever calls it checks what users give; what is checked here
// keeps a mistake of ours from reading beyond an array.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

#include "adapter.h"
#include "kernels.h"
#include "model.h"
#include "pack.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace camelid {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Writable = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Grid = nb::ndarray<nb::ndim<2>, nb::c_contig, nb::device::cpu, nb::ro>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

const Kernels* kernels_named(const std::string& name) {
  for (const IsaEntry* isa = ISAS; isa->name; isa++)
    if (name == isa->name && isa->available()) return isa->kernels;
  throw std::invalid_argument("this processor has no instruction set " + name);
}

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const IsaEntry* isa = ISAS; isa->name; isa++)
    if (isa->available()) names.emplace_back(isa->name);
  return names;
}

Matrix make_matrix(int type, int outputs, int inputs, int group) {
  require(type >= 0 && type <= 3, "unknown type of weights");
  require(outputs > 0 && inputs > 0, "a matrix has outputs and inputs");
  Matrix matrix{Type(type), outputs, inputs, group, nullptr};
  require(!matrix.quantized() || group == 32 || group == 64, "a group is 32 or 64");
  return matrix;
}

// A matrix and the array that it lies in.
struct Packed {
  Matrix matrix;
  nb::object owner;
};

size_t packed_bytes(int type, int outputs, int inputs, int group) {
  return make_matrix(type, outputs, inputs, group).bytes();
}

Number number_of(const Grid& grid) {
  if (grid.dtype() == nb::dtype<float>()) return Number::f32;
  require(grid.dtype() == nb::dtype<uint16_t>(), "weights are float32, or bfloat16 or float16 as uint16");
  return Number::bf16;
}

bool pack_into(const std::vector<Grid>& grids, bool half, bool in_turn, int type, int group, Writable out,
               int threads) {
  require(!grids.empty(), "nothing to pack");
  std::vector<Source> sources;
  int outputs = 0;
  const size_t inputs = grids[0].shape(1);
  for (const Grid& grid : grids) {
    require(grid.shape(1) == inputs, "the sources differ in their inputs");
    require(!in_turn || grid.shape(0) == grids[0].shape(0), "sources in turn are equally long");
    Number number = number_of(grid);
    if (number == Number::bf16 && half) number = Number::f16;
    sources.push_back({number, grid.data(), int(grid.shape(0))});
    outputs += in_turn ? round_up(int(grid.shape(0)), LANES) : int(grid.shape(0));
  }
  const Matrix matrix = make_matrix(type, outputs, int(inputs), group);
  require(out.shape(0) == matrix.bytes(), "the array has another size than the packed matrix");
  nb::gil_scoped_release release;
  return pack(sources, in_turn, matrix, out.data(), *Pool::shared(threads));
}

// An adapter that holds on to the arrays it was made of.
struct HeldAdapter : Adapter {
  std::vector<nb::object> owners;
};

// A model that holds on to the arrays it was made of.
struct Bound {
  std::unique_ptr<Model> model;
  std::vector<nb::object> owners;
};

using Piece = std::tuple<int, int, int, int, Bytes>;

void check(const Matrix& matrix, int outputs, int inputs, const char* name) {
  if (matrix.outputs != outputs || matrix.inputs != inputs)
    throw std::invalid_argument(std::string(name) + " has another shape than the config says");
}

// What a product takes in and gives out, gates and inputs in whole panels.
std::pair<int, int> widths(const Config& config, int product) {
  switch (product) {
    case QKV: return {config.hidden_size, config.query_width() + 2 * config.key_width()};
    case OUT: return {config.query_width(), config.hidden_size};
    case GATE_UP: return {config.hidden_size, 2 * round_up(config.intermediate_size, LANES)};
    default: return {config.intermediate_size, config.hidden_size};
  }
}

// Whether an adapter was made for a model of these widths.
bool fits(const Config& config, const Adapter& adapter) {
  if (int(adapter.layers.size()) != config.num_hidden_layers) return false;
  for (const auto& layer : adapter.layers)
    for (int product = 0; product < PRODUCTS; product++) {
      const Change& change = layer[product];
      const auto [inputs, outputs] = widths(config, product);
      if (change.is_there() && (change.a.inputs != inputs || change.b.outputs != outputs)) return false;
    }
  return true;
}

// Whether a sequence may read `count` tokens and `more` that are guessed or chosen.
void check_step(const Config& config, const Cache& cache, const Sequence& s, int count, int more) {
  const int end = s.computed + count + more;
  require(s.computed >= 0 && count > 0 && count <= s.pending(), "a count of pending tokens");
  require(end <= config.context, "beyond the context");
  require(int(s.blocks.size()) * BLOCK >= end, "too few blocks");
  for (int32_t block : s.blocks) require(block >= 0 && block < cache.blocks(), "no such block");
  const auto known = [&](int32_t token) { return token >= 0 && token < config.vocab_size; };
  for (int i = 0; i < count; i++) require(known(s.tokens[s.computed + i]), "no such token");
  for (int32_t token : s.drafts) require(known(token), "no such token");
  require(!s.adapter || fits(config, *s.adapter), "an adapter of another model");
  require(s.allowed.empty() || int(s.allowed.size()) * 32 >= config.vocab_size, "too few bits");
}

using Room = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void check_room(const Config& config, const Cache& cache, const Sequence& s, int count, const Room& out, int width) {
  check_step(config, cache, s, count, 0);
  require(int(out.shape(0)) == count && int(out.shape(1)) == width, "the wrong room");
}

}  // namespace
}  // namespace camelid

using namespace camelid;

NB_MODULE(_native, m) {
  m.doc() = "Packed weights and the step through them.";
  nb::set_leak_warnings(false);  // a model that lives until the interpreter ends is no mistake
  m.attr("BLOCK") = BLOCK;
  m.attr("LANES") = LANES;
  m.attr("MOST_HEAD_DIM") = MOST_HEAD_DIM;
  m.def("isas", &isas, "The instruction sets of this processor that were compiled, best first.");
  m.def("packed_bytes", &packed_bytes, "type"_a, "outputs"_a, "inputs"_a, "group"_a);
  m.def("pack", &pack_into, "sources"_a, "half"_a, "in_turn"_a, "type"_a, "group"_a, "out"_a, "threads"_a);

  nb::class_<Packed>(m, "Matrix")
      .def("__init__",
           [](Packed* self, int type, int outputs, int inputs, int group, Bytes data) {
             Matrix matrix = make_matrix(type, outputs, inputs, group);
             require(data.shape(0) == matrix.bytes(), "the array has another size than the packed matrix");
             matrix.data = data.data();
             new (self) Packed{matrix, nb::cast(data)};
           })
      .def("unpack",
           [](const Packed& self, const std::string& isa) {
             const Kernels* kernels = kernels_named(isa);
             const size_t rows = self.matrix.outputs, columns = self.matrix.inputs;
             float* out = new float[rows * columns];
             nb::capsule owner(out, [](void* p) noexcept { delete[] static_cast<float*>(p); });
             for (size_t row = 0; row < rows; row++) kernels->unpack(self.matrix, int(row), out + row * columns);
             return nb::ndarray<nb::numpy, float, nb::ndim<2>>(out, {rows, columns}, owner);
           },
           "isa"_a);

  nb::class_<Sampling>(m, "Sampling")
      .def(nb::init<>())
      .def_rw("temperature", &Sampling::temperature)
      .def_rw("top_p", &Sampling::top_p)
      .def_rw("min_p", &Sampling::min_p)
      .def_rw("top_k", &Sampling::top_k)
      .def_rw("repetition_penalty", &Sampling::repetition_penalty)
      .def_rw("presence_penalty", &Sampling::presence_penalty)
      .def_rw("frequency_penalty", &Sampling::frequency_penalty)
      .def_rw("seed", &Sampling::seed)
      .def_rw("top_logprobs", &Sampling::top_logprobs)
      .def_rw("logit_bias", &Sampling::logit_bias);

  nb::class_<Chosen>(m, "Chosen")
      .def_ro("token", &Chosen::token)
      .def_ro("logprob", &Chosen::logprob)
      .def_ro("top", &Chosen::top);

  nb::class_<Reading>(m, "Reading")
      .def_prop_ro("hidden", [](const Reading& self) {
        const size_t width = self.hidden.size();
        float* out = new float[width];
        std::copy(self.hidden.begin(), self.hidden.end(), out);
        nb::capsule owner(out, [](void* p) noexcept { delete[] static_cast<float*>(p); });
        return nb::ndarray<nb::numpy, float, nb::ndim<1>>(out, {width}, owner);
      }, nb::rv_policy::move)
      .def_ro("entropy", &Reading::entropy)
      .def_ro("margin", &Reading::margin)
      .def_ro("top", &Reading::top);

  nb::class_<HeldAdapter>(m, "Adapter")
      .def("__init__",
           [](HeldAdapter* self, int layers,
              const std::vector<std::tuple<int, int, const Packed*, const Packed*>>& changes) {
             require(layers > 0 && !changes.empty(), "an adapter changes something of some layers");
             auto adapter = std::make_unique<HeldAdapter>();
             adapter->layers.resize(layers);
             for (const auto& [layer, product, a, b] : changes) {
               require(layer >= 0 && layer < layers && product >= 0 && product < PRODUCTS, "no such product");
               require(a && b && !a->matrix.quantized() && !b->matrix.quantized(), "changes are of floats");
               require(a->matrix.outputs == b->matrix.inputs, "an A makes what its B takes");
               adapter->layers[layer][product] = {a->matrix, b->matrix};
               adapter->rank = std::max(adapter->rank, a->matrix.outputs);
               adapter->owners.push_back(a->owner);
               adapter->owners.push_back(b->owner);
             }
             new (self) HeldAdapter(std::move(*adapter));
           },
           "layers"_a, "changes"_a);

  nb::class_<Sequence>(m, "Sequence")
      .def("__init__",
           [](Sequence* self, std::vector<int32_t> tokens, const Sampling& sampling, std::vector<int32_t> stops) {
             require(!tokens.empty(), "a sequence begins with a token");
             new (self) Sequence;
             self->prompt = int(tokens.size());
             self->sampling = sampling;
             self->stops = std::move(stops);
             if (sampling.repetition_penalty != 1)
               for (int32_t token : tokens) self->counts.emplace(token, 0);
             self->tokens = std::move(tokens);
           },
           "tokens"_a, "sampling"_a, "stops"_a = std::vector<int32_t>())
      .def_ro("tokens", &Sequence::tokens)
      .def_ro("prompt", &Sequence::prompt)
      .def_rw("computed", &Sequence::computed)
      .def_rw("blocks", &Sequence::blocks)
      .def_rw("drafts", &Sequence::drafts)
      .def_rw("allowed", &Sequence::allowed)
      .def_rw("dial", &Sequence::dial)
      .def_rw("read", &Sequence::read)
      .def("use", [](Sequence& self, std::shared_ptr<HeldAdapter> adapter) { self.adapter = std::move(adapter); },
           "adapter"_a, "From now on the model is changed by this adapter for this sequence.")
      .def_ro("reading", &Sequence::reading)
      .def_prop_ro("chosen", [](const Sequence& self) { return self.chosen; }, nb::rv_policy::move)
      .def_prop_ro("length", [](const Sequence& self) { return self.tokens.size(); })
      .def_prop_ro("pending", &Sequence::pending)
      .def("accept", &Sequence::accept, "token"_a, "Adds a token that was chosen elsewhere.")
      .def("rewind", [](Sequence& self, int length) {
        require(length >= self.prompt && length <= int(self.tokens.size()), "a length within the reply");
        self.rewind(length);
      }, "length"_a)
      .def("since", [](const Sequence& self, int place) {
        require(place >= 0 && place <= int(self.tokens.size()), "no such place");
        return std::vector<int32_t>(self.tokens.begin() + place, self.tokens.end());
      });

  nb::class_<Cache>(m, "Cache")
      .def_prop_ro("blocks", &Cache::blocks)
      .def_prop_ro("bytes", &Cache::bytes)
      .def("copy", [](Cache& self, int from, int to) {
        require(from >= 0 && from < self.blocks() && to >= 0 && to < self.blocks(), "no such block");
        nb::gil_scoped_release release;
        self.copy(from, to);
      });

  nb::class_<Bound>(m, "Model")
      .def("__init__",
           [](Bound* self, nb::dict c, Floats frequencies, std::vector<const Packed*> matrices,
              std::vector<Floats> norms, nb::object embedding, const std::string& isa, int threads) {
             Config config;
             auto number = [&](const char* name) { return nb::cast<int>(c[name]); };
             config.hidden_size = number("hidden_size");
             config.intermediate_size = number("intermediate_size");
             config.num_hidden_layers = number("num_hidden_layers");
             config.num_attention_heads = number("num_attention_heads");
             config.num_key_value_heads = number("num_key_value_heads");
             config.head_dim = number("head_dim");
             config.vocab_size = number("vocab_size");
             config.context = number("max_position_embeddings");
             config.rms_norm_eps = nb::cast<float>(c["rms_norm_eps"]);
             require(config.head_dim <= MOST_HEAD_DIM, "a head is wider than the kernels can sum");
             const int layers = config.num_hidden_layers;
             require(int(matrices.size()) == 4 * layers + 1, "four matrices a layer, and the head");
             require(int(norms.size()) == 2 * layers + 1, "two norms a layer, and the last one");
             require(int(frequencies.shape(0)) == config.head_dim / 2, "one frequency per two dimensions");
             for (const Floats& norm : norms)
               require(int(norm.shape(0)) == config.hidden_size, "a norm is as wide as the model");
             std::vector<Layer> parts(layers);
             for (int i = 0; i < layers; i++) {
               Layer& part = parts[i];
               part = {matrices[4 * i]->matrix, matrices[4 * i + 1]->matrix, matrices[4 * i + 2]->matrix,
                       matrices[4 * i + 3]->matrix, norms[2 * i].data(), norms[2 * i + 1].data()};
               check(part.qkv, config.query_width() + 2 * config.key_width(), config.hidden_size, "qkv");
               check(part.out, config.hidden_size, config.query_width(), "out");
               check(part.gate_up, 2 * round_up(config.intermediate_size, LANES), config.hidden_size, "gate_up");
               check(part.down, config.hidden_size, config.intermediate_size, "down");
             }
             const Matrix head = matrices.back()->matrix;
             check(head, config.vocab_size, config.hidden_size, "head");
             Table table;
             if (!embedding.is_none()) {
               Grid grid = nb::cast<Grid>(embedding);
               require(int(grid.shape(0)) == config.vocab_size && int(grid.shape(1)) == config.hidden_size,
                       "the embedding has another shape than the config says");
               table = {number_of(grid) == Number::f32 ? Type::f32 : Type::bf16, grid.data()};
             }
             new (self) Bound;
             for (const Packed* matrix : matrices) self->owners.push_back(matrix->owner);
             for (const Floats& norm : norms) self->owners.push_back(nb::cast(norm));
             self->owners.push_back(embedding);
             self->model = std::make_unique<Model>(
                 config, std::vector<float>(frequencies.data(), frequencies.data() + frequencies.shape(0)),
                 std::move(parts), norms.back().data(), head, table, kernels_named(isa), Pool::shared(threads));
           },
           "config"_a, "frequencies"_a, "matrices"_a, "norms"_a, "embedding"_a.none(), "isa"_a, "threads"_a)
      .def_prop_ro("isa", [](const Bound& self) { return self.model->kernels().name; })
      .def_prop_ro("threads", [](const Bound& self) { return self.model->threads(); })
      .def("new_cache", [](const Bound& self, int blocks, bool words) {
        require(blocks > 0, "a cache has blocks");
        return new Cache(self.model->config(), blocks, words);
      }, "blocks"_a, "words"_a, nb::rv_policy::take_ownership)
      .def("step",
           [](Bound& self, Cache& cache, const std::vector<Sequence*>& sequences, const std::vector<int>& counts) {
             require(sequences.size() == counts.size(), "a count for each sequence");
             for (size_t i = 0; i < sequences.size(); i++)
               check_step(self.model->config(), cache, *sequences[i], counts[i], int(sequences[i]->drafts.size()));
             nb::gil_scoped_release release;
             self.model->step(cache, sequences, counts);
           },
           "cache"_a, "sequences"_a, "counts"_a)
      .def("run",
           [](Bound& self, Cache& cache, const std::vector<Sequence*>& sequences, int steps) {
             require(steps > 0, "a number of steps");
             for (Sequence* sequence : sequences) {
               sequence->drafts.clear();
               check_step(self.model->config(), cache, *sequence, sequence->pending(), steps - 1);
             }
             nb::gil_scoped_release release;
             self.model->run(cache, sequences, steps);
           },
           "cache"_a, "sequences"_a, "steps"_a)
      .def("logits",
           [](Bound& self, Cache& cache, Sequence& s, int count, Room out) {
             check_room(self.model->config(), cache, s, count, out, self.model->config().vocab_size);
             nb::gil_scoped_release release;
             self.model->logits(cache, s, count, out.data());
           },
           "cache"_a, "sequence"_a, "count"_a, "out"_a)
      .def("hidden",
           [](Bound& self, Cache& cache, Sequence& s, int count, Room out) {
             check_room(self.model->config(), cache, s, count, out, self.model->config().hidden_size);
             nb::gil_scoped_release release;
             self.model->hidden(cache, s, count, out.data());
           },
           "cache"_a, "sequence"_a, "count"_a, "out"_a);
}
