/* Frames in compressed form, for a link whose bytes cost more than the work: one zstd stream for each direction of a connection, so that small frames
 * profit from those before them. Hosts pack and unpack; engines see frames as they were.
 *
 * packed: u32 length of what follows, u8 MESSAGE_VERSION, u8 FRAME_PACKED, u32 bytes as they were, zstd bytes (flushed), u64 checksum of all but the
 * length. What is packed at one time is a row of whole frames; one packed frame may end within one of them. */
#pragma once
#include "../../schemas/message.h"

#define PACKED_RAW_MAX (256u * 1024) /* in one packed frame: what unpacking takes at a time is bounded by it */

struct packer;
struct packer *packer_create(void);
void packer_destroy(struct packer *p); /* NULL is accepted */
/* Appends packed frames that hold these bytes. */
void packer_put(struct packer *p, struct slice frames, struct buf *out);

struct unpacker;
struct unpacker *unpacker_create(void);
void unpacker_destroy(struct unpacker *u); /* NULL is accepted */
/* Appends what a packed frame holds, PACKED_RAW_MAX at most. NULL; or what is wrong with it, and then the stream cannot go on. */
const char *unpacker_take(struct unpacker *u, struct slice frame, struct buf *out);
