/* Conflicts made up from a fixed seed: the same in every check of every handler with the same settings. */
#include "check_case.h"
#include <stdio.h>
#include <stdlib.h>

#define SEED        UINT64_C(0x7472756365)
#define WORDS_MAX   64u
#define COLUMNS_MAX 8u
#define LARGE_BYTES 20000u

static const struct {
    const char *name;
    int32_t priority;
} datacenters[] = {{"ap", 0}, {"eu", 10}, {"sa", 10}, {"us", 20}};
#define DATACENTERS (sizeof datacenters / sizeof datacenters[0])

/* What most values of one conflict are, so that handlers made for numbers, JSON... meet what they are made for. */
enum style { STYLE_MIXED, STYLE_NUMBERS, STYLE_JSON, STYLE_TEXT, STYLE_INTERVALS, STYLES };

struct generator {
    uint64_t seed;
    enum style style;
    bool wild;              /* deletes, and versions of several types */
    char *words[WORDS_MAX]; /* for columns and values */
    uint32_t words_count;
};

/* splitmix64 */
static uint64_t draw(struct generator *g, uint64_t below) {
    uint64_t z = (g->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}
static bool chance(struct generator *g, uint32_t percent) { return draw(g, 100) < percent; }

/* ---- words: some of our own, and those of the settings ---- */
static void add_word(struct generator *g, const char *word) {
    if (g->words_count < WORDS_MAX && *word != '\0') g->words[g->words_count++] = xstrdup(word);
}

static void add_words_of(struct generator *g, const json_t *settings) {
    const char *name;
    json_t *value;
    size_t i;
    if (json_is_string(settings)) add_word(g, json_string_value(settings));
    json_object_foreach((json_t *)(uintptr_t)settings, name, value) {
        add_word(g, name);
        add_words_of(g, value);
    }
    json_array_foreach(settings, i, value) add_words_of(g, value);
}

static void make_words(struct generator *g, const char *settings) {
    static const char *const own[] = {"a", "b", "name", "count", "in:", "out:"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) add_word(g, own[i]);
    json_t *json = json_loads(settings, JSON_DECODE_ANY, NULL);
    add_words_of(g, json);
    json_decref(json);
}

/* ---- values ---- */
/* A word; one that ends in a mark is the beginning of many names. */
static void put_word(struct generator *g, struct buf *out) {
    const char *word = g->words[draw(g, g->words_count)];
    buf_text(out, word);
    if (strchr(":-/_.", word[strlen(word) - 1]) != NULL || chance(g, 20)) buf_printf(out, "%u", (unsigned)draw(g, 4));
}

static void put_interval(struct generator *g, struct buf *out) {
    unsigned hour = 9 + (unsigned)draw(g, 5), hours = 1 + (unsigned)draw(g, 2);
    buf_printf(out, "2026-11-21T%02u:00/2026-11-21T%02u:00", hour, hour + hours);
}

static json_t *some_json(struct generator *g) {
    if (chance(g, 30)) return json_pack("{s:i}", g->words[draw(g, g->words_count)], (int)draw(g, 3));
    return chance(g, 50) ? json_integer((json_int_t)draw(g, 3)) : json_string(g->words[draw(g, g->words_count)]);
}

/* Some fields of the object set anew; appends its text. */
static void put_fields(struct generator *g, json_t *object, uint64_t count, struct buf *out) {
    for (; count > 0; count--) {
        struct buf name = {0};
        put_word(g, &name);
        json_object_setn_new(object, (const char *)name.p, name.n, some_json(g));
        buf_finish(&name);
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    buf_text(out, text);
    free(text);
}

static void put_json(struct generator *g, struct buf *out) {
    json_t *object = json_object();
    put_fields(g, object, draw(g, 4), out);
    json_decref(object);
}

static void put_text(struct generator *g, struct buf *out) {
    for (uint64_t n = 1 + draw(g, 4); n > 0; n--) {
        put_word(g, out);
        if (n > 1) buf_u8(out, ' ');
    }
}

static void put_any(struct generator *g, struct buf *out) {
    switch (draw(g, 9)) {
    case 0: break; /* empty */
    case 1:
    case 2: buf_printf(out, "%d", (int)draw(g, 20) - 4); break;
    case 3: put_json(g, out); break;
    case 4: buf_put(out, "\0\xff\x80\n\"", 1 + draw(g, 5)); break;
    case 5: buf_printf(out, "%u.%u.%u", (unsigned)draw(g, 3), (unsigned)draw(g, 12), (unsigned)draw(g, 12)); break;
    case 6: put_interval(g, out); break;
    default: put_text(g, out);
    }
}

static void put_value(struct generator *g, struct buf *out) {
    if (g->style == STYLE_MIXED || chance(g, 4))
        put_any(g, out);
    else if (g->style == STYLE_NUMBERS)
        buf_printf(out, "%u", (unsigned)draw(g, 12));
    else if (g->style == STYLE_JSON)
        put_json(g, out);
    else
        put_text(g, out);
    if (!chance(g, 2)) return;
    memset(buf_reserve(out, LARGE_BYTES), 'x', LARGE_BYTES);
    out->n += LARGE_BYTES;
}

static void put_name(struct generator *g, struct buf *out) {
    if (chance(g, g->style == STYLE_INTERVALS ? 90 : 10))
        put_interval(g, out);
    else if (chance(g, 3))
        put_value(g, out);
    else
        put_word(g, out);
}

/* ---- contents ---- */
static uint64_t expiry(struct generator *g) { return chance(g, 15) ? UINT64_C(1800000000000) + draw(g, 3) : 0; }

static void set_column(struct generator *g, struct buf *content, enum content_type type) {
    struct buf name = {0}, value = {0}, out = {0};
    put_name(g, &name);
    put_value(g, &value);
    content_with_column(&out, buf_slice_of(content), type, buf_slice_of(&name), type == CONTENT_SET ? (struct slice){0} : buf_slice_of(&value));
    buf_clear(content);
    buf_put(content, out.p, out.n);
    buf_finish(&name), buf_finish(&value), buf_finish(&out);
}

static void make_content(struct generator *g, enum content_type type, struct buf *content) {
    buf_clear(content);
    if (type == CONTENT_STRING) {
        struct buf value = {0};
        put_value(g, &value);
        content_make_string(content, expiry(g), buf_slice_of(&value));
        buf_finish(&value);
        return;
    }
    for (uint64_t n = 1 + draw(g, COLUMNS_MAX); n > 0; n--) set_column(g, content, type);
    struct buf out = {0};
    content_with_expiry(&out, buf_slice_of(content), expiry(g));
    buf_clear(content);
    buf_put(content, out.p, out.n);
    buf_finish(&out);
}

/* Another string; of one that is a JSON object another field, mostly. */
static void edit_string(struct generator *g, struct slice from, struct buf *content) {
    struct slice text = content_string(from);
    json_t *object = json_loadb((const char *)text.p, text.n, 0, NULL);
    if (!json_is_object(object) || chance(g, 10)) {
        make_content(g, CONTENT_STRING, content);
    } else {
        struct buf edited = {0};
        if (chance(g, 30)) json_object_del(object, json_object_iter_key(json_object_iter(object)));
        put_fields(g, object, 1, &edited);
        content_make_string(content, expiry(g), buf_slice_of(&edited));
        buf_finish(&edited);
    }
    json_decref(object);
}

/* What somebody made of it: a column more, another or less; of a string another one. */
static void edit_content(struct generator *g, const struct buf *ancestor, struct buf *content) {
    struct slice from = buf_slice_of(ancestor);
    enum content_type type = content_type(from);
    if (type == CONTENT_STRING) {
        edit_string(g, from, content);
        return;
    }
    buf_clear(content);
    buf_put(content, from.p, from.n);
    for (uint64_t n = 1 + draw(g, 2); n > 0 && content->n > 0; n--) {
        struct content_columns i = content_columns(buf_slice_of(content));
        struct slice name;
        struct buf out = {0};
        for (uint64_t at = draw(g, content_count(buf_slice_of(content))) + 1; at > 0; at--) content_next(&i, &name, NULL);
        if (chance(g, 65)) {
            set_column(g, content, type);
        } else {
            content_without_column(&out, buf_slice_of(content), name);
            buf_clear(content);
            buf_put(content, out.p, out.n);
        }
        buf_finish(&out);
    }
}

/* ---- conflicts ---- */
static void make_version(struct generator *g, const struct check_case *c, uint32_t i, enum content_type type, struct check_sibling *s) {
    if (i > 0 && chance(g, 10)) {
        const struct buf *same = &c->siblings[draw(g, i)].content;
        buf_put(&s->content, same->p, same->n);
    } else if (g->wild && chance(g, 25)) {
        return; /* deleted */
    } else if (c->base.content.n > 0 && content_type(buf_slice_of(&c->base.content)) == type) {
        edit_content(g, &c->base.content, &s->content);
    } else {
        make_content(g, type, &s->content);
    }
}

static void name_version(struct generator *g, struct check_sibling *s, size_t dc, uint64_t number) {
    snprintf(s->dc, sizeof s->dc, "%s", datacenters[dc].name);
    s->priority = datacenters[dc].priority;
    s->stamp = stamp_make(UINT64_C(1790000000000) + draw(g, 5), (uint16_t)draw(g, 2));
    s->marked = chance(g, 5);
    buf_printf(&s->dot, "%s-%u.%016llx:%llu", s->dc, 1, (unsigned long long)(0xc0ffee + dc), (unsigned long long)number);
}

static enum content_type usual_type(struct generator *g) {
    if (g->style == STYLE_JSON && chance(g, 70)) return CONTENT_STRING;
    if ((g->style == STYLE_INTERVALS || g->style == STYLE_NUMBERS) && chance(g, 80)) return CONTENT_HASH;
    return (enum content_type)(1 + draw(g, 3));
}

/* In canonical order: datacenters in order of name, numbers ascending. */
static void make_case(struct generator *g, uint32_t number, bool wants_base, struct check_case *c) {
    snprintf(c->title, sizeof c->title, "generated conflict %u", number);
    g->style = (enum style)draw(g, STYLES);
    g->wild = chance(g, 35);
    enum content_type type = usual_type(g);
    buf_printf(&c->key, "t:%u", (unsigned)draw(g, 10));
    buf_text(&c->table, chance(g, 80) ? "t" : "*");
    c->has_base = wants_base || chance(g, 50);
    name_version(g, &c->base, draw(g, DATACENTERS), 1);
    c->base.stamp -= UINT64_C(1000) << 16;
    if (chance(g, 85)) make_content(g, type, &c->base.content);
    uint32_t count = 2 + (uint32_t)draw(g, 4);
    c->siblings = xcalloc(count, sizeof *c->siblings);
    size_t dc = draw(g, 2);
    for (c->count = 0; c->count < count; c->count++) {
        struct check_sibling *s = &c->siblings[c->count];
        name_version(g, s, dc, 10 + c->count);
        make_version(g, c, c->count, g->wild && chance(g, 25) ? (enum content_type)(1 + draw(g, 3)) : type, s);
        if (dc + 1 < DATACENTERS && chance(g, 75)) dc++;
    }
    while (!check_case_open(c)) make_content(g, type, &c->siblings[count - 1].content);
}

void check_cases_generate(struct check_cases *all, uint32_t count, const char *settings, bool wants_base) {
    struct generator g = {.seed = SEED};
    make_words(&g, settings);
    for (uint32_t i = 1; i <= count; i++) make_case(&g, i, wants_base, check_cases_add(all));
    for (uint32_t i = 0; i < g.words_count; i++) free(g.words[i]);
}
