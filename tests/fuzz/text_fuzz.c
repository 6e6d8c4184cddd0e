/* The input is the text of a version vector, dot, origin, stamp or node name, or the bytes of a version vector: all are tried. */
#include "../../schemas/stamp.h"
#include "fuzz.h"

static void check_vv_text(struct slice text, struct origins *t) {
    struct vv v = {0};
    struct buf again = {0};
    if (vv_parse(text, t, &v)) {
        vv_format(&v, t, &again);
        expect_bytes(buf_slice_of(&again), text, "the same vector again");
    }
    vv_finish(&v);
    buf_finish(&again);
}

static void check_vv_bytes(struct slice bytes, struct origins *t) {
    struct vv v = {0};
    struct buf again = {0};
    struct reader r = reader_of(bytes);
    if (vv_decode(&r, t, &v)) {
        vv_encode(&v, t, &again);
        expect_bytes(buf_slice_of(&again), SLICE(bytes.p, (size_t)(r.p - bytes.p)), "the same vector again");
        struct vv same = {0};
        vv_copy(&same, &v);
        EXPECT(vv_compare(&same, &v) == VV_EQUAL && vv_hash(&same, t) == vv_hash(&v, t), "an equal copy");
        vv_finish(&same);
    } else {
        EXPECT(r.bad && vv_empty(&v), "an empty vector after a refusal");
    }
    vv_finish(&v);
    buf_finish(&again);
}

static void check_names(struct slice text, struct origins *t) {
    struct buf again = {0};
    struct dot d;
    struct origin o;
    stamp_t s;
    char dc[NAME_LEN_MAX + 1];
    uint16_t node;
    if (dot_parse(text, t, &d)) {
        dot_format(t, d, &again);
        expect_bytes(buf_slice_of(&again), text, "the same dot again");
    }
    buf_clear(&again);
    if (origin_parse(text, &o)) {
        origin_format(&o, &again);
        expect_bytes(buf_slice_of(&again), text, "the same origin again");
    }
    buf_clear(&again);
    if (stamp_parse(text, &s)) {
        stamp_format(s, &again);
        expect_bytes(buf_slice_of(&again), text, "the same stamp again");
    }
    buf_clear(&again);
    if (node_name_parse(text, dc, &node)) {
        buf_printf(&again, "%s-%u", dc, (unsigned)node);
        expect_bytes(buf_slice_of(&again), text, "the same node name again");
    }
    buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct origins *t = origins_create();
    check_vv_text(SLICE(data, size), t);
    check_vv_bytes(SLICE(data, size), t);
    check_names(SLICE(data, size), t);
    origins_destroy(t);
    return 0;
}
