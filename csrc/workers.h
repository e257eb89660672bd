// Threads that sleep between searches, pinned to CPUs where the caller names them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace edgeface {

// Work is handed out in small pieces by whoever uses the pool (an atomic counter), so that on
// big.LITTLE boards a slow core takes fewer of them and no core waits for another.
class Workers {
 public:
  // The caller's own thread is one of `threads`. With `cpus`, one pinned thread for each of them
  // works instead, and the caller waits: its own affinity is not ours to change. CPUs that the
  // process may not use are the caller's to refuse; pinning to one has no effect.
  Workers(std::size_t threads, const std::vector<int>& cpus);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs task(worker) on every worker, 0 <= worker < count(), and returns when all are done.
  // While another thread runs a task here, this one does all of it alone, as worker 0: waiting
  // would take longer. The task must not throw.
  void run(const std::function<void(std::size_t)>& task);

  // Workers that may run at once; at least 1.
  std::size_t count() const noexcept { return threads_.size() + (pinned_ ? 0 : 1); }

 private:
  void loop(std::size_t worker, int cpu);

  const bool pinned_;
  std::mutex turn_;   // held by the thread whose task runs
  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t)>* task_ = nullptr;
  std::size_t round_ = 0, busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace edgeface
