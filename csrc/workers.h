// Threads that sleep between searches, pinned to CPUs where the caller names them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace edgeface {

// Work is handed out in small pieces by whoever uses the pool (an atomic counter), so that on
// big.LITTLE boards a slow core takes fewer of them and no core waits for another.
class Workers {
 public:
  // The caller's own thread is one of `threads`, at least 1. With `cpus`, one pinned thread for
  // each of them works instead, and the caller waits: its own affinity is not ours to change. CPUs
  // that the process may not use are the caller's to refuse; pinning to one has no effect.
  Workers(std::size_t threads, const std::vector<int>& cpus);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs task(worker) on every worker, 0 <= worker < count(), and returns when all are done.
  // While another thread runs a task here, this one does all of it alone, as worker 0: waiting
  // would take longer. So does the child of a fork, which has no workers. The task must not throw.
  void run(const std::function<void(std::size_t)>& task);

  // Workers that may run at once; at least 1.
  std::size_t count() const noexcept;

 private:
  struct Pool;

  std::unique_ptr<Pool> pool_;
  pid_t owner_;  // the process that has the threads
};

}  // namespace edgeface
