#include "network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define MAX_LAYERS 4096
#define MAX_SIDE 4096

enum Kind { kConv = 1, kClip = 2, kAdd = 3, kRound = 4 };

typedef struct {
  uint32_t kind, first, second;  // tensors that it reads: 0 is the picture, n is layer n's output
  uint32_t groups, kernel_height, kernel_width, stride, pad;
  float *weights, *bias;  // (out, in / groups, height, width), (out)
  float scale, low, high;
  Shape shape;  // of its output
} Layer;

struct Network {
  Shape input;
  float mean[3], std[3];
  uint32_t count;
  Layer* layers;
};

typedef struct {
  const uint8_t* at;
  size_t left;
  int failed;
} Reader;

static void take(Reader* reader, void* into, size_t bytes) {
  if (reader->failed || bytes > reader->left) {
    reader->failed = 1;
    memset(into, 0, bytes);
    return;
  }
  memcpy(into, reader->at, bytes);
  reader->at += bytes;
  reader->left -= bytes;
}

static uint32_t number(Reader* reader) {
  uint32_t value;
  take(reader, &value, sizeof value);
  return value;
}

static uint32_t size(Reader* reader) {
  uint32_t value = number(reader);
  if (value == 0 || value > MAX_SIDE) reader->failed = 1;
  return reader->failed ? 1 : value;
}

static float real(Reader* reader) {
  float value;
  take(reader, &value, sizeof value);
  return value;
}

static float* reals(Reader* reader, size_t count) {
  if (reader->failed || count > reader->left / sizeof(float)) {
    reader->failed = 1;
    return NULL;
  }
  float* values = malloc(count * sizeof(float));
  if (values == NULL) {
    reader->failed = 1;
    return NULL;
  }
  take(reader, values, count * sizeof(float));
  return values;
}

static Shape tensor_shape(const Network* network, uint32_t index) {
  return index == 0 ? network->input : network->layers[index - 1].shape;
}

static void read_conv(Reader* reader, Layer* layer, Shape source) {
  layer->shape.channels = size(reader);
  layer->groups = size(reader);
  layer->kernel_height = size(reader);
  layer->kernel_width = size(reader);
  layer->stride = size(reader);
  layer->pad = number(reader);
  uint32_t height = source.height + 2 * layer->pad, width = source.width + 2 * layer->pad;
  if (layer->pad > MAX_SIDE || source.channels % layer->groups ||
      layer->shape.channels % layer->groups || height < layer->kernel_height ||
      width < layer->kernel_width) {
    reader->failed = 1;
    return;
  }
  layer->shape.height = (height - layer->kernel_height) / layer->stride + 1;
  layer->shape.width = (width - layer->kernel_width) / layer->stride + 1;
  size_t window = (size_t)layer->kernel_height * layer->kernel_width;
  size_t inputs = source.channels / layer->groups;
  layer->weights = reals(reader, layer->shape.channels * inputs * window);
  layer->bias = reals(reader, layer->shape.channels);
}

static void read_layer(Reader* reader, Network* network, uint32_t index) {
  Layer* layer = &network->layers[index];
  layer->kind = number(reader);
  layer->first = number(reader);
  layer->second = number(reader);
  if (reader->failed || layer->first > index || layer->second > index) {
    reader->failed = 1;
    return;
  }
  Shape source = tensor_shape(network, layer->first);
  Shape other = tensor_shape(network, layer->second);
  layer->shape = source;
  if (layer->kind == kConv) {
    read_conv(reader, layer, source);
  } else if (layer->kind == kAdd) {
    if (memcmp(&source, &other, sizeof source) != 0) reader->failed = 1;
  } else if (layer->kind == kClip || layer->kind == kRound) {
    layer->scale = layer->kind == kRound ? real(reader) : 1;
    layer->low = real(reader);
    layer->high = real(reader);
  } else {
    reader->failed = 1;
  }
}

Network* network_read(const void* data, size_t bytes) {
  Reader reader = {data, bytes, 0};
  char magic[4];
  take(&reader, magic, sizeof magic);
  uint32_t version = number(&reader);
  Network* network = calloc(1, sizeof *network);
  if (network == NULL) return NULL;
  network->input.channels = size(&reader);
  network->input.height = size(&reader);
  network->input.width = size(&reader);
  take(&reader, network->mean, sizeof network->mean);
  take(&reader, network->std, sizeof network->std);
  uint32_t count = number(&reader);
  if (memcmp(magic, "EFNT", 4) != 0 || version != VERSION || network->input.channels != 3 ||
      count == 0 || count > MAX_LAYERS) {
    reader.failed = 1;
  }
  network->layers = reader.failed ? NULL : calloc(count, sizeof *network->layers);
  network->count = network->layers == NULL ? 0 : count;
  for (uint32_t i = 0; i < network->count; ++i) read_layer(&reader, network, i);
  if (reader.failed || network->count == 0 || reader.left != 0) {
    network_free(network);
    return NULL;
  }
  return network;
}

void network_free(Network* network) {
  if (network == NULL) return;
  for (uint32_t i = 0; i < network->count; ++i) {
    free(network->layers[i].weights);
    free(network->layers[i].bias);
  }
  free(network->layers);
  free(network);
}

Shape network_input(const Network* network) { return network->input; }

Shape network_output(const Network* network) { return network->layers[network->count - 1].shape; }

size_t shape_values(Shape shape) { return (size_t)shape.channels * shape.height * shape.width; }

// Adds one input channel times one weight to an output channel, at one place of the window.
static void add_tap(const Layer* layer, Shape source, const float* plane, float weight, uint32_t ky,
                    uint32_t kx, float* out) {
  for (uint32_t y = 0; y < layer->shape.height; ++y) {
    int64_t row = (int64_t)y * layer->stride + ky - layer->pad;
    if (row < 0 || row >= source.height) continue;
    const float* line = plane + row * source.width;
    float* sums = out + (size_t)y * layer->shape.width;
    int64_t offset = (int64_t)kx - layer->pad;
    if (layer->stride == 1) {
      int64_t from = offset < 0 ? -offset : 0, to = (int64_t)source.width - offset;
      if (to > layer->shape.width) to = layer->shape.width;
      for (int64_t x = from; x < to; ++x) sums[x] += weight * line[x + offset];
    } else {
      for (uint32_t x = 0; x < layer->shape.width; ++x) {
        int64_t column = (int64_t)x * layer->stride + offset;
        if (column >= 0 && column < source.width) sums[x] += weight * line[column];
      }
    }
  }
}

static void run_conv(const Layer* layer, Shape source, const float* in, float* out) {
  size_t plane = (size_t)source.height * source.width;
  size_t area = (size_t)layer->shape.height * layer->shape.width;
  uint32_t inputs = source.channels / layer->groups;
  uint32_t outputs = layer->shape.channels / layer->groups;
  const float* weight = layer->weights;
  for (uint32_t o = 0; o < layer->shape.channels; ++o, out += area) {
    const float* group = in + (size_t)(o / outputs) * inputs * plane;
    for (size_t i = 0; i < area; ++i) out[i] = layer->bias[o];
    for (uint32_t c = 0; c < inputs; ++c)
      for (uint32_t ky = 0; ky < layer->kernel_height; ++ky)
        for (uint32_t kx = 0; kx < layer->kernel_width; ++kx, ++weight)
          add_tap(layer, source, group + c * plane, *weight, ky, kx, out);
  }
}

static void run_layer(const Network* network, uint32_t index, float** tensors) {
  const Layer* layer = &network->layers[index];
  const float *one = tensors[layer->first], *two = tensors[layer->second];
  float* out = tensors[index + 1];
  size_t count = shape_values(layer->shape);
  if (layer->kind == kConv) {
    run_conv(layer, tensor_shape(network, layer->first), one, out);
  } else if (layer->kind == kAdd) {
    for (size_t i = 0; i < count; ++i) out[i] = one[i] + two[i];
  } else if (layer->kind == kClip) {
    for (size_t i = 0; i < count; ++i) out[i] = fminf(fmaxf(one[i], layer->low), layer->high);
  } else {
    for (size_t i = 0; i < count; ++i) {
      float steps = rintf(one[i] / layer->scale);
      out[i] = fminf(fmaxf(steps, layer->low), layer->high) * layer->scale;
    }
  }
}

static void normalise(const Network* network, const uint8_t* pixels, float* out) {
  Shape shape = network->input;
  size_t area = (size_t)shape.height * shape.width;
  for (size_t i = 0; i < area; ++i)
    for (uint32_t c = 0; c < shape.channels; ++c)
      out[c * area + i] =
          ((float)pixels[i * shape.channels + c] - network->mean[c]) / network->std[c];
}

int network_run(const Network* network, const uint8_t* pixels, float* output) {
  size_t values = 0;
  for (uint32_t i = 0; i <= network->count; ++i) values += shape_values(tensor_shape(network, i));
  float* memory = malloc(values * sizeof(float));
  float** tensors = malloc((network->count + 1) * sizeof(float*));
  int done = memory != NULL && tensors != NULL;
  if (done) {
    float* next = memory;
    for (uint32_t i = 0; i <= network->count; ++i) {
      tensors[i] = next;
      next += shape_values(tensor_shape(network, i));
    }
    normalise(network, pixels, tensors[0]);
    for (uint32_t i = 0; i < network->count; ++i) run_layer(network, i, tensors);
    memcpy(output, tensors[network->count], shape_values(network_output(network)) * sizeof(float));
  }
  free(memory);
  free(tensors);
  return done ? 0 : -1;
}
