/* For tests of commands: a line as redis-cli would take it, and the bytes that have to come back. */
#pragma once
#include "txn_memory.h"
#include <criterion/criterion.h>

extern struct session *client; /* says() speaks for it */

void commands_begin(void); /* of each test: no rows, one client */
void commands_end(void);
/* One command: words in double quotes know \" \\ \r \n \0; the reply is valid until the next. */
const char *reply_to(const char *line);

#define says(line, expected) cr_assert_str_eq(reply_to(line), expected, "%s: %s", line, reply_to_last())
const char *reply_to_last(void);
