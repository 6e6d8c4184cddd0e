/* Policies and settings as text: in cluster files, and in definitions that change at run time. */
#include "cluster.h"
#include "text.h"
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#define CHAIN_PREFIX "handler:"

static const char *const policy_names[] = {
#define X(name, text, doc) [POLICY_##name] = text,
    POLICIES(X)
#undef X
};
#define POLICIES_COUNT (sizeof policy_names / sizeof *policy_names)

const char *policy_name(enum policy p) {
    assert((size_t)p < POLICIES_COUNT);
    return policy_names[p];
}

static bool refused(struct buf *why, const char *text) {
    buf_clear(why);
    buf_text(why, text);
    return false;
}

/* ---- policies ---- */
/* Policies of whole rows that decide by themselves. */
static bool ends_a_chain(struct slice name) {
    return slice_equal(name, slice_text("lww")) || slice_equal(name, slice_text("priority")) || slice_equal(name, slice_text("record"));
}

static bool in_chain(const struct handler_chain *chain, struct slice name) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (slice_equal(slice_text(chain->names[i]), name)) return true;
    }
    return false;
}

static bool add_handler(struct handler_chain *chain, struct slice name, bool last, struct buf *why) {
    if (!name_allowed(name)) return refused(why, "expected names of handlers, of 1 to 63 of the characters a-z 0-9 _ -, with commas between");
    if (slice_equal(name, slice_text("merge"))) return refused(why, "expected a chain without merge, which is no policy of whole rows");
    if (!last && ends_a_chain(name)) return refused(why, "expected lww, priority and record only at the end of a chain");
    if (in_chain(chain, name)) return refused(why, "expected a chain that names each handler once");
    if (chain->count == HANDLERS_CHAIN_MAX) return refused(why, "expected a chain of at most 8 handlers");
    char *to = chain->names[chain->count++];
    memcpy(to, name.p, name.n);
    to[name.n] = '\0';
    return true;
}

static bool parse_chain(struct slice names, struct handler_chain *ret, struct buf *why) {
    bool more = true;
    while (more) {
        const uint8_t *comma = names.n == 0 ? NULL : memchr(names.p, ',', names.n);
        size_t n = comma == NULL ? names.n : (size_t)(comma - names.p);
        more = comma != NULL;
        if (!add_handler(ret, SLICE(names.p, n), !more, why)) return false;
        if (more) names = SLICE(comma + 1, names.n - n - 1);
    }
    return true;
}

bool policy_parse(struct slice text, enum policy *ret, struct handler_chain *ret_chain, struct buf *why) {
    static const char wanted[] = "expected lww, priority, merge, record or handler:NAME[,NAME...]";
    struct slice prefix = slice_text(CHAIN_PREFIX);
    struct handler_chain chain = {0};
    enum policy p = POLICY_HANDLER;
    if (text.n >= prefix.n && memcmp(text.p, prefix.p, prefix.n) == 0) {
        if (!parse_chain(SLICE(text.p + prefix.n, text.n - prefix.n), &chain, why)) return false;
    } else {
        size_t i = 0;
        while (i < POLICIES_COUNT && !slice_equal(text, slice_text(policy_names[i]))) i++;
        if (i == POLICIES_COUNT || i == POLICY_HANDLER) return refused(why, wanted);
        p = (enum policy)i;
    }
    *ret = p;
    *ret_chain = chain;
    return true;
}

void policy_format(enum policy p, const struct handler_chain *chain, struct buf *out) {
    if (p != POLICY_HANDLER) return buf_text(out, policy_name(p));
    assert(chain->count >= 1 && chain->count <= HANDLERS_CHAIN_MAX);
    for (uint32_t i = 0; i < chain->count; i++) buf_printf(out, "%s%s", i == 0 ? CHAIN_PREFIX : ",", chain->names[i]);
}

/* ---- settings ---- */
bool settings_parse(struct slice json, char **ret, struct buf *why) {
    static const char wanted[] = "expected settings that are a JSON object of at most 64 KiB";
    if (json.n > SETTINGS_BYTES_MAX) return refused(why, wanted);
    json_t *v = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    char *text = json_is_object(v) ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(v);
    if (text == NULL || strlen(text) > SETTINGS_BYTES_MAX) {
        free(text);
        return refused(why, wanted);
    }
    *ret = text;
    return true;
}
