#include "orch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *orch_zeroed(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  // Out of memory: a trap, which the host counts and survives.
  if (!memory) abort();
  return memory;
}

void orch_copy(void **ptr, size_t *len, const char *text) {
  *len = strlen(text);
  *ptr = orch_zeroed(*len, 1);
  memcpy(*ptr, text, *len);
}

char *orch_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = orch_zeroed((size_t)length + 1, 1);
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

// Where JSON is read: `at` never passes `end`.
typedef struct {
  const char *at, *end;
} reader;

static const orch_text NOTHING = {NULL, 0};

static void skip_space(reader *in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at)) in->at++;
}

static bool take(reader *in, char letter) {
  skip_space(in);
  if (in->at == in->end || *in->at != letter) return false;
  in->at++;
  return true;
}

static void skip_string(reader *in) {
  for (in->at++; in->at < in->end && *in->at != '"'; in->at++)
    if (*in->at == '\\') in->at++;
  in->at = in->at < in->end ? in->at + 1 : in->end;
}

// The value that begins here, whole; lists and objects by counting brackets.
static orch_text take_value(reader *in) {
  skip_space(in);
  const char *start = in->at;
  size_t depth = 0;
  while (in->at < in->end) {
    char letter = *in->at;
    if (letter == '"') {
      skip_string(in);
    } else if (letter == '{' || letter == '[') {
      depth++;
      in->at++;
      continue;
    } else if (depth && (letter == '}' || letter == ']')) {
      depth--;
      in->at++;
    } else if (depth) {
      in->at++;
      continue;
    } else if (strchr(",]} \t\r\n", letter)) {
      break;
    } else {
      in->at++;
      continue;
    }
    if (!depth) break;
  }
  return (orch_text){start, (size_t)(in->at - start)};
}

static orch_text member(orch_text object, const char *key) {
  reader in = {object.ptr, object.ptr + object.len};
  size_t length = strlen(key);
  if (!take(&in, '{')) return NOTHING;
  do {
    orch_text name = take_value(&in);
    if (!take(&in, ':')) return NOTHING;
    orch_text value = take_value(&in);
    if (name.len == length + 2 && !memcmp(name.ptr + 1, key, length)) return value;
  } while (take(&in, ','));
  return NOTHING;
}

orch_text orch_at(orch_text json, ...) {
  va_list keys;
  va_start(keys, json);
  const char *key;
  while (json.len && (key = va_arg(keys, const char *))) json = member(json, key);
  va_end(keys);
  return json;
}

orch_text orch_next(orch_text list, size_t *position) {
  reader in = {list.ptr + *position, list.ptr + list.len};
  if (!list.len || !take(&in, *position ? ',' : '[')) return NOTHING;
  skip_space(&in);
  if (in.at < in.end && *in.at == ']') return NOTHING;
  orch_text item = take_value(&in);
  *position = (size_t)(in.at - list.ptr);
  return item;
}

static uint32_t four_digits(const char *at, const char *end) {
  char digits[5] = {0};
  if (end - at >= 4) memcpy(digits, at, 4);
  return (uint32_t)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
  *out++ = (char)(marks[more] | code >> (6 * more));
  while (more--) *out++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
  return out;
}

char *orch_string(orch_text value) {
  if (value.len < 2 || *value.ptr != '"') return NULL;
  const char *at = value.ptr + 1, *end = value.ptr + value.len - 1;
  char *text = orch_zeroed(value.len, 1), *out = text;
  while (at < end) {
    if (*at != '\\' || at + 1 >= end) {
      *out++ = *at++;
      continue;
    }
    char letter = at[1];
    at += 2;
    const char *plain = strchr("b\bf\fn\nr\rt\t", letter);
    if (letter == 'u') {
      uint32_t code = four_digits(at, end);
      at += end - at < 4 ? end - at : 4;
      if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        code = 0x10000 + ((code - 0xd800) << 10) + ((four_digits(at + 2, end) - 0xdc00) & 0x3ff);
        at += 6;
      }
      out = put_utf8(out, code);
    } else {
      *out++ = plain ? plain[1] : letter;
    }
  }
  return text;
}

bool orch_is(orch_text value, const char *text) {
  size_t length = strlen(text);
  return value.len == length + 2 && *value.ptr == '"' && !memcmp(value.ptr + 1, text, length);
}

int64_t orch_integer(orch_text value, int64_t otherwise) {
  bool quoted = value.len >= 2 && *value.ptr == '"';
  const char *at = value.ptr + quoted, *end = value.ptr + value.len - quoted;
  bool negative = at < end && *at == '-';
  at += negative;
  if (at == end || end - at > 18) return otherwise;
  int64_t number = 0;
  for (; at < end; at++) {
    if (*at < '0' || *at > '9') return otherwise;
    number = number * 10 + (*at - '0');
  }
  return negative ? -number : number;
}

bool orch_true(orch_text value) { return value.len == 4 && !memcmp(value.ptr, "true", 4); }

size_t orch_count(const uint64_t *words, size_t len) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++) count += (size_t)__builtin_popcountll(words[i]);
  return count;
}

uint32_t orch_following(const uint64_t *words, size_t len, uint32_t from) {
  for (size_t i = from / 64; i < len; i++) {
    uint64_t rest = words[i];
    if (i == from / 64) rest &= ~(uint64_t)0 << (from % 64);
    if (rest) return (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(rest);
  }
  return UINT32_MAX;
}
