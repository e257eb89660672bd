// How fast this machine reads memory: what a search that is bound by it is measured against.
#pragma once

#include <cstddef>
#include <cstdint>

#include "workers.h"

namespace edgeface {

// Reads every byte once, as fast as plain code can, on all workers; returns their exclusive or.
std::uint64_t read_all(const std::uint8_t* bytes, std::size_t count, Workers& workers);

}  // namespace edgeface
