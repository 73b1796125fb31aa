#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace camelid {

namespace {

uint64_t mix(uint64_t x) {  // SplitMix64's finish. Source: Steele, Lea and Flood 2014, figure 16.
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

int argmax(const Kernels& kernels, const float* x, int size) {
  const float top = kernels.largest(x, size);
  for (int i = 0; i < size; i++)
    if (x[i] == top) return i;
  return -1;
}

bool any_nan(const float* x, int size) {
  bool found = false;
  for (int i = 0; i < size; i++) found |= x[i] != x[i];
  return found;
}

void penalise(const Sampling& s, const Counts& counts, float* logits, int vocab) {
  for (const auto& [token, count] : counts) {
    if (token < 0 || token >= vocab) continue;
    float& logit = logits[token];
    logit = logit > 0 ? logit / s.repetition_penalty : logit * s.repetition_penalty;
    if (count > 0) logit -= s.presence_penalty + s.frequency_penalty * float(count);
  }
  for (const auto& [token, bias] : s.logit_bias)
    if (token >= 0 && token < vocab) logits[token] += bias;
}

void tell(const Kernels& kernels, const Sampling& s, const float* logits, int vocab, float* spare, Chosen& chosen,
          double& log_total) {
  const float top = kernels.largest(logits, vocab);
  log_total = double(top) + std::log(kernels.exponentials(logits, vocab, top, 1, spare));
  const int count = std::min(s.top_logprobs, vocab);
  std::vector<int32_t> order(vocab);
  for (int i = 0; i < vocab; i++) order[i] = i;
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  for (int i = 0; i < count; i++) chosen.top.emplace_back(order[i], float(logits[order[i]] - log_total));
}

// The weight of the least likely token that stays. Tokens as likely as that one stay too.
float least_kept(const Sampling& s, const float* weights, int vocab, double total, std::vector<float>& kept) {
  float least = std::numeric_limits<float>::min();
  if (s.top_k > 0 && s.top_k < vocab) {
    kept.assign(weights, weights + vocab);
    std::nth_element(kept.begin(), kept.begin() + (s.top_k - 1), kept.end(), std::greater<float>());
    least = std::max(least, kept[s.top_k - 1]);
    total = 0;
    for (int i = 0; i < vocab; i++)
      if (weights[i] >= least) total += weights[i];
  }
  if (s.top_p < 1) {
    // All tokens below this weight together have less than 1 - top_p: none of them is needed.
    const float few = std::max(least, float(total * (1.0 - s.top_p) / vocab));
    kept.clear();
    for (int i = 0; i < vocab; i++)
      if (weights[i] >= few) kept.push_back(weights[i]);
    std::sort(kept.begin(), kept.end(), std::greater<float>());
    double sum = 0;
    for (float weight : kept) {
      least = weight;
      sum += weight;
      if (sum >= s.top_p * total) break;
    }
  }
  if (s.min_p > 0) least = std::max(least, s.min_p);  // the likeliest token's weight is 1
  return least;
}

}  // namespace

void measure(const Kernels& kernels, const float* logits, int vocab, float* spare, Reading& reading) {
  const float top = kernels.largest(logits, vocab);
  const double total = kernels.exponentials(logits, vocab, top, 1, spare);
  float sums[LANES] = {}, first = 0, second = 0;
  for (int i = 0; i < vocab; i++) {
    sums[i % LANES] += spare[i] * (logits[i] - top);
    if (spare[i] > second) {
      second = std::min(spare[i], first);
      first = std::max(spare[i], first);
    }
  }
  double sum = 0;
  for (float part : sums) sum += part;
  reading.entropy = float(std::log(total) - sum / total);
  reading.top = float(first / total);
  reading.margin = float((first - second) / total);
}

Chosen choose(const Kernels& kernels, const Sampling& s, const Counts& counts, const uint32_t* allowed, int place,
              float* logits, int vocab, float* spare) {
  Chosen chosen;
  if (any_nan(logits, vocab)) return chosen;
  double log_total = 0;
  std::vector<float> raw;
  if (s.top_logprobs >= 0) {
    tell(kernels, s, logits, vocab, spare, chosen, log_total);
    if (s.changes_logits() || allowed) raw.assign(logits, logits + vocab);
  }
  if (s.changes_logits()) penalise(s, counts, logits, vocab);
  if (allowed)
    for (int i = 0; i < vocab; i++)
      if (!(allowed[i / 32] >> (i % 32) & 1)) logits[i] = -std::numeric_limits<float>::infinity();
  const float top = kernels.largest(logits, vocab);
  if (!std::isfinite(top)) {
    chosen.token = allowed ? -2 : -1;
    return chosen;
  }
  if (s.temperature > 0) {
    const double total = kernels.exponentials(logits, vocab, top, 1 / s.temperature, spare);
    std::vector<float> kept;
    const float least = least_kept(s, spare, vocab, total, kept);
    const uint64_t key = mix(mix(s.seed) + uint64_t(place));
    chosen.token = kernels.race(spare, vocab, least, uint32_t(key), uint32_t(key >> 32));
  } else {
    chosen.token = argmax(kernels, logits, vocab);
  }
  if (s.top_logprobs >= 0)
    chosen.logprob = float((raw.empty() ? logits : raw.data())[chosen.token] - log_total);
  return chosen;
}

}  // namespace camelid
