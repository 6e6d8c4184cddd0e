/* How much room is on the disk of a data directory: told before there is none, since RocksDB does not go on after a write that failed. */
#pragma once
#include "../core/engine.h"

#define DISK_ROOM_MIN ((uint64_t)4 << 20) /* less is none */

struct disk_place {
    const char *dir;
    uint64_t low_bytes; /* less is little */
    uint64_t free_bytes, looked_us;
    enum disk_room room;
};
/* `spare_bytes`: what RocksDB may write of its own accord, out of what it holds in memory. */
void disk_place_init(struct disk_place *p, const char *dir, uint64_t spare_bytes);
/* Looks again, at most once in a millisecond. What was little is enough again only when there is half as much more. */
enum disk_room disk_place_look(struct disk_place *p, uint64_t now_us);
/* Bytes that this process may still write there; UINT64_MAX: it cannot be told. */
uint64_t disk_free_bytes(const char *dir);
