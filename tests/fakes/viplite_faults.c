#include "viplite_faults.h"

#include <stdlib.h>
#include <string.h>

static int alive;

int fake_vip_alive(int change) { return __atomic_add_fetch(&alive, change, __ATOMIC_SEQ_CST); }

int fake_vip_told(const char* word, long* value) {
  const char* at = getenv("EDGEFACE_FAKE_VIP");
  size_t length = strlen(word);
  while (at != NULL && *at != '\0') {
    size_t item = strcspn(at, " ");
    if (strncmp(at, word, length) == 0 && (item == length || at[length] == '=')) {
      if (value != NULL && item > length) *value = strtol(at + length + 1, NULL, 0);
      return 1;
    }
    at += item + (at[item] == ' ');
  }
  return 0;
}
