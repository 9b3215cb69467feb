// What a plugin in C wants beside the bindings that `orch plugin build` generates from wit/: text,
// bit sets, and reading JSON in place.
//
// The bindings' strings and lists are `{ptr, len}`. What a function is given is its own to free
// (`WORLD_string_free` and the like); what it returns must come from malloc, and the host frees it.
#ifndef ORCH_H
#define ORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// Text in somebody else's memory; of a JSON value, its characters as they stand there.
typedef struct {
  const char *ptr;
  size_t len;
} orch_text;

// A string of the bindings, as text.
#define ORCH_TEXT(string) ((orch_text){(const char *)(string).ptr, (string).len})

// Copies a C string into a string of the bindings, for the host to free.
#define ORCH_SET(string, text) \
  orch_copy((void **)&(string).ptr, &(string).len, (text))

// Gives a list of the bindings room for so many items, all zero.
#define ORCH_LIST(list, count) \
  ((list).len = (count), (list).ptr = orch_zeroed((count), sizeof *(list).ptr))

// Fills a list of strings.
#define ORCH_STRINGS(list, ...)                                            \
  do {                                                                     \
    const char *all_[] = {__VA_ARGS__};                                    \
    ORCH_LIST(list, sizeof all_ / sizeof *all_);                           \
    for (size_t i_ = 0; i_ < (list).len; i_++) ORCH_SET((list).ptr[i_], all_[i_]); \
  } while (0)

// Fills an interest: a kind, and the fields of it that are read.
#define ORCH_READS(interest, version, its_kind, ...) \
  do {                                               \
    ORCH_SET((interest).api_version, version);       \
    ORCH_SET((interest).kind, its_kind);             \
    ORCH_STRINGS((interest).fields, __VA_ARGS__);    \
  } while (0)

void orch_copy(void **ptr, size_t *len, const char *text);
void *orch_zeroed(size_t count, size_t size);
// printf into a fresh C string. The caller frees it.
char *orch_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The value at a path of keys, empty where there is none: orch_at(node, "metadata", "labels", NULL).
// A key that is written with escapes in the JSON is not found.
orch_text orch_at(orch_text json, ...) __attribute__((sentinel));
// The items of a JSON list in turn, empty at its end; `*position` starts at 0.
orch_text orch_next(orch_text list, size_t *position);
// A JSON string without its quotes and escapes, or NULL when it is none. The caller frees it.
char *orch_string(orch_text value);
// Whether the value is this JSON string (which must need no escapes).
bool orch_is(orch_text value, const char *text);
// The whole number that a value is, or that a string holds, or `otherwise`.
int64_t orch_integer(orch_text value, int64_t otherwise);
bool orch_true(orch_text value);

// Sets of node indexes: bit i % 64 of word i / 64.
static inline bool orch_has(const uint64_t *words, size_t len, uint32_t index) {
  return index / 64 < len && (words[index / 64] >> (index % 64) & 1);
}
static inline void orch_add(uint64_t *words, uint32_t index) {
  words[index / 64] |= (uint64_t)1 << (index % 64);
}
size_t orch_count(const uint64_t *words, size_t len);

// for (ORCH_EACH(node, nodes->ptr, nodes->len)) …
#define ORCH_EACH(index, words, len)                                            \
  uint32_t index = orch_following((words), (len), 0); index != UINT32_MAX;      \
  index = orch_following((words), (len), index + 1)
// The first index of the set that is at least `from`; UINT32_MAX: none.
uint32_t orch_following(const uint64_t *words, size_t len, uint32_t from);

#endif
