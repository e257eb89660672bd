// QEMU user-mode plugin: how often each translated block runs between two marks of the program.
//
// The program opens region N, 1 to 15, with prctl(0x4546, N) and closes it with prctl(0x4546, 0),
// which Linux refuses and real hardware therefore ignores. At exit every block that ran in a region
// is written to the file of the plugin's argument out=FILE as "region executions instructions...",
// in hexadecimal. A system call ends a block, so that a region begins and ends with a whole one.
//
// The interface is declared here, as QEMU 7.2 (Debian 12) has it: its header is not packaged.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define PRCTL 167  // on aarch64
#define MARK 0x4546
#define REGIONS 16  // 0: outside

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void Translated(uint64_t id, struct qemu_plugin_tb* block);
typedef void Executed(unsigned cpu, void* block);
typedef void SystemCall(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2,
                        uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                        uint64_t a8);
typedef void Ended(uint64_t id, void* none);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, Translated* callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* block, Executed* callback,
                                          int flags, void* data);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, SystemCall* callback);
void qemu_plugin_register_atexit_cb(uint64_t id, Ended* callback, void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* block, size_t i);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* instruction);

EXPORT int qemu_plugin_version = 1;

typedef struct Block {
  struct Block* next;
  uint64_t executions[REGIONS];
  size_t count;
  uint32_t instructions[];
} Block;

static Block* blocks;
static pthread_mutex_t blocks_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned region;
static const char* output;

static void on_executed(unsigned cpu, void* data) {
  (void)cpu;
  if (region == 0) return;
  __atomic_fetch_add(&((Block*)data)->executions[region], 1, __ATOMIC_RELAXED);
}

// A block that is translated twice is listed twice; the reader adds them up.
static void on_translated(uint64_t id, struct qemu_plugin_tb* translated) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(translated);
  Block* block = calloc(1, sizeof *block + count * sizeof block->instructions[0]);
  if (block == NULL) abort();
  block->count = count;
  for (size_t i = 0; i < count; ++i) {
    memcpy(&block->instructions[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(translated, i)),
           sizeof block->instructions[i]);
  }
  pthread_mutex_lock(&blocks_mutex);
  block->next = blocks;
  blocks = block;
  pthread_mutex_unlock(&blocks_mutex);
  qemu_plugin_register_vcpu_tb_exec_cb(translated, on_executed, 0, block);
}

static void on_system_call(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2,
                           uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                           uint64_t a8) {
  (void)id, (void)cpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number == PRCTL && (uint32_t)a1 == MARK && a2 < REGIONS) region = a2;
}

static void write_block(FILE* file, const Block* block, unsigned in_region) {
  if (block->executions[in_region] == 0) return;
  fprintf(file, "%x %llx", in_region, (unsigned long long)block->executions[in_region]);
  for (size_t i = 0; i < block->count; ++i) fprintf(file, " %08x", block->instructions[i]);
  fputc('\n', file);
}

static void on_end(uint64_t id, void* none) {
  (void)id, (void)none;
  FILE* file = fopen(output, "w");
  if (file == NULL) {
    perror(output);
    exit(1);
  }
  for (const Block* block = blocks; block != NULL; block = block->next) {
    for (unsigned i = 1; i < REGIONS; ++i) write_block(file, block, i);
  }
  fclose(file);
}

EXPORT int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) return 1;
  output = strdup(argv[0] + 4);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_atexit_cb(id, on_end, NULL);
  return 0;
}
