/* Runs a fuzz target once over each file of the given directories: the regression test of what fuzzing has found. */
#include "fuzz.h"
#include <dirent.h>
#include <string.h>

static bool run_file(const char *directory, const char *name) {
    struct buf path = {0};
    buf_printf(&path, "%s/%s", directory, name);
    FILE *f = fopen((const char *)path.p, "rb");
    buf_finish(&path);
    if (f == NULL) return false;
    struct buf input = {0};
    size_t n;
    while ((n = fread(buf_reserve(&input, 65536), 1, 65536, f)) > 0) input.n += n;
    bool ok = !ferror(f);
    fclose(f);
    uint8_t *exact = malloc(input.n == 0 ? 1 : input.n); /* so that a sanitizer sees a read past the end */
    if (input.n != 0) memcpy(exact, input.p, input.n);
    if (ok) LLVMFuzzerTestOneInput(exact, input.n);
    free(exact);
    buf_finish(&input);
    return ok;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        int before = passed;
        if (d != NULL) {
            for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
                if (entry->d_name[0] == '.') continue;
                if (run_file(argv[i], entry->d_name)) {
                    passed++;
                } else {
                    fprintf(stderr, "%s/%s cannot be read\n", argv[i], entry->d_name);
                    failed++;
                }
            }
            closedir(d);
        }
        if (passed == before) {
            fprintf(stderr, "%s: nothing to run\n", argv[i]);
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
