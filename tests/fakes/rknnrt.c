// A librknnrt.so without a Rockchip NPU: the calls that edgeface makes, over network.c.
//
// Written from the public description of the interface: sizes, offsets, numbers; names are our own.
// Model files hold a network where a real one holds the NPU's program (tests/fakes/rknn_fake.py).
// EDGEFACE_FAKE_RKNN makes it go wrong, as a list of words, read anew at every call:
//   CALL=CODE      init, query, cores, set, run, get, release or destroy returns CODE
//   stale          run says that it ran, and leaves the previous output where it is
//   stale=N        the same, at the context's run number N alone, the first being 1
//   late           get gives what the run before computed, as a driver that does not wait does
//   nan            one output value is NaN
//   unwritten      get says that it wrote, and did not; half: half of it; short: and says so
//   api=V driver=V versions of the library and of the kernel's driver
//   inputs=N       says that the model has N inputs; side=N: that its input is N pixels high
//   output=NAME    says that this is its output's name
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

#define EXPORT __attribute__((visibility("default")))
#define CONTEXTS 64
#define PICTURE_DTYPE 3  // uint8
#define CHANNELS_LAST 1

enum Code { kMemory = -4, kParameter = -5, kModel = -6, kContext = -7, kInput = -8, kOutput = -9 };
enum Query { kCounts = 0, kInputTensor = 1, kOutputTensor = 2, kVersions = 5 };

typedef struct {
  uint32_t index, rank, dims[16];
  char name[256];
  uint32_t values, bytes;
  int32_t layout, dtype, encoding;
  int8_t fraction;
  int32_t zero_point;
  float scale;
  uint32_t width_stride, bytes_with_stride;
  uint8_t pass_through;
  uint32_t height_stride;
} Tensor;

typedef struct {
  uint32_t index;
  void* data;
  uint32_t bytes;
  uint8_t pass_through;
  int32_t dtype, layout;
} Input;

typedef struct {
  uint8_t as_float, preallocated;
  uint32_t index;
  void* data;
  uint32_t bytes;
} Output;

typedef struct {
  char api[256], driver[256];
} Versions;

_Static_assert(sizeof(Tensor) == 376 && sizeof(Input) == 32 && sizeof(Output) == 24, "ABI");

// The NPU's own memory, which no pointer of the caller reaches.
typedef struct {
  Network* network;
  uint8_t* pixels;
  float *output, *before;
  int fed, ran, runs, taken;
} Context;

static Context contexts[CONTEXTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int live_outputs, last_mask;

EXPORT int fake_rknn_live_contexts(void) {
  int count = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < CONTEXTS; ++i) count += contexts[i].network != NULL;
  pthread_mutex_unlock(&lock);
  return count;
}

EXPORT int fake_rknn_live_outputs(void) { return live_outputs; }

EXPORT int fake_rknn_last_mask(void) { return last_mask; }

// Whether EDGEFACE_FAKE_RKNN holds the word; what follows its "=" goes into `value`.
static int told(const char* word, char* value, size_t bytes) {
  const char* at = getenv("EDGEFACE_FAKE_RKNN");
  size_t length = strlen(word);
  while (at != NULL && *at != '\0') {
    size_t item = strcspn(at, " ");
    if (strncmp(at, word, length) == 0 && (item == length || at[length] == '=')) {
      const char* from = item == length ? at + item : at + length + 1;
      snprintf(value, bytes, "%.*s", (int)(at + item - from), from);
      return 1;
    }
    at += item + (at[item] == ' ');
  }
  return 0;
}

static int told_number(const char* word, int otherwise) {
  char value[32];
  return told(word, value, sizeof value) ? atoi(value) : otherwise;
}

static Context* find(uint64_t handle) {
  if (handle == 0 || handle > CONTEXTS || contexts[handle - 1].network == NULL) return NULL;
  return &contexts[handle - 1];
}

static Network* read_model(const uint8_t* file, size_t bytes) {
  uint64_t body;
  if (bytes < 64 || memcmp(file, "RKNN", 4) != 0) return NULL;
  memcpy(&body, file + 16, sizeof body);
  return body > bytes - 64 ? NULL : network_read(file + 64, body);
}

static void clear(Context* context) {
  network_free(context->network);
  free(context->pixels);
  free(context->output);
  free(context->before);
  memset(context, 0, sizeof *context);
}

EXPORT int rknn_init(uint64_t* handle, void* model, uint32_t bytes, uint32_t flags, void* extend) {
  (void)flags, (void)extend;
  int code = told_number("init", 0);
  if (code != 0) return code;
  Network* network = read_model(model, bytes);
  if (network == NULL) return kModel;
  pthread_mutex_lock(&lock);
  int slot = 0;
  while (slot < CONTEXTS && contexts[slot].network != NULL) ++slot;
  if (slot == CONTEXTS) {
    network_free(network);
    code = kMemory;
  } else {
    Context* made = &contexts[slot];
    made->network = network;
    last_mask = 0;
    made->pixels = calloc(shape_values(network_input(network)), 1);
    made->output = calloc(shape_values(network_output(network)), sizeof(float));
    made->before = calloc(shape_values(network_output(network)), sizeof(float));
    *handle = (uint64_t)slot + 1;
    if (!made->pixels || !made->output || !made->before) clear(made), code = kMemory;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

static void describe(const Context* context, int output, Tensor* tensor) {
  Shape shape = output ? network_output(context->network) : network_input(context->network);
  uint32_t channels_last[4] = {1, shape.height, shape.width, shape.channels};
  uint32_t channels_first[4] = {1, shape.channels, shape.height, shape.width};
  memset(tensor, 0, sizeof *tensor);
  tensor->rank = 4;
  memcpy(tensor->dims, output ? channels_first : channels_last, sizeof channels_last);
  if (!output) tensor->dims[1] = (uint32_t)told_number("side", (int)shape.height);
  tensor->layout = output ? 0 : CHANNELS_LAST;
  tensor->dtype = 2;     // int8, as the NPU keeps it
  tensor->encoding = 2;  // with scale and zero point
  tensor->scale = 1;
  tensor->values = tensor->bytes = (uint32_t)shape_values(shape);
  strcpy(tensor->name, output ? "feature" : "image");
  if (output) told("output", tensor->name, sizeof tensor->name);
}

EXPORT int rknn_query(uint64_t handle, int what, void* into, uint32_t bytes) {
  Context* context = find(handle);
  int code = told_number("query", 0);
  if (code != 0) return code;
  if (context == NULL) return kContext;
  if (what == kCounts && bytes == 2 * sizeof(uint32_t)) {
    ((uint32_t*)into)[0] = (uint32_t)told_number("inputs", 1);
    ((uint32_t*)into)[1] = 1;
  } else if ((what == kInputTensor || what == kOutputTensor) && bytes == sizeof(Tensor)) {
    if (((Tensor*)into)->index != 0) return kParameter;
    describe(context, what == kOutputTensor, into);
  } else if (what == kVersions && bytes == sizeof(Versions)) {
    char api[64] = "2.3.2", driver[64] = "0.9.8";
    told("api", api, sizeof api);
    told("driver", driver, sizeof driver);
    snprintf(((Versions*)into)->api, 256, "%s (fake@2026-11-28T00:00:00)", api);
    snprintf(((Versions*)into)->driver, 256, "%s", driver);
  } else {
    return kParameter;
  }
  return 0;
}

EXPORT int rknn_set_core_mask(uint64_t handle, int mask) {
  int code = told_number("cores", 0);
  if (code != 0) return code;
  if (find(handle) == NULL) return kContext;
  if (mask < 0 || mask > 3) return kParameter;
  last_mask = mask;
  return 0;
}

EXPORT int rknn_inputs_set(uint64_t handle, uint32_t count, Input* inputs) {
  Context* context = find(handle);
  int code = told_number("set", 0);
  if (code != 0) return code;
  if (context == NULL) return kContext;
  size_t bytes = shape_values(network_input(context->network));
  if (count != 1 || inputs->index != 0 || inputs->bytes != bytes || inputs->pass_through ||
      inputs->dtype != PICTURE_DTYPE || inputs->layout != CHANNELS_LAST)
    return kInput;
  memcpy(context->pixels, inputs->data, bytes);
  context->fed = 1;
  context->ran = 0;
  return 0;
}

EXPORT int rknn_run(uint64_t handle, void* extend) {
  (void)extend;
  Context* context = find(handle);
  int code = told_number("run", 0);
  if (code != 0) return code;
  if (context == NULL) return kContext;
  if (!context->fed) return kInput;
  char value[32];
  ++context->runs;
  context->ran = 1;
  if (told("stale", value, sizeof value) && (!*value || atoi(value) == context->runs)) return 0;
  memcpy(context->before, context->output,
         shape_values(network_output(context->network)) * sizeof(float));
  return network_run(context->network, context->pixels, context->output) == 0 ? 0 : kMemory;
}

EXPORT int rknn_outputs_get(uint64_t handle, uint32_t count, Output* outputs, void* extend) {
  (void)extend;
  Context* context = find(handle);
  int code = told_number("get", 0);
  if (code != 0) return code;
  if (context == NULL) return kContext;
  uint32_t bytes = (uint32_t)(shape_values(network_output(context->network)) * sizeof(float));
  if (!context->ran || count != 1 || outputs->index != 0 || !outputs->as_float ||
      !outputs->preallocated || outputs->bytes < bytes)
    return kOutput;
  char none[1];
  uint32_t written = bytes;
  if (told("unwritten", none, 1)) written = 0;
  if (told("half", none, 1) || told("short", none, 1)) written = bytes / 2;
  memcpy(outputs->data, told("late", none, 1) ? context->before : context->output, written);
  if (told("nan", none, 1)) ((float*)outputs->data)[7] = nanf("");
  outputs->bytes = told("short", none, 1) ? written : bytes;
  ++context->taken;
  __atomic_add_fetch(&live_outputs, 1, __ATOMIC_SEQ_CST);
  return 0;
}

EXPORT int rknn_outputs_release(uint64_t handle, uint32_t count, Output* outputs) {
  (void)outputs;
  Context* context = find(handle);
  if (context == NULL) return kContext;
  if (count != 1 || context->taken == 0) return kOutput;
  --context->taken;
  __atomic_sub_fetch(&live_outputs, 1, __ATOMIC_SEQ_CST);
  return told_number("release", 0);
}

EXPORT int rknn_destroy(uint64_t handle) {
  pthread_mutex_lock(&lock);
  Context* context = find(handle);
  if (context != NULL) clear(context);
  pthread_mutex_unlock(&lock);
  return context == NULL ? kContext : told_number("destroy", 0);
}
