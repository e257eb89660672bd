// A small interpreter of convolution backbones, so that a fake NPU computes what a real one would.
//
// It reads the flat file that tests/fakes/network_file.py writes and runs one picture at a time in
// float32, with the activations' rounding of the quantised network. Tensors are (C, H, W).
#ifndef EDGEFACE_TESTS_FAKES_NETWORK_H_
#define EDGEFACE_TESTS_FAKES_NETWORK_H_

#include <stddef.h>
#include <stdint.h>

typedef struct Network Network;

typedef struct {
  uint32_t channels, height, width;
} Shape;

// Returns NULL where the bytes are no such file, or memory runs out. The bytes are not kept.
Network* network_read(const void* data, size_t bytes);
void network_free(Network* network);

Shape network_input(const Network* network);
Shape network_output(const Network* network);
size_t shape_values(Shape shape);

// Runs one picture, (height, width, channels) uint8 as the file's mean and std are meant, and
// writes the output (C, H, W). Threads may share a network. Returns 0, or -1 without memory.
int network_run(const Network* network, const uint8_t* pixels, float* output);

#endif  // EDGEFACE_TESTS_FAKES_NETWORK_H_
