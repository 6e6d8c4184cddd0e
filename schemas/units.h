/* Quantities as people write them, on the command line and in scenarios: `80ms`, `1%`, `1mbit`. All are computed in whole numbers. */
#pragma once
#include "bytes.h"

/* ---- on the command line ---- */
/* `80ms`, `2s`, `1m`, `500us` (rounded up), a bare number counts as milliseconds; at most one hour. False: not of that form. */
bool parse_duration(const char *text, uint32_t *ret_ms);
/* `1%`, `0.5%`, `100%`, in steps of a tenth; returns thousandths. */
bool parse_percent(const char *text, uint32_t *ret_permille);
/* `1mbit`, `256kbit`, `1gbit` (per second, powers of ten), `100kb`, `1mb` (bytes per second); at least one byte per second. */
bool parse_rate(const char *text, uint64_t *ret_bytes_per_s);
/* A whole number in [least, most], digits alone. */
bool parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *ret);

/* ---- in scenarios: exact, or refused ---- */
#define YEAR_US (UINT64_C(365) * 24 * 60 * 60 * 1000000)
/* `40us`, `1.5s`, `2m`, `1h`, `3d`, `1y` (365 days), `0`; whole microseconds, at most max_us. */
bool parse_time(const char *text, uint64_t max_us, uint64_t *ret_us);
/* The same behind `+`, `-` or nothing. */
bool parse_offset(const char *text, uint64_t max_us, int64_t *ret_us);
/* `1%`, `0.25%`, up to 100%; millionths. */
bool parse_share(const char *text, uint32_t *ret_ppm);
/* `200ppm`, `-15ppm`, up to `most` on both sides of 0. */
bool parse_drift(const char *text, uint32_t most, int32_t *ret_ppm);

/* In the largest of us, ms and s that it is whole in; parse_time() gives the same again. They append. */
void format_time(uint64_t us, struct buf *out);
void format_share(uint32_t ppm, struct buf *out);
void format_rate(uint64_t bytes_per_s, struct buf *out);
