/* The picture without the script: the whole play at a fixed width. */
#include "report_parts.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH      1100u
#define GUTTER     134u
#define LANE       26u
#define NEAR       4u    /* marks of a lane that are nearer than that are one */
#define MARKS_MAX  4000u /* of each kind */
#define TITLE_MAX  160u
#define CURVE_TALL 44u

struct drawing {
    const struct picture *p;
    struct buf *out;
    uint32_t lanes[NODES_MAX], tops[DCS_MAX], bottoms[DCS_MAX];
    uint32_t strips[DCS_MAX][DCS_MAX]; /* y of the pair's strip; 0: it has none */
    uint32_t checks, height;
    uint32_t curves[3];
};

static uint32_t x_of(const struct drawing *d, uint64_t at_us) {
    return GUTTER + 8 + (uint32_t)((double)at_us / (double)d->p->length_us * (double)(WIDTH - GUTTER - 20));
}

static void arrange(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    for (size_t i = 0; i < d->p->links_count; i++) d->strips[d->p->links[i].a][d->p->links[i].b] = 1;
    uint32_t y = 24;
    d->checks = y;
    y += 22;
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        d->tops[dc] = y;
        y += 4;
        for (uint32_t i = 0; i < c->nodes_count; i++) {
            if (c->nodes[i].dc != dc) continue;
            d->lanes[i] = y + LANE / 2;
            y += LANE;
        }
        y += 4;
        d->bottoms[dc] = y;
        y += 5;
        for (uint32_t b = dc; b < c->dcs_count; b++) {
            if (!d->strips[dc][b]) continue;
            d->strips[dc][b] = y;
            y += 23;
        }
        y += 3;
    }
    for (uint32_t i = 0; i < 3; i++) {
        y += 14 + CURVE_TALL;
        d->curves[i] = y;
    }
    d->height = y + 12;
}

static void put_title(struct drawing *d, const char *text) {
    buf_text(d->out, "<title>");
    html_text(text, TITLE_MAX, d->out);
    buf_text(d->out, "</title>");
}

static void put_name(struct drawing *d, const char *kind, uint32_t x, uint32_t y, bool at_end, const char *text) {
    buf_printf(d->out, "<text class='%s' x='%u' y='%u'%s>", kind, x, y, at_end ? " text-anchor='end'" : "");
    html_text(text, 20, d->out);
    buf_text(d->out, "</text>");
}

static void draw_axis(struct drawing *d) {
    char words[TIME_WORDS_MAX];
    static const uint64_t factors[] = {2, 5, 10};
    uint64_t step = 1, decade = 1;
    for (uint32_t i = 0; d->p->length_us / step > 10; i++) {
        step = decade * factors[i % 3];
        if (i % 3 == 2) decade *= 10;
    }
    for (uint64_t t = 0; t <= d->p->length_us; t += step)
        buf_printf(d->out, "<line class='grid' x1='%u' x2='%u' y1='18' y2='%u'/><text class='tick' x='%u' y='13' text-anchor='%s'>%s</text>\n",
                   x_of(d, t), x_of(d, t), d->height - 8, x_of(d, t), x_of(d, t) + 30 > WIDTH ? "end" : "middle", time_words(t, words));
}

static void draw_bands(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    for (uint32_t dc = 0; dc < c->dcs_count; dc++)
        buf_printf(d->out, "<rect class='band' x='0' y='%u' width='%u' height='%u'/><rect class='swatch c%u' x='0' y='%u' width='5' height='%u'/>\n",
                   d->tops[dc], WIDTH, d->bottoms[dc] - d->tops[dc], dc % 7, d->tops[dc], d->bottoms[dc] - d->tops[dc]);
}

static void draw_names(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    static const char *const curves[] = {"lag", "backlog", "conflicts open"};
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) put_name(d, "dcname", 13, d->lanes[cluster_first(c, dc)] + 4, false, c->dcs[dc].name);
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        put_name(d, "dim", GUTTER - 6, d->lanes[n] + 4, true, c->nodes[n].name);
        buf_printf(d->out, "<line class='lane' x1='%u' x2='%u' y1='%u' y2='%u'/>\n", GUTTER, WIDTH, d->lanes[n], d->lanes[n]);
    }
    for (uint32_t a = 0; a < c->dcs_count; a++) {
        for (uint32_t b = a; b < c->dcs_count; b++) {
            if (!d->strips[a][b]) continue;
            buf_printf(d->out, "<text class='dim' x='%u' y='%u' text-anchor='end'>", GUTTER - 6, d->strips[a][b] + 14);
            html_text(c->dcs[a].name, 9, d->out);
            buf_text(d->out, " – ");
            html_text(c->dcs[b].name, 9, d->out);
            buf_text(d->out, "</text>\n");
        }
    }
    put_name(d, "dim", GUTTER - 6, d->checks + 12, true, "expected");
    for (uint32_t i = 0; i < 3; i++) put_name(d, "dim", GUTTER - 6, d->curves[i] - 22, true, curves[i]);
}

static void draw_lanes(struct drawing *d) {
    static const char *const states[] = {"leader", "returning", "down", "paused", "disk", "clock"};
    const struct cluster *c = d->p->scenario->cluster;
    for (size_t i = 0; i < d->p->lanes_count; i++) {
        const struct lane_span *s = &d->p->lanes[i];
        uint32_t from = x_of(d, s->from_us), to = x_of(d, s->to_us), y = d->lanes[s->node];
        if (s->state == LANE_LEADER)
            buf_printf(d->out, "<line class='leader c%u' x1='%u' x2='%u' y1='%u' y2='%u'/>\n", c->nodes[s->node].dc % 7, from, to, y, y);
        else {
            buf_printf(d->out, "<rect class='%s' x='%u' y='%u' width='%u' height='14' rx='2'>", states[s->state], from, y - 7, to - from + 1);
            put_title(d, s->text);
            buf_text(d->out, "</rect>\n");
        }
    }
}

static void draw_links(struct drawing *d) {
    for (size_t i = 0; i < d->p->links_count; i++) {
        const struct link_span *s = &d->p->links[i];
        uint32_t from = x_of(d, s->from_us), width = x_of(d, s->to_us) - from + 1, y = d->strips[s->a][s->b];
        buf_printf(d->out, "<rect class='fault %s' x='%u' y='%u' width='%u' height='20' rx='2'>", link_fault_name(s->fault), from, y, width);
        put_title(d, s->text);
        buf_text(d->out, "</rect>");
        if (s->a != s->b && !s->a_to_b != !s->b_to_a && width > 14)
            buf_printf(d->out, "<path class='way' d='M%u %ul4 %sl4 %s'/>", from + 4, y + (s->a_to_b ? 7 : 13), s->a_to_b ? "6" : "-6",
                       s->a_to_b ? "-6" : "6");
        if (width > 90) {
            buf_printf(d->out, "<text class='fault-text' x='%u' y='%u'>", from + 17, y + 14);
            html_text(s->text, width / 7, d->out);
            buf_text(d->out, "</text>");
        }
        buf_text(d->out, "\n");
    }
}

static void draw_applies(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    uint32_t left = MARKS_MAX;
    for (size_t i = 0; i < d->p->applies_count && left; i++) {
        const struct apply_mark *a = &d->p->applies[i];
        const struct write_mark *w = &d->p->writes[a->write];
        if (!a->shown || !a->first_of_dc) continue;
        left--;
        buf_printf(d->out, "<line class='apply c%u' stroke-opacity='%s' x1='%u' y1='%u' x2='%u' y2='%u'/>\n", c->nodes[w->node].dc % 7,
                   d->p->applies_shown > 1000 ? ".2" : ".55", x_of(d, w->at_us), d->lanes[w->node], x_of(d, a->at_us), d->lanes[a->node]);
    }
}

static void draw_writes(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    uint32_t *last = xcalloc(c->nodes_count + 1, sizeof *last), left = MARKS_MAX;
    for (size_t i = 0; i < d->p->writes_count && left; i++) {
        const struct write_mark *w = &d->p->writes[i];
        uint32_t x = x_of(d, w->at_us);
        if (!w->shown || (last[w->node] && x < last[w->node] + NEAR)) continue;
        last[w->node] = x;
        left--;
        buf_printf(d->out, "<circle class='write c%u' cx='%u' cy='%u' r='4.3'>", c->nodes[w->node].dc % 7, x, d->lanes[w->node]);
        put_title(d, w->text);
        buf_text(d->out, "</circle>\n");
    }
    free(last);
}

static void draw_conflicts(struct drawing *d) {
    const struct cluster *c = d->p->scenario->cluster;
    uint32_t *last = xcalloc(c->nodes_count + 1, sizeof *last), left = MARKS_MAX;
    for (size_t i = 0; i < d->p->conflicts_count && left; i++) {
        const struct moment *m = d->p->conflicts[i].moment;
        uint32_t x = x_of(d, m->at_us);
        if (last[m->node] && x < last[m->node] + NEAR) continue;
        last[m->node] = x;
        left--;
        buf_printf(d->out, "<path class='%s' d='M%u %ul5 5l-5 5l-5 -5z'>", m->kind == MOMENT_CLOSED ? "settled" : "conflict", x,
                   d->lanes[m->node] - 13);
        put_title(d, m->text);
        buf_text(d->out, "</path>\n");
    }
    free(last);
}

static void draw_checks(struct drawing *d) {
    uint32_t last[2] = {0, 0}, left = MARKS_MAX;
    for (size_t i = 0; i < d->p->record->moments_count && left; i++) {
        const struct moment *m = &d->p->record->moments[i];
        bool fails = m->kind == MOMENT_FAILS;
        uint32_t x = x_of(d, m->at_us), y = d->checks + 8;
        if ((!fails && m->kind != MOMENT_HOLDS) || (last[fails] && x < last[fails] + NEAR)) continue;
        last[fails] = x;
        left--;
        if (fails)
            buf_printf(d->out, "<path class='failed' d='M%u %ul9 9m0 -9l-9 9'>", x - 4, y - 4);
        else
            buf_printf(d->out, "<path class='held' d='M%u %ul3.5 4l6.5 -8'>", x - 5, y);
        put_title(d, m->text);
        buf_text(d->out, "</path>\n");
    }
}

static uint64_t curve_value(const struct curve_point *c, uint32_t which) {
    return which == 0 ? c->lag_us : which == 1 ? c->backlog : c->conflicts_open;
}

static void draw_curve(struct drawing *d, uint32_t which) {
    uint64_t most = 0;
    char words[TIME_WORDS_MAX], count[COUNT_WORDS_MAX];
    uint32_t dcs = d->p->scenario->cluster->dcs_count, y = d->curves[which];
    for (uint32_t dc = 0; dc < dcs; dc++)
        for (uint32_t i = 0; i < d->p->curves[dc].count; i++)
            if (curve_value(&d->p->curves[dc].points[i], which) > most) most = curve_value(&d->p->curves[dc].points[i], which);
    buf_printf(d->out, "<line class='axis' x1='%u' x2='%u' y1='%u' y2='%u'/>", GUTTER, WIDTH, y, y);
    buf_printf(d->out, "<text class='dim' x='%u' y='%u' text-anchor='end'>%s%s</text>\n", GUTTER - 6, y - 8, most ? "up to " : "none",
               !most        ? ""
               : which == 0 ? time_words(most, words)
                            : count_words(most, count));
    for (uint32_t dc = 0; dc < dcs && most; dc++) {
        const struct curve *c = &d->p->curves[dc];
        if (!c->count) continue;
        buf_printf(d->out, "<polyline class='curve c%u d%u' points='", dc % 7, dc % 4);
        for (uint32_t i = 0; i < c->count; i++)
            buf_printf(d->out, "%u,%u ", x_of(d, c->points[i].at_us),
                       y - (uint32_t)((double)curve_value(&c->points[i], which) / (double)most * CURVE_TALL));
        buf_text(d->out, "'/>\n");
    }
}

void report_svg(const struct picture *p, struct buf *out) {
    struct drawing d = {.p = p, .out = out};
    arrange(&d);
    buf_printf(out, "<svg viewBox='0 0 %u %u' role=img aria-label='Lanes of the nodes over time'>\n", WIDTH, d.height);
    draw_bands(&d);
    draw_axis(&d);
    draw_names(&d);
    draw_lanes(&d);
    draw_links(&d);
    draw_applies(&d);
    draw_writes(&d);
    draw_conflicts(&d);
    draw_checks(&d);
    for (uint32_t i = 0; i < 3; i++) draw_curve(&d, i);
    buf_text(out, "</svg>\n");
}
