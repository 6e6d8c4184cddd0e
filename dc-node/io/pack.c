#include "pack.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#define LENGTH_BYTES   4u
#define HEAD_BYTES     10u /* length, version, type, bytes as they were */
#define CHECKSUM_BYTES 8u
#define LEVEL          1
#define WINDOW_LOG     18 /* 256 KiB on each side of a connection */

struct packer {
    ZSTD_CCtx *zstd;
};
struct unpacker {
    ZSTD_DCtx *zstd;
};

struct packer *packer_create(void) {
    struct packer *p = xcalloc(1, sizeof *p);
    p->zstd = ZSTD_createCCtx();
    assert(p->zstd);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_windowLog, WINDOW_LOG);
    return p;
}

void packer_destroy(struct packer *p) {
    if (p) ZSTD_freeCCtx(p->zstd);
    free(p);
}

static void put_u32(uint8_t *at, uint32_t v) {
    for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(v >> (8 * i));
}

static void put_piece(struct packer *p, struct slice piece, struct buf *out) {
    size_t from = out->n, bound = ZSTD_compressBound(piece.n) + 64;
    buf_u32(out, 0);
    buf_u8(out, MESSAGE_VERSION);
    buf_u8(out, FRAME_PACKED);
    buf_u32(out, (uint32_t)piece.n);
    ZSTD_inBuffer in = {piece.p, piece.n, 0};
    size_t left;
    do {
        ZSTD_outBuffer to = {buf_reserve(out, bound), bound, 0};
        left = ZSTD_compressStream2(p->zstd, &to, &in, ZSTD_e_flush);
        assert(!ZSTD_isError(left));
        out->n += to.pos;
    } while (left > 0);
    buf_u64(out, hash64(SLICE(out->p + from + LENGTH_BYTES, out->n - from - LENGTH_BYTES)));
    put_u32(out->p + from, (uint32_t)(out->n - from - LENGTH_BYTES));
}

void packer_put(struct packer *p, struct slice frames, struct buf *out) {
    for (size_t at = 0; at < frames.n; at += PACKED_RAW_MAX)
        put_piece(p, SLICE(frames.p + at, frames.n - at < PACKED_RAW_MAX ? frames.n - at : PACKED_RAW_MAX), out);
}

struct unpacker *unpacker_create(void) {
    struct unpacker *u = xcalloc(1, sizeof *u);
    u->zstd = ZSTD_createDCtx();
    assert(u->zstd);
    ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
    return u;
}

void unpacker_destroy(struct unpacker *u) {
    if (u) ZSTD_freeDCtx(u->zstd);
    free(u);
}

const char *unpacker_take(struct unpacker *u, struct slice frame, struct buf *out) {
    if (frame.n < HEAD_BYTES + CHECKSUM_BYTES) return "a packed frame that is too short";
    struct slice summed = SLICE(frame.p + LENGTH_BYTES, frame.n - LENGTH_BYTES - CHECKSUM_BYTES);
    struct reader r = reader_of(SLICE(summed.p + summed.n, CHECKSUM_BYTES)), head = reader_of(SLICE(frame.p + 6, 4));
    if (read_u64(&r) != hash64(summed)) return "a packed frame whose checksum does not hold";
    if (frame.p[4] != MESSAGE_VERSION) return "a packed frame of another version";
    size_t raw = read_u32(&head);
    if (raw == 0 || raw > PACKED_RAW_MAX) return "a packed frame of impossible size";
    ZSTD_inBuffer in = {frame.p + HEAD_BYTES, frame.n - HEAD_BYTES - CHECKSUM_BYTES, 0};
    ZSTD_outBuffer to = {buf_reserve(out, raw), raw, 0};
    while (in.pos < in.size) {
        size_t in_before = in.pos, out_before = to.pos;
        if (ZSTD_isError(ZSTD_decompressStream(u->zstd, &to, &in))) return "a packed frame that cannot be unpacked";
        if (in.pos == in_before && to.pos == out_before) break; /* it holds more than it says */
    }
    if (in.pos < in.size || to.pos != raw) return "a packed frame that does not hold what it says";
    out->n += raw;
    return NULL;
}
