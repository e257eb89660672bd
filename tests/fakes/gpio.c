// A kernel's GPIO character devices for one process and its children, by LD_PRELOAD: what opens
// /dev/gpiochipN talks to tests/fakes/gpio_chip.py, by the published uAPI of linux/gpio.h (v2).
//
// A chip or line request is a socket of that server's, so that it is freed by the real kernel when
// its process dies, and polls and reads as a real one does. Levels are bytes of a mapped file, and
// every change of one is a line of a log, with CLOCK_MONOTONIC: nothing but a write lies between an
// ioctl and its time.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kFds = 1024, kMajor = 254, kStateSize = 4096, kWriteError = 2048, kTextSize = 512 };

typedef struct {
  int kind;  // 0 none, 1 chip, 2 line request
  int chip;
  int log;
  unsigned char* state;
  struct gpio_v2_line_request request;
} Fake;

typedef struct {
  __u32 op;
  union {
    __u32 offset;
    struct gpio_v2_line_request request;
  };
} Question;

static Fake fakes[kFds];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char* folder(void) { return getenv("EDGEFACE_FAKE_GPIO"); }

static int chip_number(const char* path) {
  char file[kTextSize];
  int chip = -1;
  if (folder() == NULL || path == NULL) return -1;
  if (sscanf(path, "/dev/gpiochip%d", &chip) != 1) return -1;
  snprintf(file, sizeof file, "%s/dev/gpiochip%d", folder(), chip);
  return REAL(access)(file, F_OK) == 0 ? chip : -1;
}

static Fake* fake_of(int fd) {
  return fd >= 0 && fd < kFds && fakes[fd].kind != 0 ? &fakes[fd] : NULL;
}

static int ask(int fd, const Question* question, size_t size, void* answer, size_t answer_size) {
  char packet[sizeof(int) + sizeof(struct gpio_v2_line_info)];
  int error = EIO;
  if (send(fd, question, size, MSG_NOSIGNAL) != (ssize_t)size) return EIO;
  ssize_t got = recv(fd, packet, sizeof packet, 0);
  if (got < (ssize_t)sizeof error) return EIO;
  memcpy(&error, packet, sizeof error);
  if (error == 0) memcpy(answer, packet + sizeof error, answer_size);
  return error;
}

static int connect_chip(int chip) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/%d", folder(), chip);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0 || fd >= kFds) return -1;
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) {
    REAL(close)(fd);
    errno = ENODEV;
    return -1;
  }
  return fd;
}

static void log_level(const Fake* fake, unsigned offset, int level) {
  struct timespec now;
  char line[kTextSize];
  clock_gettime(CLOCK_MONOTONIC, &now);
  int size = snprintf(line, sizeof line, "%lld%09ld %u %d %d\n", (long long)now.tv_sec, now.tv_nsec,
                      offset, level, getpid());
  if (write(fake->log, line, size) != size) abort();
}

static __u64 line_flags(const struct gpio_v2_line_config* config, unsigned index) {
  for (unsigned i = 0; i < config->num_attrs; ++i) {
    const struct gpio_v2_line_config_attribute* found = &config->attrs[i];
    if (found->attr.id == GPIO_V2_LINE_ATTR_ID_FLAGS && (found->mask >> index & 1))
      return found->attr.flags;
  }
  return config->flags;
}

static void set_level(Fake* fake, unsigned index, int value) {
  unsigned offset = fake->request.offsets[index];
  int low = (line_flags(&fake->request.config, index) & GPIO_V2_LINE_FLAG_ACTIVE_LOW) != 0;
  fake->state[offset] = value ^ low;
  log_level(fake, offset, value ^ low);
}

static void drive_first(Fake* fake) {
  const struct gpio_v2_line_config* config = &fake->request.config;
  for (unsigned index = 0; index < fake->request.num_lines; ++index) {
    int value = 0;
    if (!(line_flags(config, index) & GPIO_V2_LINE_FLAG_OUTPUT)) continue;
    for (unsigned i = 0; i < config->num_attrs; ++i)
      if (config->attrs[i].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES)
        value = (config->attrs[i].mask & config->attrs[i].attr.values) >> index & 1;
    set_level(fake, index, value);
  }
}

static int request_lines(const Fake* chip, struct gpio_v2_line_request* request) {
  char path[kTextSize];
  Question question = {.op = 2, .request = *request};
  int fd = connect_chip(chip->chip);
  if (fd < 0) return ENODEV;
  int error = ask(fd, &question, sizeof question, NULL, 0);
  if (error != 0) {
    REAL(close)(fd);
    return error;
  }
  Fake* fake = &fakes[fd];
  *fake = (Fake){.kind = 2, .chip = chip->chip, .request = *request};
  snprintf(path, sizeof path, "%s/%d.log", folder(), chip->chip);
  fake->log = REAL(open)(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  snprintf(path, sizeof path, "%s/%d.state", folder(), chip->chip);
  int state = REAL(open)(path, O_RDWR | O_CLOEXEC);
  fake->state = mmap(NULL, kStateSize, PROT_READ | PROT_WRITE, MAP_SHARED, state, 0);
  if (fake->log < 0 || fake->state == MAP_FAILED) abort();
  REAL(close)(state);
  drive_first(fake);
  request->fd = fd;
  return 0;
}

static int get_values(const Fake* fake, struct gpio_v2_line_values* values) {
  values->bits = 0;
  for (unsigned index = 0; index < fake->request.num_lines; ++index) {
    __u64 low = line_flags(&fake->request.config, index) & GPIO_V2_LINE_FLAG_ACTIVE_LOW;
    if (values->mask >> index & 1)
      values->bits |= (__u64)(fake->state[fake->request.offsets[index]] ^ (low != 0)) << index;
  }
  return 0;
}

static int set_values(Fake* fake, const struct gpio_v2_line_values* values) {
  if (fake->state[kWriteError] != 0) return fake->state[kWriteError];
  for (unsigned index = 0; index < fake->request.num_lines; ++index)
    if (values->mask >> index & 1) set_level(fake, index, values->bits >> index & 1);
  return 0;
}

// Some callers extend the sign of `request`: 32 bits of it count.
static int serve(Fake* fake, int fd, unsigned request, void* argument) {
  Question question = {.op = 0};
  if (fake->kind == 1 && request == GPIO_GET_CHIPINFO_IOCTL)
    return ask(fd, &question, sizeof question, argument, sizeof(struct gpiochip_info));
  if (fake->kind == 1 && request == GPIO_V2_GET_LINEINFO_IOCTL) {
    question.op = 1;
    question.offset = ((struct gpio_v2_line_info*)argument)->offset;
    return ask(fd, &question, sizeof question, argument, sizeof(struct gpio_v2_line_info));
  }
  if (fake->kind == 1 && request == GPIO_V2_GET_LINE_IOCTL) return request_lines(fake, argument);
  if (fake->kind == 2 && request == GPIO_V2_LINE_GET_VALUES_IOCTL)
    return get_values(fake, argument);
  if (fake->kind == 2 && request == GPIO_V2_LINE_SET_VALUES_IOCTL)
    return set_values(fake, argument);
  return ENOTTY;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  Fake* fake = fake_of(fd);
  if (fake == NULL) return REAL(ioctl)(fd, request, argument);
  errno = serve(fake, fd, request, argument);
  return errno == 0 ? 0 : -1;
}

static int open_chip(int chip) {
  int fd = connect_chip(chip);
  if (fd >= 0) fakes[fd] = (Fake){.kind = 1, .chip = chip};
  return fd;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  int chip = chip_number(path);
  return chip >= 0 ? open_chip(chip) : REAL(open)(path, flags, mode);
}

int close(int fd) {
  Fake* fake = fake_of(fd);
  if (fake != NULL && fake->kind == 2) {
    REAL(close)(fake->log);
    munmap(fake->state, kStateSize);
  }
  if (fake != NULL) fake->kind = 0;
  return REAL(close)(fd);
}

static int stat_chip(int chip, struct stat* found) {
  memset(found, 0, sizeof *found);
  found->st_mode = S_IFCHR | 0660;
  found->st_rdev = makedev(kMajor, chip);
  return 0;
}

// The names by which programs linked against an older glibc call stat and lstat.
int __xstat(int version, const char* path, struct stat* found) {
  int chip = chip_number(path);
  (void)version;
  return chip >= 0 ? stat_chip(chip, found) : fstatat(AT_FDCWD, path, found, 0);
}

int __lxstat(int version, const char* path, struct stat* found) {
  int chip = chip_number(path);
  (void)version;
  return chip >= 0 ? stat_chip(chip, found) : fstatat(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW);
}

int stat(const char* path, struct stat* found) { return __xstat(0, path, found); }

int lstat(const char* path, struct stat* found) { return __lxstat(0, path, found); }

char* realpath(const char* path, char* resolved) {
  unsigned chip;
  char* (*real)(const char*, char*) = dlvsym(RTLD_NEXT, "realpath", "GLIBC_2.3");
  if (real == NULL) real = REAL(realpath);
  if (folder() == NULL || resolved != NULL) return real(path, resolved);
  if (chip_number(path) >= 0) return strdup(path);
  if (sscanf(path, "/sys/dev/char/254:%u/subsystem", &chip) == 1) return strdup("/sys/bus/gpio");
  return real(path, resolved);
}

DIR* opendir(const char* path) {
  char other[kTextSize];
  if (folder() == NULL || strcmp(path, "/dev") != 0) return REAL(opendir)(path);
  snprintf(other, sizeof other, "%s/dev", folder());
  return REAL(opendir)(other);
}
