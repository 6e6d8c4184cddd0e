#include "../../dc-node/io/faults.h"
#include "../../schemas/message.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const cluster_text = "{\"cluster\": \"t\", \"datacenters\": {"
                                        "\"us\": {\"nodes\": {\"1\": {\"client\": \"127.0.0.1:1\", \"peer\": \"127.0.0.1:2\"},"
                                        "                    \"2\": {\"client\": \"127.0.0.1:3\", \"peer\": \"127.0.0.1:4\"}}},"
                                        "\"eu\": {\"nodes\": {\"1\": {\"client\": \"127.0.0.1:5\", \"peer\": \"127.0.0.1:6\"}}}}}";

static struct cluster cluster;
static struct faults faults;
static uint32_t us2, eu1;
static struct buf got;

static void setup(void) {
    struct buf why = {0};
    cr_assert(cluster_parse("test", slice_text(cluster_text), &cluster, &why), "%.*s", (int)why.n, (char *)why.p);
    us2 = (uint32_t)cluster_find(&cluster, slice_text("us-2"));
    eu1 = (uint32_t)cluster_find(&cluster, slice_text("eu-1"));
    faults_init(&faults, &cluster, (uint32_t)cluster_find(&cluster, slice_text("us-1")), 1000, 42);
    buf_clear(&got);
}

static void teardown(void) {
    faults_finish(&faults);
    buf_finish(&got);
}

TestSuite(faults, .init = setup, .fini = teardown);

/* The words of a command; what it replied. */
static const char *told(const char *line) {
    static struct buf reply;
    static char words[200];
    struct slice argv[12];
    uint32_t argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *rest = words, *w; (w = strsep(&rest, " "));) argv[argc++] = slice_text(w);
    buf_clear(&reply);
    faults_command(&faults, argv, argc, &reply);
    buf_u8(&reply, 0);
    return (const char *)reply.p;
}

static void hold(uint32_t peer, const char *letters, uint64_t now_us) {
    struct buf frames = {0};
    for (const char *c = letters; *c; c++) {
        buf_u32(&frames, 1);
        buf_u8(&frames, (uint8_t)*c);
    }
    faults_hold(&faults, peer, buf_slice_of(&frames), now_us);
    buf_finish(&frames);
}

static void take(void *arg, uint32_t peer, struct slice frame) {
    cr_assert_eq(frame.n, 5);
    buf_u8(&got, frame.p[4]);
}

/* The letters of all frames that are due. */
static const char *released(uint64_t now_us) {
    buf_clear(&got);
    faults_release(&faults, now_us, take, NULL);
    buf_u8(&got, 0);
    return (const char *)got.p;
}

Test(faults, at_first_nothing_is_between_nodes) {
    cr_assert(fault_none(&faults.of[us2]));
    cr_assert_eq(faults_wake_us(&faults), UINT64_MAX);
}

Test(faults, a_cut_drops_in_the_directions_that_are_named) {
    cr_assert_str_eq(told("TRUCE.FAULT CUT eu out"), "+OK\r\n");
    cr_assert(faults.of[eu1].cut_out && !faults.of[eu1].cut_in);
    cr_assert(!faults.of[us2].cut_out);
    told("truce.fault cut us-2 IN");
    cr_assert(!faults.of[us2].cut_out && faults.of[us2].cut_in);
    told("TRUCE.FAULT CUT us-2");
    cr_assert(faults.of[us2].cut_out && faults.of[us2].cut_in);
    hold(us2, "ab", 0);
    cr_assert_str_eq(released(UINT64_MAX), "");
    cr_assert_eq(faults.of[us2].dropped, 2);
}

Test(faults, a_datacenter_means_its_nodes_but_not_the_node_itself) {
    told("TRUCE.FAULT CUT us");
    cr_assert(faults.of[us2].cut_out);
    cr_assert(!faults.of[faults.self].cut_out);
    cr_assert(!faults.of[eu1].cut_out);
}

Test(faults, a_slow_link_holds_frames_for_its_latency_in_order) {
    told("TRUCE.FAULT SLOW eu LATENCY 40 JITTER 0 LOSS 0 RATE 0");
    hold(eu1, "ab", 1000);
    hold(eu1, "c", 2000);
    cr_assert_eq(faults_wake_us(&faults), 41000);
    cr_assert_str_eq(released(40999), "");
    cr_assert_str_eq(released(41000), "ab");
    cr_assert_str_eq(released(42000), "c");
    cr_assert_eq(faults.of[eu1].held_bytes, 0);
}

Test(faults, jitter_never_changes_the_order) {
    told("TRUCE.FAULT SLOW eu LATENCY 10 JITTER 50");
    for (int i = 0; i < 26; i++) hold(eu1, (char[]){(char)('a' + i), 0}, (uint64_t)i * 100);
    cr_assert_str_eq(released(UINT64_MAX), "abcdefghijklmnopqrstuvwxyz");
}

Test(faults, a_rate_spaces_frames_by_their_size) {
    told("TRUCE.FAULT SLOW eu RATE 5000");
    hold(eu1, "abc", 0);
    cr_assert_str_eq(released(1000), "a");
    cr_assert_str_eq(released(2000), "b");
    cr_assert_str_eq(released(2999), "");
    cr_assert_str_eq(released(3000), "c");
}

Test(faults, loss_drops_about_so_many_of_a_thousand) {
    told("TRUCE.FAULT SLOW eu LOSS 250");
    for (int i = 0; i < 4000; i++) {
        hold(eu1, "x", 0);
        released(UINT64_MAX);
    }
    cr_assert_lt(faults.of[eu1].dropped, 1200);
    cr_assert_lt(800, faults.of[eu1].dropped);
}

Test(faults, what_is_held_is_bounded_and_the_rest_is_lost) {
    told("TRUCE.FAULT SLOW eu LATENCY 1000");
    for (int i = 0; i < 300; i++) hold(eu1, "x", 0);
    cr_assert_eq(faults.of[eu1].held_bytes, 1000);
    cr_assert_eq(faults.of[eu1].dropped, 100);
}

Test(faults, healing_gives_out_what_is_held_before_anything_newer) {
    told("TRUCE.FAULT SLOW eu LATENCY 1000");
    hold(eu1, "ab", 0);
    cr_assert_str_eq(told("TRUCE.FAULT HEAL *"), "+OK\r\n");
    cr_assert(!fault_none(&faults.of[eu1]), "what is held still goes first");
    hold(eu1, "c", 0);
    cr_assert_str_eq(released(0), "abc");
    cr_assert(fault_none(&faults.of[eu1]));
}

Test(faults, a_cut_loses_what_is_on_the_link) {
    told("TRUCE.FAULT SLOW eu LATENCY 1000");
    hold(eu1, "ab", 0);
    told("TRUCE.FAULT CUT eu");
    cr_assert_str_eq(released(UINT64_MAX), "");
}

Test(faults, the_list_names_peers_and_what_is_ordered) {
    told("TRUCE.FAULT SLOW eu LATENCY 40 JITTER 5 LOSS 10 RATE 125000");
    told("TRUCE.FAULT CUT us-2 IN");
    const char *list = told("TRUCE.FAULT LIST");
    cr_assert_neq(strstr(list, "\"peer\":\"eu-1\",\"cut_in\":false,\"cut_out\":false,\"clogged\":false,\"latency_us\":40000,\"jitter_us\":5000,"
                               "\"loss_ppm\":10000"),
                  NULL, "%s", list);
    cr_assert_neq(strstr(list, "\"peer\":\"us-2\",\"cut_in\":true"), NULL, "%s", list);
}

Test(faults, what_makes_no_sense_is_refused_and_changes_nothing) {
    static const char *const wrong[] = {"TRUCE.FAULT",
                                        "TRUCE.FAULT CUT",
                                        "TRUCE.FAULT CUT mars",
                                        "TRUCE.FAULT CUT eu sideways",
                                        "TRUCE.FAULT CUT *",
                                        "TRUCE.FAULT SLOW eu",
                                        "TRUCE.FAULT SLOW eu LATENCY",
                                        "TRUCE.FAULT SLOW eu LATENCY -1",
                                        "TRUCE.FAULT SLOW eu LATENCY 3600001",
                                        "TRUCE.FAULT SLOW eu LOSS 1001",
                                        "TRUCE.FAULT SLOW eu RATE 99999999999999999999",
                                        "TRUCE.FAULT SLOW eu COLOUR 3",
                                        "TRUCE.FAULT HEAL",
                                        "TRUCE.FAULT HEAL mars",
                                        "TRUCE.FAULT LIST eu"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) cr_assert_eq(strncmp(told(wrong[i]), "-ERR ", 5), 0, "%s", wrong[i]);
    for (uint32_t i = 0; i < cluster.nodes_count; i++) cr_assert(fault_none(&faults.of[i]) && !faults.of[i].cut_in);
}

Test(faults, a_clog_holds_what_is_sent_and_lets_it_go_in_order) {
    told("TRUCE.FAULT SLOW eu LATENCY 1");
    hold(eu1, "0", 0);
    told("TRUCE.FAULT SLOW eu LATENCY 0");
    cr_assert_str_eq(told("TRUCE.FAULT CLOG eu"), "+OK\r\n");
    hold(eu1, "abc", 0);
    cr_assert_str_eq(released(1000), "0", "what was on its way arrives");
    cr_assert_eq(faults_wake_us(&faults), UINT64_MAX);
    cr_assert_str_eq(released(UINT64_MAX), "");
    cr_assert(fault_bars(&faults.of[eu1]), "nobody connects through it");
    told("TRUCE.FAULT CLOG eu OFF");
    hold(eu1, "d", 0);
    cr_assert_str_eq(released(0), "abcd");
    cr_assert(fault_none(&faults.of[eu1]));
}

Test(faults, a_cut_is_lifted_without_ending_what_is_slow) {
    told("TRUCE.FAULT SLOW eu LATENCY 500us");
    told("TRUCE.FAULT CUT eu");
    told("TRUCE.FAULT CUT eu NONE");
    cr_assert(!fault_bars(&faults.of[eu1]));
    hold(eu1, "a", 0);
    cr_assert_str_eq(released(499), "");
    cr_assert_str_eq(released(500), "a");
}

Test(faults, frames_that_are_repeated_come_twice) {
    told("TRUCE.FAULT SLOW eu REPEAT 1000");
    hold(eu1, "ab", 0);
    cr_assert_str_eq(released(UINT64_MAX), "aabb");
}

Test(faults, a_replayed_frame_comes_again_on_a_later_connection) {
    told("TRUCE.FAULT SLOW eu REPLAY 1000");
    hold(eu1, "a", 0);
    cr_assert_str_eq(released(0), "a");
    faults_forget(&faults, eu1);
    cr_assert_str_eq(released(UINT64_MAX), "a");
    cr_assert_eq(faults.of[eu1].held_bytes, 0);
}

Test(faults, what_is_replayed_holds_up_nothing_when_a_link_is_healed) {
    told("TRUCE.FAULT SLOW eu REPLAY 500 LATENCY 1000");
    hold(eu1, "abcdefgh", 0);
    size_t held = faults.of[eu1].held_bytes / 5;
    cr_assert_gt(held, 8);
    told("TRUCE.FAULT HEAL eu");
    cr_assert_str_eq(released(0), "abcdefgh");
    cr_assert_eq(strlen(released(UINT64_MAX)), held - 8);
}

static void take_bytes(void *arg, uint32_t peer, struct slice frame) { buf_put(&got, frame.p, frame.n); }

Test(faults, a_corrupted_frame_differs_in_one_byte_behind_its_length) {
    const uint8_t whole[5] = {1, 0, 0, 0, 'x'};
    told("TRUCE.FAULT SLOW eu CORRUPT 1000000ppm");
    hold(eu1, "x", 0);
    buf_clear(&got);
    faults_release(&faults, UINT64_MAX, take_bytes, NULL);
    int differ = 0;
    for (int i = 0; i < 5; i++) differ += got.p[i] != whole[i];
    cr_assert_eq(differ, 1);
    cr_assert_arr_eq(got.p, whole, 4);
}

Test(faults, frames_overtake_each_other_where_that_was_ordered) {
    told("TRUCE.FAULT SLOW eu JITTER 50 REORDER yes");
    for (int i = 0; i < 26; i++) hold(eu1, (char[]){(char)('a' + i), 0}, 0);
    const char *came = released(UINT64_MAX);
    cr_assert_eq(strlen(came), 26);
    cr_assert_str_neq(came, "abcdefghijklmnopqrstuvwxyz");
}
