// How the next token is chosen from logits. The same seed, place and logits choose the same token, alone or in a
// batch, drafted or not: the randomness of a token depends on the seed and its place in the reply alone.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels.h"

namespace camelid {

struct Sampling {
  float temperature = 0, top_p = 1, min_p = 0;
  int top_k = 0;
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  uint64_t seed = 0;
  int top_logprobs = -1;  // how many likeliest tokens are told beside the chosen one; -1: nothing is told
  std::vector<std::pair<int32_t, float>> logit_bias;

  bool changes_logits() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 || !logit_bias.empty();
  }
};

// What a model finds at the end of a prompt, before any of the settings: how sure it is of what follows.
struct Reading {
  std::vector<float> hidden;  // after the final norm
  float entropy = 0, margin = 0, top = 0;  // in nats; the best probability less the second; the best
};

// The entropy and the best probabilities of logits (vocab); spare: room for vocab floats.
void measure(const Kernels&, const float* logits, int vocab, float* spare, Reading&);

struct Chosen {
  int32_t token = -1;  // -1: the logits were no numbers, -2: no token was allowed
  float logprob = 0;   // of the model's own distribution, before any of the settings
  std::vector<std::pair<int32_t, float>> top;
};

// What has been said: how often each token stands in the reply, and 0 for one that only the prompt has.
using Counts = std::unordered_map<int32_t, int>;

// logits (vocab) are overwritten; allowed: a bit for each token, or null; spare: room for vocab floats.
Chosen choose(const Kernels&, const Sampling&, const Counts&, const uint32_t* allowed, int place, float* logits,
              int vocab, float* spare);

}  // namespace camelid
