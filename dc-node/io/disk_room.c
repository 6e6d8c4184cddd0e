#include "disk_room.h"

#include <sys/statvfs.h>

#define LOOK_US  1000u
#define LOW_PART 8u /* of the disk: on a small one little is less */
#define LOW_MIN  ((uint64_t)16 << 20)
#define LOW_MORE ((uint64_t)32 << 20)

uint64_t disk_free_bytes(const char *dir) {
    struct statvfs disk;
    if (statvfs(dir, &disk) != 0) return UINT64_MAX;
    if (disk.f_files > 0 && disk.f_favail == 0) return 0; /* no file can be made */
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

void disk_place_init(struct disk_place *p, const char *dir, uint64_t spare_bytes) {
    struct statvfs disk;
    uint64_t part = statvfs(dir, &disk) == 0 ? (uint64_t)disk.f_blocks * disk.f_frsize / LOW_PART : UINT64_MAX, low = spare_bytes + LOW_MORE;
    if (part < low) low = part;
    *p = (struct disk_place){.dir = dir, .low_bytes = low > LOW_MIN ? low : LOW_MIN, .free_bytes = UINT64_MAX};
}

enum disk_room disk_place_look(struct disk_place *p, uint64_t now_us) {
    if (p->looked_us && now_us - p->looked_us < LOOK_US) return p->room;
    p->looked_us = now_us;
    p->free_bytes = disk_free_bytes(p->dir);
    uint64_t enough = p->room == ROOM_ENOUGH ? p->low_bytes : p->low_bytes + p->low_bytes / 2;
    p->room = p->free_bytes < DISK_ROOM_MIN ? ROOM_NONE : p->free_bytes < enough ? ROOM_LOW : ROOM_ENOUGH;
    return p->room;
}
