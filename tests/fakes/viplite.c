// A VIPLite without a VeriSilicon NPU: the calls that edgeface makes, over network.c.
//
// Written from the public description of the interface; names are our own. A model file holds how
// its input and output are stored, and a network (tests/fakes/viplite_fake.py). Each buffer has two
// memories, the CPU's and the NPU's, that only vip_flush_buffer makes equal: without it a run sees
// the picture before. Calls in a wrong order fail. EDGEFACE_FAKE_VIP makes it go wrong, as a list
// of words, read anew at every call:
//   FUNCTION=CODE           that function returns CODE (vip_map_buffer: no address)
//   stale, unwritten, half  a run succeeds, and leaves the result before, nothing, or half of one
//   late                    a run gives what the one before computed
//   nan, hang               one output value is NaN; a run lasts until the network's time-out
//   chip=ID version=NUMBER  of the NPU and the library;  small: buffers are smaller than needed
//   inputs=N outputs=N      what the network says that it has
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "network.h"
#include "viplite_faults.h"
#include "viplite_tensor.h"

#define EXPORT __attribute__((visibility("default")))
#define HEADER 92
#define FAULT(name)                                \
  do {                                             \
    long told = 0;                                 \
    if (fake_vip_told(name, &told)) return (int)told; \
  } while (0)

enum Code { kOk = 0, kTimeOut = -1, kArguments = -3, kMemory = -6, kModel = -7 };
enum Order { kMissing = -8, kUnprepared = -9, kFailure = -11 };

typedef struct {
  Tensor tensor;
  uint8_t *cpu, *npu;
  size_t bytes;
  int mapped, used;
} Buffer;

typedef struct {
  Network* network;
  Tensor tensors[2];  // input, output
  Buffer* buffers[2];
  int prepared;
  uint32_t time_out;
  uint8_t* last;  // the result before
} Graph;

static int started;

EXPORT uint32_t vip_get_version(void) {
  long version = 0x00010d00;
  fake_vip_told("version", &version);
  return (uint32_t)version;
}

EXPORT int vip_init(void) {
  FAULT("vip_init");
  if (started) return kFailure;
  started = 1;
  fake_vip_alive(1);
  return kOk;
}

EXPORT int vip_destroy(void) {
  if (!started || fake_vip_alive(0) != 1) return kFailure;
  started = 0;
  fake_vip_alive(-1);
  FAULT("vip_destroy");
  return kOk;
}

EXPORT int vip_query_hardware(int32_t property, uint32_t size, void* found) {
  FAULT("vip_query_hardware");
  long chip = 0x10000016;
  if (!started || property != 0 || size != 4) return kArguments;
  fake_vip_told("chip", &chip);
  *(uint32_t*)found = (uint32_t)chip;
  return kOk;
}

EXPORT int vip_create_network(const uint8_t* file, uint32_t bytes, int32_t from, Graph** made) {
  FAULT("vip_create_network");
  size_t head = HEADER + 2 * sizeof(Tensor);
  if (!started || from != 2) return kArguments;
  if (bytes <= head || memcmp(file, "VPMN", 4) != 0) return kModel;
  Graph* graph = calloc(1, sizeof *graph);
  if (graph == NULL) return kMemory;
  memcpy(graph->tensors, file + HEADER, sizeof graph->tensors);
  graph->network = network_read(file + head, bytes - head);
  graph->last = calloc(tensor_bytes(&graph->tensors[1]), 1);
  if (graph->network == NULL || graph->last == NULL) {
    free(graph->last);
    free(graph);
    return kModel;
  }
  fake_vip_alive(1);
  *made = graph;
  return kOk;
}

EXPORT int vip_destroy_network(Graph* graph) {
  if (graph->prepared) return kFailure;
  network_free(graph->network);
  free(graph->last);
  free(graph);
  fake_vip_alive(-1);
  FAULT("vip_destroy_network");
  return kOk;
}

EXPORT int vip_query_network(Graph* graph, int32_t property, void* found) {
  FAULT("vip_query_network");
  long count = 1;
  if (graph == NULL || (property != 1 && property != 2)) return kArguments;
  fake_vip_told(property == 1 ? "inputs" : "outputs", &count);
  *(uint32_t*)found = (uint32_t)count;
  return kOk;
}

EXPORT int vip_set_network(Graph* graph, int32_t property, void* value) {
  FAULT("vip_set_network");
  if (property != 68 || graph->prepared) return kArguments;
  graph->time_out = *(uint32_t*)value;
  return kOk;
}

static int query(const Tensor* tensor, uint32_t index, int32_t property, void* found) {
  if (index != 0) return kArguments;
  switch (property) {
    case 0: return *(int32_t*)found = tensor->quantisation, kOk;
    case 1: return *(uint32_t*)found = tensor->dimensions, kOk;
    case 2: return memcpy(found, tensor->sizes, sizeof tensor->sizes), kOk;
    case 3: return *(int32_t*)found = tensor->format, kOk;
    case 4: return *(uint8_t*)found = (uint8_t)tensor->parameters.position, kOk;
    case 5: return *(float*)found = tensor->parameters.asymmetric.scale, kOk;
    case 6: return *(int32_t*)found = tensor->parameters.asymmetric.zero_point, kOk;
    default: return kArguments;
  }
}

EXPORT int vip_query_input(Graph* graph, uint32_t index, int32_t property, void* found) {
  FAULT("vip_query_input");
  return query(&graph->tensors[0], index, property, found);
}

EXPORT int vip_query_output(Graph* graph, uint32_t index, int32_t property, void* found) {
  FAULT("vip_query_output");
  return query(&graph->tensors[1], index, property, found);
}

EXPORT int vip_create_buffer(const Tensor* tensor, uint32_t size, Buffer** made) {
  FAULT("vip_create_buffer");
  if (!started || size != sizeof *tensor || tensor->memory != 0) return kArguments;
  Buffer* buffer = calloc(1, sizeof *buffer);
  if (buffer == NULL) return kMemory;
  buffer->tensor = *tensor;
  buffer->bytes = tensor_bytes(tensor);
  buffer->cpu = calloc(buffer->bytes, 1);
  buffer->npu = calloc(buffer->bytes, 1);
  fake_vip_alive(1);
  *made = buffer;
  return kOk;
}

EXPORT int vip_destroy_buffer(Buffer* buffer) {
  if (buffer->used || buffer->mapped) return kFailure;
  free(buffer->cpu);
  free(buffer->npu);
  free(buffer);
  fake_vip_alive(-1);
  FAULT("vip_destroy_buffer");
  return kOk;
}

EXPORT uint32_t vip_get_buffer_size(Buffer* buffer) {
  return (uint32_t)buffer->bytes / (fake_vip_told("small", NULL) ? 2 : 1);
}

EXPORT void* vip_map_buffer(Buffer* buffer) {
  if (fake_vip_told("vip_map_buffer", NULL) || buffer->mapped) return NULL;
  buffer->mapped = 1;
  return buffer->cpu;
}

EXPORT int vip_unmap_buffer(Buffer* buffer) {
  if (!buffer->mapped) return kFailure;
  buffer->mapped = 0;
  FAULT("vip_unmap_buffer");
  return kOk;
}

EXPORT int vip_flush_buffer(Buffer* buffer, int32_t direction) {
  FAULT("vip_flush_buffer");
  if (buffer->mapped || direction < 1 || direction > 2) return kArguments;
  if (direction == 1) memcpy(buffer->npu, buffer->cpu, buffer->bytes);
  if (direction == 2) memcpy(buffer->cpu, buffer->npu, buffer->bytes);
  return kOk;
}

EXPORT int vip_prepare_network(Graph* graph) {
  FAULT("vip_prepare_network");
  if (graph->prepared) return kFailure;
  graph->prepared = 1;
  return kOk;
}

EXPORT int vip_finish_network(Graph* graph) {
  if (!graph->prepared) return kUnprepared;
  graph->prepared = 0;
  for (int i = 0; i < 2; ++i) {
    if (graph->buffers[i] != NULL) --graph->buffers[i]->used;
    graph->buffers[i] = NULL;
  }
  FAULT("vip_finish_network");
  return kOk;
}

static int attach(Graph* graph, int which, uint32_t index, Buffer* buffer) {
  if (!graph->prepared) return kUnprepared;
  if (index != 0 || memcmp(&buffer->tensor, &graph->tensors[which], sizeof(Tensor)) != 0)
    return kArguments;
  if (graph->buffers[which] != NULL) --graph->buffers[which]->used;
  ++buffer->used;
  graph->buffers[which] = buffer;
  return kOk;
}

EXPORT int vip_set_input(Graph* graph, uint32_t index, Buffer* buffer) {
  FAULT("vip_set_input");
  return attach(graph, 0, index, buffer);
}

EXPORT int vip_set_output(Graph* graph, uint32_t index, Buffer* buffer) {
  FAULT("vip_set_output");
  return attach(graph, 1, index, buffer);
}

static int compute(Graph* graph, uint8_t* result) {
  const Tensor *in = &graph->tensors[0], *out = &graph->tensors[1];
  size_t pixels = shape_values(network_input(graph->network));
  size_t values = shape_values(network_output(graph->network));
  if (pixels != tensor_values(in) || values != tensor_values(out)) return kModel;
  uint8_t* picture = malloc(pixels);
  float* found = malloc(values * sizeof *found);
  int code = picture == NULL || found == NULL ? kMemory : kOk;
  if (code == kOk) {
    for (size_t i = 0; i < pixels; ++i)
      picture[i] = (uint8_t)lrintf(fminf(fmaxf(tensor_get(in, graph->buffers[0]->npu, i), 0), 255));
    code = network_run(graph->network, picture, found) == 0 ? kOk : kMemory;
  }
  if (code == kOk && fake_vip_told("nan", NULL)) found[values / 2] = NAN;
  for (size_t i = 0; code == kOk && i < values; ++i) tensor_set(out, result, i, found[i]);
  free(picture);
  free(found);
  return code;
}

EXPORT int vip_run_network(Graph* graph) {
  FAULT("vip_run_network");
  if (!graph->prepared) return kUnprepared;
  if (graph->buffers[0] == NULL || graph->buffers[1] == NULL) return kMissing;
  if (graph->buffers[0]->mapped || graph->buffers[1]->mapped) return kFailure;
  if (fake_vip_told("hang", NULL))
    return usleep(graph->time_out ? graph->time_out * 1000 : 30000000), kTimeOut;
  size_t bytes = graph->buffers[1]->bytes;
  if (fake_vip_told("late", NULL)) {
    memcpy(graph->buffers[1]->npu, graph->last, bytes);
    return compute(graph, graph->last);
  }
  if (!fake_vip_told("stale", NULL)) {
    int code = compute(graph, graph->last);
    if (code != kOk) return code;
  }
  if (fake_vip_told("half", NULL)) bytes /= 2;
  if (!fake_vip_told("unwritten", NULL)) memcpy(graph->buffers[1]->npu, graph->last, bytes);
  return kOk;
}
