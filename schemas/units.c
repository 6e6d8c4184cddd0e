#include "units.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#define DURATION_MS_MAX 3600000u
#define RATE_MAX        UINT64_C(1000000000000)
#define DIGITS_MAX      15u

typedef unsigned __int128 wide;

/* One of it is so many of what is wanted: a quotient. */
struct unit {
    const char *name;
    uint64_t factor, divisor;
};
/* digits / 10^decimals, times a unit's quotient: the whole part, and what is left over. */
struct amount {
    wide over, under;
};

/* A plain decimal number and one of the units. */
static bool parse_amount(const char *text, const struct unit *units, size_t units_count, bool any_case, struct amount *ret) {
    size_t n = strspn(text, "0123456789.");
    uint64_t digits = 0, scale = 1;
    bool point = false;
    if (n == 0 || n > DIGITS_MAX || text[0] == '.') return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '.' && point) return false;
        if (text[i] == '.') {
            point = true;
        } else {
            digits = digits * 10 + (uint64_t)(text[i] - '0');
            if (point) scale *= 10;
        }
    }
    for (size_t i = 0; i < units_count; i++) {
        if ((any_case ? strcasecmp : strcmp)(text + n, units[i].name) != 0) continue;
        *ret = (struct amount){(wide)digits * units[i].factor, (wide)scale * units[i].divisor};
        return true;
    }
    return false;
}
#define PARSE_AMOUNT(text, units, any_case, ret) parse_amount(text, units, sizeof(units) / sizeof((units)[0]), any_case, ret)

/* ---- the command line ---- */
bool parse_duration(const char *text, uint32_t *ret_ms) {
    static const struct unit units[] = {{"us", 1, 1000}, {"ms", 1, 1}, {"", 1, 1}, {"s", 1000, 1}, {"m", 60000, 1}};
    struct amount a;
    if (!PARSE_AMOUNT(text, units, true, &a) || a.over > DURATION_MS_MAX * a.under) return false;
    *ret_ms = (uint32_t)((a.over + a.under - 1) / a.under);
    return true;
}

bool parse_percent(const char *text, uint32_t *ret_permille) {
    static const struct unit units[] = {{"%", 10, 1}};
    struct amount a;
    if (!PARSE_AMOUNT(text, units, true, &a) || a.over > 1000 * a.under) return false;
    *ret_permille = (uint32_t)((2 * a.over + a.under) / (2 * a.under));
    return true;
}

bool parse_rate(const char *text, uint64_t *ret_bytes_per_s) {
    static const struct unit units[] = {{"bit", 1, 8}, {"kbit", 125, 1}, {"mbit", 125000, 1}, {"gbit", 125000000, 1},
                                        {"b", 1, 1},   {"kb", 1000, 1},  {"mb", 1000000, 1},  {"gb", 1000000000, 1}};
    struct amount a;
    if (!PARSE_AMOUNT(text, units, true, &a) || a.over < a.under || a.over > RATE_MAX * a.under) return false;
    *ret_bytes_per_s = (uint64_t)(a.over / a.under);
    return true;
}

bool parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *ret) {
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') return false;
    errno = 0;
    unsigned long long v = strtoull(text, NULL, 10);
    if (errno != 0 || v < least || v > most) return false;
    *ret = v;
    return true;
}

/* ---- scenarios ---- */
static bool exact(const struct amount *a, uint64_t max, uint64_t *ret) {
    if (a->over % a->under != 0 || a->over / a->under > max) return false;
    *ret = (uint64_t)(a->over / a->under);
    return true;
}

bool parse_time(const char *text, uint64_t max_us, uint64_t *ret_us) {
    static const struct unit units[] = {{"us", 1, 1},         {"ms", 1000, 1},       {"s", 1000000, 1}, {"m", 60000000, 1},
                                        {"h", 3600000000, 1}, {"d", 86400000000, 1}, {"y", YEAR_US, 1}};
    struct amount a;
    if (strcmp(text, "0") == 0) {
        *ret_us = 0;
        return true;
    }
    return PARSE_AMOUNT(text, units, false, &a) && exact(&a, max_us, ret_us);
}

/* Steps over a sign. */
static const char *unsigned_part(const char *text, bool *ret_negative) {
    *ret_negative = text[0] == '-';
    return text[0] == '-' || text[0] == '+' ? text + 1 : text;
}

bool parse_offset(const char *text, uint64_t max_us, int64_t *ret_us) {
    bool negative;
    uint64_t us;
    if (!parse_time(unsigned_part(text, &negative), max_us, &us) || us > INT64_MAX) return false;
    *ret_us = negative ? -(int64_t)us : (int64_t)us;
    return true;
}

bool parse_share(const char *text, uint32_t *ret_ppm) {
    static const struct unit units[] = {{"%", 10000, 1}};
    struct amount a;
    uint64_t ppm;
    if (!PARSE_AMOUNT(text, units, false, &a) || !exact(&a, 1000000, &ppm)) return false;
    *ret_ppm = (uint32_t)ppm;
    return true;
}

bool parse_drift(const char *text, uint32_t most, int32_t *ret_ppm) {
    static const struct unit units[] = {{"ppm", 1, 1}};
    struct amount a;
    bool negative;
    uint64_t ppm;
    if (!PARSE_AMOUNT(unsigned_part(text, &negative), units, false, &a) || !exact(&a, most > INT32_MAX ? INT32_MAX : most, &ppm)) return false;
    *ret_ppm = negative ? -(int32_t)ppm : (int32_t)ppm;
    return true;
}

/* ---- back to text ---- */
void format_time(uint64_t us, struct buf *out) {
    if (us % 1000000 == 0) return buf_printf(out, "%" PRIu64 "s", us / 1000000);
    if (us % 1000 == 0) return buf_printf(out, "%" PRIu64 "ms", us / 1000);
    buf_printf(out, "%" PRIu64 "us", us);
}

void format_share(uint32_t ppm, struct buf *out) {
    uint32_t rest = ppm % 10000;
    int digits = 4;
    buf_printf(out, "%" PRIu32, ppm / 10000);
    while (digits > 0 && rest % 10 == 0) rest /= 10, digits--;
    if (digits > 0) buf_printf(out, ".%0*" PRIu32, digits, rest);
    buf_u8(out, '%');
}

void format_rate(uint64_t bytes_per_s, struct buf *out) {
    if (bytes_per_s % 1000 == 0) return buf_printf(out, "%" PRIu64 "kb", bytes_per_s / 1000);
    buf_printf(out, "%" PRIu64 "b", bytes_per_s);
}
