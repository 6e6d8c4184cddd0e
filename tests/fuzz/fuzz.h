/* What the fuzz targets share. A target feeds bytes to one decoder; what the decoder takes has to encode to the same bytes again.
 *
 * A target is one file here with LLVMFuzzerTestOneInput and one line in meson.build; its corpus lies in corpus/<target>. The default build links it
 * with replay.c, which runs the corpus once as a test. `meson setup -Dfuzz=true` with clang makes a fuzzer of it: fuzz-<target> corpus/<target>. */
#pragma once
#include "../../schemas/message.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert() it says what was expected in the words of the target. */
#define EXPECT(holds, what)                                                                                                                          \
    do {                                                                                                                                             \
        if (!(holds)) {                                                                                                                              \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, what);                                                                       \
            abort();                                                                                                                                 \
        }                                                                                                                                            \
    } while (0)

static inline void expect_bytes(struct slice got, struct slice want, const char *what) { EXPECT(slice_equal(got, want), what); }
