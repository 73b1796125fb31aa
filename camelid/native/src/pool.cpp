#include "pool.h"

#include <chrono>
#include <map>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace camelid {

namespace {

// How long a thread spins for the next piece of work before it sleeps: longer than Python takes between two
// steps, too short to be seen as load.
constexpr auto PATIENCE = std::chrono::microseconds(200);

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() holds; after a while it lets other programs run, in case there are fewer cores than threads.
template <class Done>
void spin(Done done) {
  for (int i = 0; !done(); i++) {
    if (i < 4000) pause();
    else std::this_thread::yield();
  }
}

}  // namespace

Pool::Pool(int threads) : size_(threads < 1 ? 1 : threads) {
  for (int thread = 1; thread < size_; thread++) threads_.emplace_back([this, thread] { serve(thread); });
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(sleep_);
    closing_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

std::shared_ptr<Pool> Pool::shared(int threads) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Pool>> pools;
  std::lock_guard<std::mutex> lock(mutex);
  auto pool = pools[threads].lock();
  if (!pool) pools[threads] = pool = std::make_shared<Pool>(threads);
  return pool;
}

void Pool::run(const std::function<void(int)>& work) {
  std::lock_guard<std::mutex> turn(turn_);
  work_ = &work;
  failure_ = nullptr;
  if (size_ > 1) {
    busy_.store(size_ - 1, std::memory_order_relaxed);
    begun_.fetch_add(1);  // sequentially consistent with sleepers_: a thread sees the work, or is seen asleep
    if (sleepers_.load()) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
  }
  attempt(0);
  if (size_ > 1) spin([this] { return busy_.load(std::memory_order_acquire) == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

void Pool::attempt(int thread) noexcept {
  try {
    (*work_)(thread);
  } catch (...) {
    std::lock_guard<std::mutex> lock(sleep_);
    failure_ = std::current_exception();
  }
}

void Pool::meet() {
  if (size_ == 1) return;
  const uint32_t meeting = meetings_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    meetings_.store(meeting + 1, std::memory_order_release);
  } else {
    spin([&] { return meetings_.load(std::memory_order_acquire) != meeting; });
  }
}

void Pool::serve(int thread) {
  for (uint64_t done = 0;;) {
    const auto until = std::chrono::steady_clock::now() + PATIENCE;
    while (begun_.load(std::memory_order_acquire) == done && std::chrono::steady_clock::now() < until)
      for (int i = 0; i < 16; i++) pause();
    if (begun_.load(std::memory_order_acquire) == done) {
      std::unique_lock<std::mutex> lock(sleep_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return closing_ || begun_.load() != done; });
      sleepers_.fetch_sub(1);
      if (closing_) return;
    }
    done = begun_.load(std::memory_order_acquire);
    attempt(thread);
    busy_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace camelid
