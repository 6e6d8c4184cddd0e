/* Byte slices, growable buffers and a reader that cannot run past its end.
 *
 * All integers are little endian on the wire and on disk; varints are unsigned LEB128, shortest form only (a longer form is refused, so that
 * every value has one encoding). Running out of memory ends the process with a message: there is no half-done state to return to. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- slices: borrowed bytes ---- */
struct slice {
    const uint8_t *p;
    size_t n;
};
#define SLICE(ptr, len) ((struct slice){(const uint8_t *)(ptr), (len)})
struct slice slice_text(const char *zero_terminated);
bool slice_equal(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b); /* bytewise, a shorter prefix first */
/* Equal to the zero-terminated text, letters of either case. */
bool slice_is(struct slice a, const char *text);

/* ---- buffers: owned bytes ---- */
struct buf {
    uint8_t *p;
    size_t n, cap;
};
void buf_finish(struct buf *b); /* frees; b is empty and usable again */
void buf_clear(struct buf *b);  /* keeps the memory */
/* Room for `more` further bytes; returns the place where they begin. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_varint(struct buf *b, uint64_t v);
void buf_slice(struct buf *b, struct slice s); /* varint length, then the bytes */
void buf_text(struct buf *b, const char *zero_terminated);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct slice buf_slice_of(const struct buf *b);
size_t varint_size(uint64_t v);

/* ---- reader: every read past the end, or of a malformed varint, sets `bad` and yields zero ---- */
struct reader {
    const uint8_t *p, *end;
    bool bad;
};
struct reader reader_of(struct slice s);
uint8_t read_u8(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
uint64_t read_varint(struct reader *r);
struct slice read_slice(struct reader *r); /* borrowed from what is read */
struct slice read_bytes(struct reader *r, size_t n);
bool read_done(const struct reader *r); /* not bad, and at the end */
void read_refuse(struct reader *r);     /* what was read is well formed but not allowed: bad, and nothing more is read */

/* ---- memory and hashes ---- */
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
/* XXH3, 64 bits: the checksum of records and frames, the hash of keys and the term of digests. */
uint64_t hash64(struct slice s);
uint64_t hash64_seeded(struct slice s, uint64_t seed);
