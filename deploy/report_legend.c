#include "report_parts.h"

void report_patterns(struct buf *out) {
    static const struct {
        const char *name, *drawing;
        int size;
    } patterns[] = {
        {"cut", "<path d='M-2 2l4 -4M0 8l8 -8M6 10l4 -4'/>", 8},
        {"clog", "<circle cx='4' cy='4' r='1.6'/>", 8},
        {"slow", "<path d='M0 4q2 -4 4 0t4 0'/>", 8},
        {"down", "<path d='M-2 2l4 -4M0 6l6 -6M4 8l4 -4'/>", 6},
        {"paused", "<path d='M3 0v8'/>", 8},
        {"trouble", "<path d='M0 3h8M3 0v8'/>", 8},
    };
    buf_text(out, "<svg id=patterns aria-hidden=true><defs>\n");
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        buf_printf(out, "<pattern id='p-%s' width='%d' height='%d' patternUnits='userSpaceOnUse'><rect width='%d' height='%d'/>%s</pattern>\n",
                   patterns[i].name, patterns[i].size, patterns[i].size, patterns[i].size, patterns[i].size, patterns[i].drawing);
    buf_text(out, "</defs></svg>\n");
}

#define BAR(kind) "<rect class='" kind "' x='0' y='1' width='22' height='12' rx='2'/>"

void report_legend(struct buf *out) {
    static const struct {
        const char *drawing, *words;
    } signs[] = {
        {"<circle class='write c0' cx='11' cy='7' r='4.3'/>", "a write"},
        {"<circle class='write c0' cx='11' cy='7' r='7'/><text class='many' x='11' y='10.4'>5</text>", "several writes"},
        {"<line class='apply c0' x1='3' y1='0' x2='17' y2='10'/><path class='arrived c0' d='M18 14l-3.2 -6h6.4z'/>",
         "first arrival in another datacenter"},
        {"<line class='follows c0' x1='11' x2='11' y1='2' y2='12'/>", "arrival at a further node"},
        {"<line class='leader c0' x1='0' x2='22' y1='7' y2='7'/>", "leads"},
        {BAR("fault cut"), "cut"},
        {BAR("fault cut") "<path class='way' d='M7 4l4 6l4 -6'/>", "cut one way"},
        {BAR("fault clogged"), "clogged: held, not lost"},
        {BAR("fault slow"), "slowed"},
        {BAR("down"), "does not run"},
        {BAR("paused"), "paused"},
        {BAR("disk"), "takes back what it lacks, or its disk or clock is wrong"},
        {"<path class='conflict' d='M11 2l5 5l-5 5l-5 -5z'/>", "a conflict is seen"},
        {"<path class='settled' d='M11 3l4 4l-4 4l-4 -4z'/>", "it is settled"},
        {"<path class='held' d='M6 7l3.5 4l6.5 -8'/>", "expectation holds"},
        {"<path class='failed' d='M6.5 2.5l9 9m0 -9l-9 9'/>", "it fails"},
    };
    buf_text(out, "<ul class=legend>");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        buf_printf(out, "<li><svg viewBox='0 0 22 14' aria-hidden=true>%s</svg>%s</li>\n", signs[i].drawing, signs[i].words);
    buf_text(out, "</ul>\n");
}
