/* Quantities as people write them on the command line: `80ms`, `1%`, `1mbit`. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* `80ms`, `2s`, `1m`, `500us` (rounded up), a bare number counts as milliseconds; at most one hour. False: not of that form. */
bool parse_duration(const char *text, uint32_t *ret_ms);
/* `1%`, `0.5%`, `100%`, in steps of a tenth; returns thousandths. */
bool parse_percent(const char *text, uint32_t *ret_permille);
/* `1mbit`, `256kbit`, `1gbit` (per second, powers of ten), `100kb`, `1mb` (bytes per second); at least one byte per second. */
bool parse_rate(const char *text, uint64_t *ret_bytes_per_s);
/* A whole number in [least, most], digits alone. */
bool parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *ret);
