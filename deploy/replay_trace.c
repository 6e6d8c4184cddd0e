/* The trace for people: what happened in each datacenter stands in its own column, what concerns all of them goes across. */
#include "replay_print.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TIME_WIDTH   12u
#define COLUMN_MIN   18u /* narrower ones are not read: then there is one for all */
#define GAP          2u
#define COLOUR_PLAIN "\033[0m"

/* kind, colour, what stands before the text: its name, or nothing where the text says it */
static const struct look {
    const char *colour, *lead;
} looks[] = {
    [MOMENT_STEP] = {"\033[1m", ""},
    [MOMENT_REPLY] = {"", "-> "},
    [MOMENT_LINK] = {"\033[36m", ""},
    [MOMENT_CONNECTION] = {"\033[2m", ""},
    [MOMENT_NODE] = {"\033[35m", ""},
    [MOMENT_ROLE] = {"\033[35m", "is "},
    [MOMENT_MAKES] = {"\033[34m", "makes "},
    [MOMENT_APPLIES] = {"", "applies "},
    [MOMENT_CONFLICT] = {"\033[33m", ""},
    [MOMENT_CLOSED] = {"\033[33m", ""},
    [MOMENT_SENT] = {"\033[2m", ""},
    [MOMENT_HOLDS] = {"\033[32m", "holds: "},
    [MOMENT_FAILS] = {"\033[1;31m", "FAILS: "},
    [MOMENT_NOTE] = {"\033[2m", "note: "},
};

bool is_coloured(FILE *file) {
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fileno(file)) && (no == NULL || *no == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static uint32_t width_of(FILE *file) {
    struct winsize w;
    if (!isatty(fileno(file)) || ioctl(fileno(file), TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return TRACE_WIDTH;
    return w.ws_col < TRACE_WIDTH_MIN ? TRACE_WIDTH_MIN : w.ws_col > TRACE_WIDTH_MAX ? TRACE_WIDTH_MAX : w.ws_col;
}

struct trace trace_to(const struct scenario *s, FILE *file, bool json) {
    return (struct trace){.scenario = s, .file = file, .width = width_of(file), .colours = is_coloured(file), .json = json};
}

/* ---- text in columns ---- */
static bool continues(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* Bytes of the text's first `width` characters, better at a space; at least one character. */
static size_t fitting(const char *text, uint32_t width) {
    size_t n = 0, space = 0;
    for (uint32_t seen = 0; text[n] != '\0'; seen++) {
        if (seen == width) return space > n / 2 ? space : n;
        if (text[n] == ' ') space = n;
        do n++;
        while (continues(text[n]));
    }
    return n;
}

static uint32_t columns_of(const struct trace *t) {
    uint32_t n = t->scenario->cluster->dcs_count;
    return n * COLUMN_MIN + TIME_WIDTH + 1 > t->width ? 1 : n;
}

static uint32_t column_width(const struct trace *t) { return (t->width - TIME_WIDTH - 1) / columns_of(t); }

static void put_blanks(uint32_t n, struct buf *out) { buf_printf(out, "%*s", (int)n, ""); }

/* Its lines, each beginning at the column. */
static void put_text(const struct trace *t, const char *text, uint32_t start, uint32_t width, const char *colour, struct buf *out) {
    for (bool first = true; first || *text != '\0'; first = false) {
        size_t n = fitting(text, first ? width : width - GAP);
        put_blanks(first ? start - TIME_WIDTH : start + GAP, out);
        if (t->colours) buf_text(out, colour);
        buf_put(out, text, n);
        if (t->colours && *colour) buf_text(out, COLOUR_PLAIN);
        while (out->n > 0 && out->p[out->n - 1] == ' ') out->n--;
        buf_u8(out, '\n');
        for (text += n; *text == ' '; text++) continue;
    }
}

static void print_clock(uint64_t us, struct buf *out) {
    char text[32];
    snprintf(text, sizeof text, "%llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
    buf_printf(out, "%*s", (int)TIME_WIDTH, text);
}

void trace_head(const struct trace *t, struct buf *out) {
    const struct cluster *c = t->scenario->cluster;
    if (t->json) return;
    buf_printf(out, "%*s", (int)TIME_WIDTH, "seconds");
    if (columns_of(t) == 1 && c->dcs_count > 1) {
        buf_printf(out, " what happened\n");
        return;
    }
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        const char *name = c->dcs[i].name;
        buf_printf(out, " %s", name);
        if (i + 1 < c->dcs_count) put_blanks(column_width(t) - 1 - (uint32_t)(strlen(name) < column_width(t) - 1 ? strlen(name) : 0), out);
    }
    buf_u8(out, '\n');
}

static const char *node_name(const struct trace *t, int32_t node) {
    const struct cluster *c = t->scenario->cluster;
    return node >= 0 && (uint32_t)node < c->nodes_count ? c->nodes[node].name : "?";
}

static void put_words(const struct trace *t, const struct moment *m, struct buf *text) {
    if (m->kind == MOMENT_STEP && m->step > 0)
        buf_printf(text, "== step %u: ", m->step);
    else if (m->kind == MOMENT_STEP)
        buf_text(text, "== ");
    if (m->node >= 0) buf_printf(text, "%s ", node_name(t, m->node));
    if (m->kind == MOMENT_CONNECTION)
        buf_printf(text, m->number != 0 ? "is connected with %s" : "has lost %s", node_name(t, m->peer));
    else
        buf_printf(text, "%s%s", looks[m->kind].lead, m->text);
    buf_u8(text, 0);
}

static void put_moment(const struct trace *t, const struct moment *m, const char *text, struct buf *out) {
    const struct cluster *c = t->scenario->cluster;
    int32_t dc = m->node >= 0 ? (int32_t)c->nodes[m->node].dc : m->dc;
    bool across = dc < 0 || m->kind == MOMENT_STEP || columns_of(t) == 1;
    uint32_t start = TIME_WIDTH + 1 + (across ? 0 : (uint32_t)dc * column_width(t));
    uint32_t width = across ? t->width - TIME_WIDTH - 1 : column_width(t) - (columns_of(t) > 1 ? 1 : 0);
    print_clock(m->at_us, out);
    put_text(t, text, start, width, looks[m->kind].colour, out);
}

/* ---- links ---- */
static void show_links(struct trace *t, struct buf *out) {
    for (uint32_t i = 0; t->waiting && i < t->scenario->cluster->nodes_count; i++) {
        struct moment m = t->links;
        struct buf text = {0};
        if (t->peers[i].n == 0) continue;
        m.node = (int32_t)i;
        buf_printf(&text, "%s to%.*s: %s", node_name(t, m.node), (int)t->peers[i].n, (const char *)t->peers[i].p, t->links_text);
        buf_u8(&text, 0);
        put_moment(t, &m, (const char *)text.p, out);
        buf_finish(&text);
        buf_finish(&t->peers[i]);
    }
    t->waiting = false;
}

static void hold_link(struct trace *t, const struct moment *m, struct buf *out) {
    if (t->waiting && (t->links.at_us != m->at_us || strcmp(t->links_text, m->text) != 0)) show_links(t, out);
    t->links = *m;
    t->waiting = true;
    snprintf(t->links_text, sizeof t->links_text, "%s", m->text);
    buf_printf(&t->peers[m->node], " %s", node_name(t, m->peer));
}

/* ---- moments ---- */
void trace_line(struct trace *t, const struct moment *m, struct buf *out) {
    if (m->kind == MOMENT_SENT) return;
    if (t->json) {
        moment_json(m, t->scenario->cluster, out);
        return;
    }
    if (m->kind == MOMENT_CONNECTION && m->number != 0 && m->at_us == 0) return;
    if (m->kind == MOMENT_LINK && m->node >= 0 && m->peer >= 0) {
        hold_link(t, m, out);
        return;
    }
    struct buf text = {0};
    show_links(t, out);
    put_words(t, m, &text);
    put_moment(t, m, (const char *)text.p, out);
    buf_finish(&text);
}

void trace_end(struct trace *t, struct buf *out) { show_links(t, out); }

void trace_told(void *arg, const struct moment *m) {
    struct trace *t = arg;
    struct buf out = {0};
    trace_line(t, m, &out);
    show_text(t->file, &out);
    buf_finish(&out);
}
