#include "units.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DURATION_MS_MAX 3600000.0
#define RATE_MAX        1e12

struct unit {
    const char *name;
    double factor;
};

/* A plain decimal number and one of the units. */
static bool parse_amount(const char *text, const struct unit *units, size_t units_count, double *ret) {
    size_t n = strspn(text, "0123456789.");
    char digits[16];
    if (n == 0 || n >= sizeof digits || text[0] == '.') return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    char *end;
    double amount = strtod(digits, &end);
    if (*end != '\0') return false;
    for (size_t i = 0; i < units_count; i++) {
        if (strcasecmp(text + n, units[i].name) != 0) continue;
        *ret = amount * units[i].factor;
        return true;
    }
    return false;
}
#define PARSE_AMOUNT(text, units, ret) parse_amount(text, units, sizeof(units) / sizeof((units)[0]), ret)

bool parse_duration(const char *text, uint32_t *ret_ms) {
    static const struct unit units[] = {{"us", 0.001}, {"ms", 1}, {"", 1}, {"s", 1000}, {"m", 60000}};
    double ms;
    if (!PARSE_AMOUNT(text, units, &ms) || ms > DURATION_MS_MAX) return false;
    uint32_t whole = (uint32_t)ms;
    *ret_ms = whole + (ms > whole ? 1 : 0);
    return true;
}

bool parse_percent(const char *text, uint32_t *ret_permille) {
    static const struct unit units[] = {{"%", 10}};
    double permille;
    if (!PARSE_AMOUNT(text, units, &permille) || permille > 1000) return false;
    *ret_permille = (uint32_t)(permille + 0.5);
    return true;
}

bool parse_rate(const char *text, uint64_t *ret_bytes_per_s) {
    static const struct unit units[] = {{"bit", 0.125}, {"kbit", 125}, {"mbit", 125e3}, {"gbit", 125e6},
                                        {"b", 1},       {"kb", 1e3},   {"mb", 1e6},     {"gb", 1e9}};
    double rate;
    if (!PARSE_AMOUNT(text, units, &rate) || rate < 1 || rate > RATE_MAX) return false;
    *ret_bytes_per_s = (uint64_t)rate;
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
