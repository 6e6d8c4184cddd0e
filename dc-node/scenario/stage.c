#include "stage.h"

const char *stage_role_name(enum stage_role r) {
    static const char *const names[] = {
        [ROLE_DOWN] = "down", [ROLE_PAUSED] = "paused", [ROLE_FOLLOWER] = "follower", [ROLE_LEADER] = "leader", [ROLE_RETURNING] = "returning"};
    return names[r];
}
