// Threads that do one piece of work together, and meet in the middle of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace camelid {

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // The one pool of that many threads: models that share it take turns instead of crowding the processor.
  static std::shared_ptr<Pool> shared(int threads);

  int size() const { return size_; }
  // Runs work(thread) on every thread, the caller being number 0; returns when all have ended. What one throws is
  // thrown here; it must not throw before the last meeting, where the others would wait for it.
  void run(const std::function<void(int)>& work);
  // Inside work: waits until every thread has come here.
  void meet();

 private:
  void serve(int thread);
  void attempt(int thread) noexcept;

  const int size_;
  std::vector<std::thread> threads_;
  std::mutex turn_;  // one piece of work at a time
  const std::function<void(int)>* work_ = nullptr;
  std::exception_ptr failure_;
  std::mutex sleep_;
  std::condition_variable wake_;
  bool closing_ = false;
  alignas(64) std::atomic<uint64_t> begun_{0};
  alignas(64) std::atomic<int> busy_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> meetings_{0};
  alignas(64) std::atomic<int> sleepers_{0};
};

}  // namespace camelid
