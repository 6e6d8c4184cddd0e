/* The versions of a conflict in the order in which they were made: a lane per datacenter, lines from what had arrived where each was made. */
#include "report_panel.h"

#include <string.h>

#define WIDTH 720u
#define LEFT  74u
#define LANE  36u

struct drawn {
    const struct panel *x;
    uint32_t dcs[DCS_MAX], dcs_count;    /* those that made a version, in order of name */
    uint64_t slots_us[VERSIONS_MAX + 1]; /* of versions, and of when they met: at even distances */
    uint32_t slots, gap;
    int32_t met; /* the slot of the meeting; -1: none */
    uint32_t height;
};

static const struct cluster_node *node_of(const struct panel *x, const struct write_mark *w) { return &x->p->scenario->cluster->nodes[w->node]; }

/* ---- places ---- */

static uint32_t slot_x(const struct drawn *d, uint32_t slot) { return LEFT + 20 + slot * d->gap; }

/* Between two slots time goes evenly. */
static uint32_t x_of(const struct drawn *d, uint64_t at_us) {
    if (at_us < d->slots_us[0]) return LEFT;
    for (uint32_t i = 0; i + 1 < d->slots; i++) {
        uint64_t from = d->slots_us[i], to = d->slots_us[i + 1];
        if (at_us >= to || to == from) continue;
        return slot_x(d, i) + (uint32_t)((double)(at_us - from) / (double)(to - from) * d->gap);
    }
    return at_us == d->slots_us[d->slots - 1] ? slot_x(d, d->slots - 1) : WIDTH;
}

static int32_t lane_of(const struct drawn *d, uint32_t dc) {
    for (uint32_t i = 0; i < d->dcs_count; i++)
        if (d->dcs[i] == dc) return (int32_t)i;
    return -1;
}

static uint32_t y_of(uint32_t lane) { return 20 + lane * LANE; }

static uint32_t version_y(const struct drawn *d, const struct write_mark *w) { return y_of((uint32_t)lane_of(d, node_of(d->x, w)->dc)); }

/* The slot of a version: versions are in order, and the meeting is among them. */
static uint32_t version_slot(const struct drawn *d, uint32_t version) {
    uint32_t slot = 0;
    for (uint32_t i = 0; i < version; i++) slot += d->x->versions[i].write != NULL;
    return slot + (d->met >= 0 && (uint32_t)d->met <= slot);
}

static void arrange(struct drawn *d) {
    const struct panel *x = d->x;
    bool made[DCS_MAX] = {false};
    d->met = -1;
    for (uint32_t i = 0; i <= x->count; i++) {
        const struct write_mark *w = i < x->count ? x->versions[i].write : NULL;
        bool is_before = x->met_us && d->met < 0 && (i == x->count ? d->slots > 0 : w && x->met_us < w->at_us);
        if (is_before) {
            d->met = (int32_t)d->slots;
            d->slots_us[d->slots++] = x->met_us;
        }
        if (!w) continue;
        made[node_of(x, w)->dc] = true;
        d->slots_us[d->slots++] = w->at_us;
    }
    for (uint32_t dc = 0; dc < DCS_MAX; dc++)
        if (made[dc]) d->dcs[d->dcs_count++] = dc;
    uint32_t room = WIDTH - LEFT - 60;
    d->gap = d->slots > 1 ? room / (d->slots - 1) : room;
    if (d->gap > 180) d->gap = 180;
    d->height = y_of(d->dcs_count) + 4;
}

/* ---- marks ---- */

static void draw_lanes(const struct drawn *d, struct buf *out) {
    for (uint32_t i = 0; i < d->dcs_count; i++) {
        buf_printf(out, "<line class='lane' x1='%u' y1='%u' x2='%u' y2='%u'/><text class='name' x='0' y='%u'>", LEFT, y_of(i), WIDTH, y_of(i),
                   y_of(i) + 4);
        html_text(d->x->p->scenario->cluster->dcs[d->dcs[i]].name, 9, out);
        buf_text(out, "</text>");
    }
}

static void draw_cuts(const struct drawn *d, struct buf *out) {
    const struct picture *p = d->x->p;
    for (size_t i = 0; i < p->links_count; i++) {
        const struct link_span *s = &p->links[i];
        int32_t a = lane_of(d, s->a), b = lane_of(d, s->b);
        if (s->fault == FAULT_SLOW || s->a == s->b || a < 0 || b < 0) continue;
        if (s->to_us <= d->slots_us[0] || s->from_us >= d->slots_us[d->slots - 1]) continue;
        uint32_t from = x_of(d, s->from_us), to = x_of(d, s->to_us);
        buf_printf(out, "<rect class='cut' x='%u' y='%u' width='%u' height='%u'><title>", from, y_of((uint32_t)a) + 10, to - from,
                   y_of((uint32_t)b) - y_of((uint32_t)a) - 20);
        html_text(s->text, 0, out);
        buf_text(out, "</title></rect>");
    }
}

static void draw_meeting(const struct drawn *d, struct buf *out) {
    if (d->met < 0) return;
    uint32_t at = slot_x(d, (uint32_t)d->met);
    buf_printf(out, "<line class='met' x1='%u' y1='6' x2='%u' y2='%u'/>", at, at, d->height - 18);
}

/* Is it known through another version that was known too? */
static bool is_implied(const struct panel *x, uint32_t seen, uint32_t of) {
    for (uint32_t i = 0; i < x->count; i++) {
        const struct write_mark *w = x->versions[i].write;
        if (i == seen || i == of || !w) continue;
        if (picture_knew(x->p, x->versions[of].write, w) && picture_knew(x->p, w, x->versions[seen].write)) return true;
    }
    return false;
}

static void draw_arrivals(const struct drawn *d, struct buf *out) {
    const struct panel *x = d->x;
    for (uint32_t of = 0; of < x->count; of++) {
        for (uint32_t seen = 0; seen < of; seen++) {
            const struct write_mark *w = x->versions[of].write, *s = x->versions[seen].write;
            if (!w || !s || !picture_knew(x->p, w, s) || is_implied(x, seen, of)) continue;
            buf_printf(out, "<line class='knew' x1='%u' y1='%u' x2='%u' y2='%u'/>", slot_x(d, version_slot(d, seen)), version_y(d, s),
                       slot_x(d, version_slot(d, of)), version_y(d, w));
        }
    }
}

static void draw_versions(const struct drawn *d, struct buf *out) {
    const struct panel *x = d->x;
    for (uint32_t i = 0; i < x->count; i++) {
        const struct write_mark *w = x->versions[i].write;
        if (!w) continue;
        uint32_t at = slot_x(d, version_slot(d, i)), y = version_y(d, w);
        bool read = strcmp(json_text_at(x->versions[i].json, "state"), "read") == 0;
        buf_printf(out, "<g class='version %s c%u'><circle cx='%u' cy='%u' r='10'/><text x='%u' y='%u'>%c</text></g>", read ? "read" : "unread",
                   node_of(x, w)->dc % 7, at, y, at, y + 4, panel_letter(i));
    }
}

static void draw_times(const struct drawn *d, struct buf *out) {
    char words[TIME_WORDS_MAX];
    uint32_t free = 0;
    for (uint32_t i = 0; i < d->slots; i++) {
        bool met = (int32_t)i == d->met;
        uint32_t at = slot_x(d, i), half = met ? 46 : 28;
        if (at < free + half) continue;
        free = at + half;
        buf_printf(out, "<text class='when%s' x='%u' y='%u'>%s%s</text>", met ? " met" : "", at, d->height - 4, met ? "met at " : "",
                   time_words(d->slots_us[i], words));
    }
}

void panel_draw(const struct panel *x, struct buf *out) {
    struct drawn d = {.x = x};
    arrange(&d);
    if (d.dcs_count == 0) return;
    buf_printf(out, "<svg class='causal' viewBox='0 0 %u %u' role='img' aria-label='The versions in order; lines lead from what had arrived'>\n",
               WIDTH, d.height);
    draw_lanes(&d, out);
    draw_cuts(&d, out);
    draw_meeting(&d, out);
    draw_arrivals(&d, out);
    draw_versions(&d, out);
    draw_times(&d, out);
    buf_text(out, "</svg>\n");
}
