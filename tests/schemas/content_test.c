#include "../../schemas/content.h"
#include "help.h"

TestSuite(content);

static struct slice S(const char *s) {
    return slice_text(s);
}

Test(content, bytes_are_golden) {
    struct buf b = {0};
    content_make_string(&b, 0, S("hello"));
    CHECK_HEX(b, "01 00 68656c6c6f");
    content_make_string(&b, 1700000000000, S(""));
    CHECK_HEX(b, "01 80d095ffbc31");
    struct content_column columns[] = {{S("b"), S("2")}, {S("a"), S("")}, {S(""), S("empty")}};
    content_make(&b, CONTENT_HASH, 300, columns, 3);
    CHECK_HEX(b, "02 ac02 03  00 05656d707479  0161 00  0162 0132");
    struct content_column members[] = {{S("z"), {0}}, {S("y"), {0}}, {S("z"), {0}}};
    content_make(&b, CONTENT_SET, 0, members, 3);
    CHECK_HEX(b, "03 00 02  0179  017a");
    buf_finish(&b);
}

Test(content, nothing_is_no_content) {
    struct buf b = {0};
    cr_assert_not(content_check((struct slice){0}));
    cr_assert_eq(content_type((struct slice){0}), CONTENT_NONE);
    cr_assert_eq(content_count((struct slice){0}), 0u);
    buf_text(&b, "was here");
    content_make(&b, CONTENT_HASH, 0, NULL, 0);
    cr_assert_eq(b.n, 0u);
    buf_text(&b, "was here");
    content_without_column(&b, (struct slice){0}, S("a"));
    cr_assert_eq(b.n, 0u);
    buf_finish(&b);
}

/* ---- a naive model: an unordered list of columns ---- */
#define COLUMNS_MAX 64
struct model {
    char names[COLUMNS_MAX][4];
    char values[COLUMNS_MAX][8];
    int count;
    uint64_t expires_ms;
};

static int model_find(const struct model *m, const char *name) {
    for (int i = 0; i < m->count; i++) {
        if (strcmp(m->names[i], name) == 0) return i;
    }
    return -1;
}

static void model_set(struct model *m, const char *name, const char *value) {
    int at = model_find(m, name);
    if (at < 0) memcpy(m->names[at = m->count++], name, strlen(name) + 1);
    memcpy(m->values[at], value, strlen(value) + 1);
}

static void model_remove(struct model *m, const char *name) {
    int at = model_find(m, name);
    if (at < 0) return;
    m->count--;
    memmove(m->names[at], m->names[at + 1], sizeof m->names[0] * (size_t)(m->count - at));
    memmove(m->values[at], m->values[at + 1], sizeof m->values[0] * (size_t)(m->count - at));
    if (m->count == 0) m->expires_ms = 0;
}

/* By always looking for the next greater name. */
static void model_encode(const struct model *m, enum content_type type, struct buf *out) {
    buf_clear(out);
    if (m->count == 0) return;
    buf_u8(out, (uint8_t)type);
    buf_varint(out, m->expires_ms);
    buf_varint(out, (uint64_t)m->count);
    const char *before = NULL;
    for (int n = 0; n < m->count; n++) {
        int least = -1;
        for (int i = 0; i < m->count; i++) {
            if (before != NULL && strcmp(m->names[i], before) <= 0) continue;
            if (least < 0 || strcmp(m->names[i], m->names[least]) < 0) least = i;
        }
        buf_slice(out, S(m->names[least]));
        if (type == CONTENT_HASH) buf_slice(out, S(m->values[least]));
        before = m->names[least];
    }
}

static void random_name(uint64_t *seed, char out[static 4]) {
    size_t n = draw_below(seed, 3);
    for (size_t i = 0; i < n; i++) out[i] = (char)('a' + draw_below(seed, 4));
    out[n] = '\0';
}

static void random_value(uint64_t *seed, char out[static 8]) {
    size_t n = draw_below(seed, 8);
    for (size_t i = 0; i < n; i++) out[i] = (char)('0' + draw_below(seed, 10));
    out[n] = '\0';
}

static void check_against(const struct model *m, enum content_type type, struct slice c) {
    struct buf want = {0};
    model_encode(m, type, &want);
    cr_assert(slice_equal(c, buf_slice_of(&want)));
    buf_finish(&want);
    cr_assert_eq(content_count(c), (uint64_t)m->count);
    if (m->count == 0) return;
    cr_assert(content_check(c));
    cr_assert_eq(content_type(c), type);
    cr_assert_eq(content_expires_ms(c), m->expires_ms);
    for (const char *p = "abcd"; *p != '\0'; p++) {
        char name[2] = {*p, 0};
        struct slice value = S("untouched");
        int at = model_find(m, name);
        cr_assert_eq(content_find(c, S(name), &value), at >= 0);
        cr_assert(slice_equal(value, S(at < 0 ? "untouched" : type == CONTENT_SET ? "" : m->values[at])));
        cr_assert_eq(content_find(c, S(name), NULL), at >= 0);
    }
    struct content_columns i = content_columns(c);
    struct slice name, value;
    int seen = 0;
    for (; content_next(&i, &name, &value); seen++) {
        char text[4] = {0};
        memcpy(text, name.p, name.n);
        cr_assert_geq(model_find(m, text), 0);
    }
    cr_assert_eq(seen, m->count);
}

static void make_from_model(const struct model *m, enum content_type type, uint64_t *seed, struct buf *out) {
    struct content_column columns[2 * COLUMNS_MAX];
    size_t count = 0;
    for (int i = 0; i < m->count; i++) { /* now and then a name comes twice: the last counts */
        if (draw_below(seed, 4) == 0) columns[count++] = (struct content_column){S(m->names[i]), S("outdated")};
    }
    for (int i = 0; i < m->count; i++) columns[count++] = (struct content_column){S(m->names[i]), S(m->values[i])};
    content_make(out, type, m->expires_ms, columns, count);
}

static void compare_with_model(enum content_type type, uint64_t seed) {
    struct model m = {0};
    struct buf c = {0}, next = {0};
    for (int step = 0; step < 400; step++) {
        char name[4], value[8];
        random_name(&seed, name);
        random_value(&seed, value);
        switch (draw_below(&seed, 8)) {
        case 0: /* expiry */
            if (m.count == 0) continue;
            m.expires_ms = draw_below(&seed, 2) == 0 ? 0 : draw(&seed);
            content_with_expiry(&next, buf_slice_of(&c), m.expires_ms);
            break;
        case 1: make_from_model(&m, type, &seed, &next); break;
        case 2:
        case 3:
        case 4:
            model_remove(&m, name);
            content_without_column(&next, buf_slice_of(&c), S(name));
            break;
        default:
            model_set(&m, name, value);
            content_with_column(&next, buf_slice_of(&c), type, S(name), S(value));
            break;
        }
        struct buf swap = c;
        c = next;
        next = swap;
        check_against(&m, type, buf_slice_of(&c));
    }
    buf_finish(&c);
    buf_finish(&next);
}

Test(content, hashes_agree_with_a_naive_model) {
    for (uint64_t seed = 0; seed < 100; seed++) compare_with_model(CONTENT_HASH, seed);
}

Test(content, sets_agree_with_a_naive_model) {
    for (uint64_t seed = 1000; seed < 1100; seed++) compare_with_model(CONTENT_SET, seed);
}

Test(content, strings_keep_value_and_expiry) {
    struct buf b = {0}, with = {0};
    content_make_string(&b, 5, SLICE("a\0b", 3));
    cr_assert(content_check(buf_slice_of(&b)));
    cr_assert(slice_equal(content_string(buf_slice_of(&b)), SLICE("a\0b", 3)));
    cr_assert_eq(content_expires_ms(buf_slice_of(&b)), 5u);
    cr_assert_eq(content_count(buf_slice_of(&b)), 1u);
    content_with_expiry(&with, buf_slice_of(&b), UINT64_MAX);
    cr_assert(slice_equal(content_string(buf_slice_of(&with)), SLICE("a\0b", 3)));
    cr_assert_eq(content_expires_ms(buf_slice_of(&with)), UINT64_MAX);
    buf_finish(&b), buf_finish(&with);
}

Test(content, many_columns_sort_and_the_last_of_equal_names_counts) {
    enum { COUNT = 5000 };
    static char names[COUNT][24], values[COUNT][24];
    static struct content_column columns[COUNT];
    uint64_t seed = 9;
    struct buf b = {0};
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "name-%d", (int)draw_below(&seed, 1000));
        snprintf(values[i], sizeof values[i], "value-%d", i);
        columns[i] = (struct content_column){S(names[i]), S(values[i])};
    }
    content_make(&b, CONTENT_HASH, 0, columns, COUNT);
    cr_assert(content_check(buf_slice_of(&b)));
    for (int i = 0; i < COUNT; i++) {
        int last = i;
        for (int k = i + 1; k < COUNT; k++) {
            if (strcmp(names[k], names[i]) == 0) last = k;
        }
        struct slice value;
        cr_assert(content_find(buf_slice_of(&b), S(names[i]), &value));
        cr_assert(slice_equal(value, S(values[last])));
    }
    buf_finish(&b);
}

/* ---- what is not canonical ---- */
static bool check_bytes(const char *bytes, size_t n) {
    struct slice copy = exact_copy(SLICE(bytes, n));
    bool ok = content_check(copy);
    free_copy(copy);
    return ok;
}

Test(content, what_is_malformed_or_not_canonical_is_refused) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } bad[] = {
        {"\x01", 1, "no expiry"},
        {"\x00\x00", 2, "type 0"},
        {"\x04\x00", 2, "type 4"},
        {"\x01\x80\x00zz", 4, "a long form of expiry 0"},
        {"\x02\x00", 2, "no count"},
        {"\x02\x00\x00", 3, "a hash without columns"},
        {"\x03\x00\x00", 3, "a set without members"},
        {"\x02\x00\x01\x01", 4, "a cut name"},
        {"\x02\x00\x01\x01"
         "a",
         5, "no value"},
        {"\x02\x00\x01\x01"
         "a\x02x",
         7, "a cut value"},
        {"\x02\x00\x01\x01"
         "a\x01xx",
         8, "a byte too many"},
        {"\x02\x00\x02\x01"
         "b\x01x\x01"
         "a\x01x",
         11, "descending names"},
        {"\x02\x00\x02\x01"
         "a\x01x\x01"
         "a\x01x",
         11, "a name twice"},
        {"\x02\x00\x02\x01"
         "a\x01x",
         7, "a column less than promised"},
        {"\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"
         "a\x01x",
         16, "2^64 columns"},
        {"\x03\x00\x02\x01"
         "b\x01"
         "a",
         7, "descending members"},
        {"\x03\x00\x02\x01"
         "a\x01"
         "a",
         7, "a member twice"},
        {"\x03\x00\x01\x01"
         "ab",
         6, "a byte too many"},
        {"\x03\x00\x81\x00\x01"
         "a",
         6, "a long form of the count"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) cr_assert_not(check_bytes(bad[i].bytes, bad[i].n), "%s was taken", bad[i].what);
    cr_assert(check_bytes("\x02\x00\x01\x01"
                          "a\x01x",
                          7));
    cr_assert(check_bytes("\x03\x00\x01\x00", 4), "an empty member is a member");
    cr_assert(check_bytes("\x01\x00", 2), "an empty string is a string");
}

Test(content, more_bytes_than_any_row_has_are_refused) {
    struct buf b = {0};
    struct slice value = {xcalloc(1, CONTENT_BYTES_MAX), CONTENT_BYTES_MAX - 2};
    content_make_string(&b, 0, value);
    cr_assert_eq(b.n, CONTENT_BYTES_MAX);
    cr_assert(content_check(buf_slice_of(&b)));
    value.n++;
    content_make_string(&b, 0, value);
    cr_assert_not(content_check(buf_slice_of(&b)));
    buf_finish(&b);
    free_copy(value);
}

Test(content, a_cut_anywhere_is_refused_and_a_flipped_bit_is_refused_or_canonical) {
    struct content_column columns[] = {{S("name"), S("Alice")}, {S("city"), S("Lima")}, {S("zip"), S("")}};
    struct buf b = {0}, again = {0};
    content_make(&b, CONTENT_HASH, 77, columns, 3);
    for (size_t n = 0; n < b.n; n++) cr_assert_not(check_bytes((char *)b.p, n), "cut to %zu bytes", n);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        struct slice copy = exact_copy(buf_slice_of(&b));
        ((uint8_t *)(uintptr_t)copy.p)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (content_check(copy) && content_type(copy) != CONTENT_STRING) { /* then it is what content_make would have made of it */
            struct content_columns i = content_columns(copy);
            struct content_column found[64];
            size_t count = 0;
            while (count < 64 && content_next(&i, &found[count].name, &found[count].value)) count++;
            content_make(&again, content_type(copy), content_expires_ms(copy), found, count);
            cr_assert(slice_equal(buf_slice_of(&again), copy), "bit %zu", bit);
        }
        free_copy(copy);
    }
    buf_finish(&b), buf_finish(&again);
}
