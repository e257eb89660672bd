#include "workers.h"

#include <sched.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace edgeface {

namespace {

constexpr int kAnyCpu = -1;

void pin_this_thread(int cpu) noexcept {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

struct Workers::Pool {
  bool pinned = false;
  std::mutex turn;   // held by the thread whose task runs
  std::mutex mutex;  // guards everything below
  std::condition_variable wake, done;
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t round = 0, busy = 0;
  bool stopping = false;
  std::vector<std::thread> threads;

  // Also where a constructor gives up half way, for want of threads.
  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void run_on_all(const std::function<void(std::size_t)>& given) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      task = &given;
      busy = threads.size();
      ++round;
    }
    wake.notify_all();
    if (!pinned) given(0);
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [this] { return busy == 0; });
  }

  void loop(std::size_t worker, int cpu) {
    pin_this_thread(cpu);
    std::size_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stopping || round != seen; });
      if (stopping) return;
      seen = round;
      const auto* given = task;
      lock.unlock();
      (*given)(worker);
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }
};

Workers::Workers(std::size_t threads, const std::vector<int>& cpus)
    : pool_(std::make_unique<Pool>()), owner_(getpid()) {
  pool_->pinned = !cpus.empty();
  const std::size_t first = pool_->pinned ? 0 : 1;
  const std::size_t end = pool_->pinned ? cpus.size() : threads;
  pool_->threads.reserve(end);
  for (std::size_t worker = first; worker < end; ++worker) {
    const int cpu = pool_->pinned ? cpus[worker] : kAnyCpu;
    pool_->threads.emplace_back(&Pool::loop, pool_.get(), worker, cpu);
  }
}

// The child of a fork has the pool's memory and none of its threads: to join them, or to destroy
// what they wait on, would wait for ever. It leaves the few bytes be.
Workers::~Workers() {
  if (getpid() != owner_) static_cast<void>(pool_.release());
}

void Workers::run(const std::function<void(std::size_t)>& task) {
  if (pool_->threads.empty() || getpid() != owner_) return task(0);
  const std::unique_lock<std::mutex> turn(pool_->turn, std::try_to_lock);
  if (!turn.owns_lock()) return task(0);
  pool_->run_on_all(task);
}

std::size_t Workers::count() const noexcept {
  return pool_->threads.size() + (pool_->pinned ? 0 : 1);
}

}  // namespace edgeface
