// How the fake VIPLite stores the numbers of an input or output.
#ifndef EDGEFACE_TESTS_FAKES_VIPLITE_TENSOR_H_
#define EDGEFACE_TESTS_FAKES_VIPLITE_TENSOR_H_

#include <stddef.h>
#include <stdint.h>

// As vip_create_buffer takes it; sizes are fastest first.
typedef struct {
  uint32_t dimensions, sizes[6];
  int32_t format, quantisation;
  union {
    int32_t position;
    struct {
      float scale;
      int32_t zero_point;
    } asymmetric;
  } parameters;
  uint32_t memory;
} Tensor;

_Static_assert(sizeof(Tensor) == 48, "ABI");

enum Quantisation { kNone = 0, kFixedPoint = 1, kAsymmetric = 2 };

size_t tensor_values(const Tensor* tensor);
size_t tensor_bytes(const Tensor* tensor);
float tensor_get(const Tensor* tensor, const uint8_t* data, size_t index);
void tensor_set(const Tensor* tensor, uint8_t* data, size_t index, float value);

#endif  // EDGEFACE_TESTS_FAKES_VIPLITE_TENSOR_H_
