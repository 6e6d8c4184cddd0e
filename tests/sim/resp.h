/* Replies in the Redis protocol, taken apart: elements of one whole reply, depth first. */
#pragma once
#include "../../schemas/bytes.h"

struct resp {
    char type; /* + - : $ * _ */
    bool null;
    int64_t integer;   /* ':' its value, '*' the count of elements */
    struct slice text; /* borrowed: '+', '-' and '$' */
};
/* Fills up to `max` elements and returns how many there are; a nested array counts its head and its elements. 0: malformed. */
uint32_t resp_parse(struct slice reply, struct resp *ret, uint32_t max);
