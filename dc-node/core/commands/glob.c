#include "commands.h"

static int fold(uint8_t c, bool ignore_case) { return ignore_case && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

/* One [class] that begins at pattern[*at]: moves *at behind it and tells whether it holds c. A class that is not closed ends with the pattern. */
static bool class_holds(struct slice pattern, size_t *at, uint8_t c, bool ignore_case) {
    size_t i = *at + 1;
    bool negated = i < pattern.n && pattern.p[i] == '^', holds = false;
    if (negated) i++;
    for (; i < pattern.n; i++) {
        if (pattern.p[i] == '\\' && i + 1 < pattern.n) {
            i++;
            if (pattern.p[i] == c) holds = true;
        } else if (pattern.p[i] == ']') {
            i++;
            break;
        } else if (i + 2 < pattern.n && pattern.p[i + 1] == '-') {
            /* Redis compares the ends of a range as signed characters. */
            int low = (int8_t)fold(pattern.p[i], ignore_case), high = (int8_t)fold(pattern.p[i + 2], ignore_case);
            int value = (int8_t)fold(c, ignore_case);
            if (low > high ? value >= high && value <= low : value >= low && value <= high) holds = true;
            i += 2;
        } else if (fold(pattern.p[i], ignore_case) == fold(c, ignore_case)) {
            holds = true;
        }
    }
    *at = i;
    return holds != negated;
}

/* One element other than *: moves *at behind it and tells whether it matches c. */
static bool element_matches(struct slice pattern, size_t *at, uint8_t c, bool ignore_case) {
    uint8_t p = pattern.p[*at];
    if (p == '[') return class_holds(pattern, at, c, ignore_case);
    if (p == '\\' && *at + 1 < pattern.n)
        p = pattern.p[++*at];
    else if (p == '?') {
        ++*at;
        return true;
    }
    ++*at;
    return fold(p, ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case) {
    size_t p = 0, t = 0;
    /* Only the latest star ever needs to give way: what an earlier one could take, this one can. */
    bool starred = false;
    size_t star_p = 0, star_t = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            while (p < pattern.n && pattern.p[p] == '*') p++;
            if (p == pattern.n) return true;
            starred = true;
            star_p = p;
            star_t = t;
            continue;
        }
        if (p < pattern.n && element_matches(pattern, &p, text.p[t], ignore_case)) {
            t++;
            continue;
        }
        if (!starred) return false;
        p = star_p;
        t = ++star_t;
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}
