#include "ack.h"
#include "cluster.h"
#include "text.h"

static const char *const ack_names[] = {
#define X(name, text, doc) text,
    ACK_LEVELS(X)
#undef X
};
static const char *const read_names[] = {
#define X(name, text, doc) text,
    READ_LEVELS(X)
#undef X
};
#define COUNT(names) (sizeof(names) / sizeof *(names))

const char *ack_level_name(enum ack_level level) { return (size_t)level < COUNT(ack_names) ? ack_names[level] : "?"; }
const char *read_level_name(enum read_level level) { return (size_t)level < COUNT(read_names) ? read_names[level] : "?"; }

static int find(struct slice text, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text.n == strlen(names[i]) && memcmp(text.p, names[i], text.n) == 0) return (int)i;
    return -1;
}

bool read_level_parse(struct slice text, enum read_level *ret) {
    int found = find(text, read_names, COUNT(read_names));
    if (found >= 0) *ret = (enum read_level)found;
    return found >= 0;
}

static bool take_dcs(struct slice text, uint8_t *ret) {
    uint64_t n;
    if (text.n < 4 || memcmp(text.p, "dcs:", 4) != 0 || !text_number(SLICE(text.p + 4, text.n - 4), DCS_MAX - 1, &n) || n == 0) return false;
    *ret = (uint8_t)n;
    return true;
}

bool ack_parse(struct slice text, struct ack *ret) {
    struct slice name = text, more;
    uint8_t dcs = 0;
    if (take_dcs(text, &dcs)) {
        *ret = (struct ack){ACK_MAJORITY, dcs, ret->timeout_ms};
        return true;
    }
    if (text_cut(text, '+', &name, &more) && !take_dcs(more, &dcs)) return false;
    int level = find(name, ack_names, COUNT(ack_names));
    if (level < 0 || (dcs && level == ACK_DEFAULT)) return false;
    *ret = (struct ack){(uint8_t)level, dcs, ret->timeout_ms};
    return true;
}

void ack_format(const struct ack *a, struct buf *out) {
    buf_text(out, ack_level_name((enum ack_level)a->level));
    if (a->dcs) buf_printf(out, "+dcs:%u", a->dcs);
}
