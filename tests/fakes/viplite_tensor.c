#include "viplite_tensor.h"

#include <math.h>
#include <string.h>

enum Format { kFloat32, kFloat16, kUint8, kInt8, kUint16, kInt16, kFormats };

static const size_t kWidths[kFormats] = {4, 2, 1, 1, 2, 2};
static const float kLowest[kFormats] = {0, 0, 0, -128, 0, -32768};
static const float kHighest[kFormats] = {0, 0, 255, 127, 65535, 32767};

size_t tensor_values(const Tensor* tensor) {
  size_t values = 1;
  for (uint32_t i = 0; i < tensor->dimensions; ++i) values *= tensor->sizes[i];
  return values;
}

size_t tensor_bytes(const Tensor* tensor) {
  return tensor_values(tensor) * (tensor->format < kFormats ? kWidths[tensor->format] : 4);
}

static float scale(const Tensor* tensor) {
  if (tensor->quantisation == kFixedPoint) return ldexpf(1, -tensor->parameters.position);
  return tensor->quantisation == kAsymmetric ? tensor->parameters.asymmetric.scale : 1;
}

static float zero_point(const Tensor* tensor) {
  return tensor->quantisation == kAsymmetric ? tensor->parameters.asymmetric.zero_point : 0;
}

float tensor_get(const Tensor* tensor, const uint8_t* data, size_t index) {
  const uint8_t* at = data + index * kWidths[tensor->format];
  float real;
  _Float16 half;
  uint16_t word;
  if (tensor->format == kFloat32) return memcpy(&real, at, 4), real;
  if (tensor->format == kFloat16) return memcpy(&half, at, 2), (float)half;
  memcpy(&word, at, kWidths[tensor->format]);
  float stored = tensor->format == kUint8   ? (float)at[0]
                 : tensor->format == kInt8  ? (float)(int8_t)at[0]
                 : tensor->format == kInt16 ? (float)(int16_t)word
                                            : (float)word;
  return (stored - zero_point(tensor)) * scale(tensor);
}

void tensor_set(const Tensor* tensor, uint8_t* data, size_t index, float value) {
  size_t width = kWidths[tensor->format];
  uint8_t* at = data + index * width;
  _Float16 half = (_Float16)value;
  if (tensor->format == kFloat32) {
    memcpy(at, &value, 4);
  } else if (tensor->format == kFloat16) {
    memcpy(at, &half, 2);
  } else {
    float stored = nearbyintf(value / scale(tensor)) + zero_point(tensor);
    stored = fminf(fmaxf(stored, kLowest[tensor->format]), kHighest[tensor->format]);
    int32_t number = (int32_t)stored;  // little-endian: the low bytes come first
    memcpy(at, &number, width);
  }
}
