/* Every handler that must be refused is, and the words name the right thing. Usage: refused TRUCE DIRECTORY_OF_BAD_HANDLERS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const struct {
    const char *name, *because, *words[4];
} list[] = {
    {"bad_random", "it throws dice", {"rand(), which draws random numbers", "differently when it is called again", "answer 2 (called again"}},
    {"bad_clock", "it reads a clock", {"time(), which reads a clock", "differently at another time", "answer 2 (another time)"}},
    {"bad_counter", "it counts its calls", {"differently when it is called again", "it remembers earlier calls", "answer 2 (called again"}},
    {"bad_order", "it remembers the row before", {"it remembers earlier calls"}},
    {"bad_memory", "it reads memory that it never wrote", {"where fresh memory holds other bytes", "it reads memory that it never wrote"}},
    {"bad_stack", "it reads a variable that it never set", {"where fresh memory holds other bytes", "it reads memory that it never wrote"}},
    {"bad_constructor", "it crashes as it is loaded", {"it crashed (Aborted) while it was loaded"}},
    {"bad_address", "it makes something of addresses", {"address"}},
    {"bad_host", "it depends on its host", {"gethostname(), which asks where it runs", "in another place", "it depends on where it runs"}},
    {"bad_process", "it depends on its process", {"getpid(), which asks where it runs", "answers differently in another p"}},
    {"bad_environment", "it depends on its environment", {"getenv(), which asks where it runs", "in another place", "picks version 1"}},
    {"bad_hidden_clock", "it reads the processor's clock", {"It answers differently", "answer 1", "answer 2"}},
    {"bad_crash", "it crashes", {"It crashed: Segmentation fault (SEGV)", "deleted"}},
    {"bad_loop", "it does not come back", {"It does not come back", "version 1"}},
    {"bad_exit", "it ends its process", {"It ended its process", "deleted"}},
    {"bad_leak", "it leaks", {"It leaks: ", "deleted"}},
    {"bad_two_answers", "it gives two answers", {"gave two answers", "version 2"}},
    {"bad_no_answer", "it gives no answer", {"gave no answer", "deleted"}},
    {"bad_index", "it picks a version that is not there", {"picked sibling 2 of 2"}},
    {"bad_large", "its row is too large", {"gave a row larger than 1048576 bytes"}},
    {"bad_regroups", "it claims what does not hold", {"claims TRUCE_REGROUPS", "all versions at once", "and what came of them"}},
    {"bad_settings", "its check of settings crashes", {"while its check_settings() looked at settings"}},
    {"bad_abi", "it is of another ABI", {"it was made for version 2 of the handler ABI"}},
    {"bad_name", "its name is not its file's", {"it calls itself lww, but its file is bad_name.so"}},
    {"bad_file", "it opens a file", {"fopen(), which reaches files"}},
};

/* What the check says; *ret_code how it ended. The caller frees. */
static char *check(const char *truce, const char *directory, const char *name, int *ret_code) {
    char command[2048], *text = calloc(1, 65536);
    snprintf(command, sizeof command, "'%s' handler check '%s/%s.so' 2>&1", truce, directory, name);
    FILE *f = popen(command, "r");
    size_t n = f != NULL && text != NULL ? fread(text, 1, 65535, f) : 0;
    int status = f != NULL ? pclose(f) : -1;
    if (text != NULL) text[n] = '\0';
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return text;
}

/* Refused and kept so: the record beside it says the same. */
static int record_says(const char *directory, const char *name) {
    char path[2048], text[65536];
    snprintf(path, sizeof path, "%s/%s.so.admitted", directory, name);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL) fclose(f);
    text[n] = '\0';
    return strstr(text, "\"result\": \"refused\"") != NULL && strstr(text, "\"why\": \"") != NULL;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    if (argc != 3) return 2;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        int code;
        char *text = check(argv[1], argv[2], list[i].name, &code);
        const char *missing = NULL;
        for (size_t w = 0; text != NULL && w < 4 && list[i].words[w] != NULL; w++)
            if (strstr(text, list[i].words[w]) == NULL) missing = list[i].words[w];
        int recorded = record_says(argv[2], list[i].name), ok = text != NULL && code == 1 && missing == NULL && recorded;
        printf("%s %s is refused: %s\n", ok ? "ok  " : "FAIL", list[i].name, list[i].because);
        if (!ok) printf("exit code %d, expected words: %s, recorded: %d\n%s\n", code, missing != NULL ? missing : "all there", recorded, text);
        ok ? passed++ : failed++;
        free(text);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
