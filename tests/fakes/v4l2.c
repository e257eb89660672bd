// A V4L2 camera in a process that has no driver: preloaded, it answers the calls on one path.
//
// V4L2_FAKE names a file that stands for the device. It holds "FPS MODE": live, freeze (the same
// picture), hang (none), late (each picture a second old). Without the file the camera is
// unplugged.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 8, MOST_BYTES = 1280 * 720 * 2 };

static int device = -1;  // a timer: readable when a picture is due
static unsigned width = 640, height = 480, fps = 30;
static uint8_t* memory[BUFFERS];
static unsigned count, queue[BUFFERS], queued, pictures;
static uint32_t noise = 1;

static int fail(int code) {
  errno = code;
  return -1;
}

// Whether it is plugged in; what its file says.
static int control(unsigned* rate, char mode[16]) {
  FILE* file = fopen(getenv("V4L2_FAKE"), "r");
  if (!file) return 0;
  int found = fscanf(file, "%u %15s", rate, mode);
  fclose(file);
  return found == 2;
}

static void set_timer(void) {
  unsigned rate = 30;
  char mode[16] = "";
  control(&rate, mode);
  if (rate > fps) rate = fps;
  struct itimerspec when = {{rate == 1, rate == 1 ? 0 : 1000000000 / rate}, {0, 1000000}};
  timerfd_settime(device, 0, &when, NULL);
}

static int open_device(void) {
  unsigned rate;
  char mode[16];
  if (!control(&rate, mode)) return fail(ENOENT);
  if (device >= 0) return fail(EBUSY);
  device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return device;
}

static int format(struct v4l2_format* asked, int set) {
  struct v4l2_pix_format* pix = &asked->fmt.pix;
  if (asked->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
  if (set) {  // two sizes, one format; drivers answer with what they have
    width = pix->width <= 320 ? 320 : 640;
    height = pix->width <= 320 ? 240 : 480;
  }
  memset(pix, 0, sizeof *pix);
  pix->width = width;
  pix->height = height;
  pix->pixelformat = V4L2_PIX_FMT_YUYV;
  pix->field = V4L2_FIELD_NONE;
  pix->bytesperline = width * 2;
  pix->sizeimage = width * height * 2;
  return 0;
}

static int rate(struct v4l2_streamparm* asked, int set) {
  struct v4l2_captureparm* parm = &asked->parm.capture;
  if (set && parm->timeperframe.numerator) {
    fps = parm->timeperframe.denominator / parm->timeperframe.numerator;
    if (fps > 30) fps = 30;
    if (fps < 1) fps = 1;
  }
  parm->capability = V4L2_CAP_TIMEPERFRAME;
  parm->timeperframe.numerator = 1;
  parm->timeperframe.denominator = fps;
  return 0;
}

static int request(struct v4l2_requestbuffers* asked) {
  for (unsigned i = 0; i < BUFFERS; ++i) {
    if (memory[i]) munmap(memory[i], MOST_BYTES);
    memory[i] = NULL;
  }
  count = asked->count = asked->count > BUFFERS ? BUFFERS : asked->count;
  queued = 0;
  for (unsigned i = 0; i < count; ++i)
    memory[i] = mmap(NULL, MOST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return 0;
}

static void draw(uint8_t* out) {
  for (unsigned i = 0; i < width * height; ++i) {
    noise = noise * 1664525u + 1013904223u;
    unsigned column = i % width, square = (pictures * 8) % 200;
    out[2 * i] = column - square < 80u ? 220 : 30 + (noise >> 27);
    out[2 * i + 1] = 128;
  }
}

static int take(struct v4l2_buffer* out) {
  unsigned at;
  char mode[16];
  uint64_t ticks;
  if (!control(&at, mode)) return fail(ENODEV);
  if (!queued || read(device, &ticks, sizeof ticks) != sizeof ticks) return fail(EAGAIN);
  if (!strcmp(mode, "hang")) return fail(EAGAIN);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  out->index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  if (strcmp(mode, "freeze")) ++pictures;
  if (!strcmp(mode, "freeze")) noise = 1;
  draw(memory[out->index]);
  out->bytesused = out->length = width * height * 2;
  out->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  out->timestamp.tv_sec = now.tv_sec - !strcmp(mode, "late");
  out->timestamp.tv_usec = now.tv_nsec / 1000;
  return 0;
}

static int answer(unsigned long call, void* value) {
  unsigned at;
  char mode[16];
  if (!control(&at, mode)) return fail(ENODEV);
  if (call == VIDIOC_QUERYCAP) {
    struct v4l2_capability* out = value;
    memset(out, 0, sizeof *out);
    strcpy((char*)out->driver, "fake");
    strcpy((char*)out->card, "fake camera");
    out->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    out->capabilities = out->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
  }
  if (call == VIDIOC_G_FMT || call == VIDIOC_S_FMT || call == VIDIOC_TRY_FMT)
    return format(value, call == VIDIOC_S_FMT);
  if (call == VIDIOC_G_PARM || call == VIDIOC_S_PARM) return rate(value, call == VIDIOC_S_PARM);
  if (call == VIDIOC_G_INPUT || call == VIDIOC_S_INPUT) return 0;
  if (call == VIDIOC_REQBUFS) return request(value);
  if (call == VIDIOC_QUERYBUF) {
    struct v4l2_buffer* out = value;
    if (out->index >= count) return fail(EINVAL);
    out->length = width * height * 2;
    out->m.offset = out->index * MOST_BYTES;
    return 0;
  }
  if (call == VIDIOC_QBUF) {
    if (queued < BUFFERS) queue[queued++] = ((struct v4l2_buffer*)value)->index;
    return 0;
  }
  if (call == VIDIOC_DQBUF) return take(value);
  if (call == VIDIOC_STREAMON) return set_timer(), 0;
  if (call == VIDIOC_STREAMOFF) return queued = 0, 0;
  return fail(EINVAL);
}

// The C library's calls, which OpenCV makes.

static int is_device(const char* path) {
  const char* fake = getenv("V4L2_FAKE");
  return fake && path && !strcmp(path, fake);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int open_any(int (*real)(const char*, int, ...), const char* path, int flags, int mode) {
  // O_NONBLOCK is how OpenCV opens a camera, and how fopen above does not.
  if (is_device(path) && (flags & O_NONBLOCK)) return open_device();
  return real(path, flags, mode);
}

#define OPEN(name)                                                    \
  int name(const char* path, int flags, ...) {                        \
    va_list rest;                                                     \
    va_start(rest, flags);                                            \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
    va_end(rest);                                                     \
    return open_any(REAL(name), path, flags, mode);                   \
  }
OPEN(open)
OPEN(open64)

int ioctl(int handle, unsigned long call, ...) {
  va_list rest;
  va_start(rest, call);
  void* value = va_arg(rest, void*);
  va_end(rest);
  if (handle < 0 || handle != device) return REAL(ioctl)(handle, call, value);
  return answer(call, value);
}

static void* map(void* (*real)(void*, size_t, int, int, int, off_t), void* where, size_t length,
                 int protection, int flags, int handle, off_t offset) {
  if (handle >= 0 && handle == device) return memory[offset / MOST_BYTES];
  return real(where, length, protection, flags, handle, offset);
}

void* mmap(void* where, size_t length, int protection, int flags, int handle, off_t offset) {
  return map(REAL(mmap), where, length, protection, flags, handle, offset);
}

void* mmap64(void* where, size_t length, int protection, int flags, int handle, off64_t offset) {
  return map(REAL(mmap), where, length, protection, flags, handle, offset);
}

int close(int handle) {
  if (handle >= 0 && handle == device) device = -1;
  return REAL(close)(handle);
}
