#include "workers.h"

#include <sched.h>

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

Workers::Workers(std::size_t threads, const std::vector<int>& cpus) : pinned_(!cpus.empty()) {
  const std::size_t extra = pinned_ ? cpus.size() : threads - 1;
  for (std::size_t i = 0; i < extra; ++i) {
    const int cpu = pinned_ ? cpus[i] : kAnyCpu;
    threads_.emplace_back(&Workers::loop, this, pinned_ ? i : i + 1, cpu);
  }
}

Workers::~Workers() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(const std::function<void(std::size_t)>& task) {
  const std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
  if (!turn.owns_lock() || threads_.empty()) return task(0);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = &task;
    busy_ = threads_.size();
    ++round_;
  }
  wake_.notify_all();
  if (!pinned_) task(0);
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
}

void Workers::loop(std::size_t worker, int cpu) {
  pin_this_thread(cpu);
  std::size_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    const auto* task = task_;
    lock.unlock();
    (*task)(worker);
    lock.lock();
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace edgeface
