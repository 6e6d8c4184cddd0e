/* Messages between nodes, and their frames.
 *
 * frame:  u32 length of what follows, u8 version (MESSAGE_VERSION), u8 type, payload, u64 checksum (hash64 of version, type and payload)
 * A frame that is too long, of an unknown version or type, or whose checksum fails is refused, and with it its link; nothing of it is applied.
 * Frames may be lost, repeated or reordered: each message stands for itself, and nothing here is an acknowledgement but ACK. */
#pragma once
#include "ack.h"
#include "event.h"

#define MESSAGE_VERSION 4
#define FRAME_BYTES_MAX (16u * 1024 * 1024)
#define FRAME_OVERHEAD  14u
#define FRAME_PACKED    255u /* in the place of a message type: other frames, compressed (dc-node/io/pack.h); never a message */

#define MESSAGES(X)                                                                                                                                  \
    X(HELLO, 1, "who speaks: cluster and its definitions, DC, node, incarnation of this run; first on every connection, both ways")                  \
    X(REFUSE, 2, "why the connection or the subscription is refused, in words")                                                                      \
    X(SUBSCRIBE, 3, "send me all events beyond this VV, of these DCs' origins (none named: of all)")                                                 \
    X(EVENTS, 4, "a block of events for a subscription")                                                                                             \
    X(ACK, 5, "bytes taken of a subscription, and the numbers that are on disk here")                                                                \
    X(HEARTBEAT, 6, "VV on disk, digest, clock, what was sent on the subscription, and what is known of the receiver")                               \
    X(FORWARD, 7, "a client's request, from a follower to its leader")                                                                               \
    X(ANSWER, 8, "the reply to a FORWARD, and the dot that must be applied before it is given")                                                      \
    X(VOTE, 9, "elect me in this term; pre: would you?")                                                                                             \
    X(VOTED, 10, "whether; and what the voter has, and has promised")                                                                                \
    X(LEAD, 11, "take over from me: you have what I have")                                                                                           \
    X(ROW_ASK, 12, "a question about rows, or what is to be done about one that is damaged")                                                         \
    X(ROW_TOLD, 13, "the answer to a ROW_ASK, and the VV at which it holds")                                                                         \
    X(TRANSFER_ASK, 14, "rows of a snapshot, from a place on: of those changed beyond this VV, or of all")                                           \
    X(TRANSFER_ROWS, 15, "a piece of them")                                                                                                          \
    X(TRANSFER_END, 16, "there are no more of them; or that snapshot is gone")                                                                       \
    X(REPORT, 17, "what a node has, passed on to nodes that have no link with it")
enum message_type {
#define X(name, number, doc) MESSAGE_##name = number,
    MESSAGES(X)
#undef X
};
const char *message_type_name(enum message_type type);

#define SCOPE_DCS_MAX 64

/* What the sender of a heartbeat knows of its receiver. */
enum knows {
    KNOWS_NOTHING, /* it has no report of this run */
    KNOWS_RUN,     /* it goes by a report of this run */
    KNOWS_BEHIND,  /* likewise; and it has seen more of that node than the run began with */
};

/* What is asked about rows. */
#define ROW_ASKS(X)                                                                                                                                  \
    X(STATES, 1, "args are keys: told are their rows' states, nothing for a row that is not there")                                                  \
    X(WATCHED, 2, "args is one key: the same, and from now on it is noted whether an event changes this row")                                        \
    X(TERMS, 3, "args are keys: told are u64 digest term and u64 hash of the state, of each")                                                        \
    X(PARTS, 4, "a range of hashes from-to: told are u64 count of rows, and their digest in ROW_PARTS parts of equal width, u64 each")               \
    X(LIST, 5, "a range of hashes from-to: told are the keys of its rows, each followed by its u64 digest term")                                     \
    X(FETCH, 6, "no question: this VV is known elsewhere, and the receiver lacked some of it")                                                       \
    X(REPLACE, 7, "args are a key and a row's state that holds at vv: it takes the place of the row that was watched by ask `from`")
enum row_ask {
#define X(name, number, doc) ROW_ASK_##name = number,
    ROW_ASKS(X)
#undef X
};
#define ROW_PARTS 16u
#define ROW_OUTCOMES(X)                                                                                                                              \
    X(DONE, 0, "it was answered, or done")                                                                                                           \
    X(RETURNING, 1, "this node lacks what its disk had, and cannot tell")                                                                            \
    X(TOO_LARGE, 2, "the answer would be larger than a frame")                                                                                       \
    X(CHANGED, 3, "REPLACE: the row was written meanwhile, or is not watched any more")                                                              \
    X(BEHIND, 4, "REPLACE: what was to be put holds at a VV that is not applied here: later")
enum row_outcome {
#define X(name, number, doc) ROW_##name = number,
    ROW_OUTCOMES(X)
#undef X
};

/* In this order; a full transfer has both of the first. */
enum transfer_phase { TRANSFER_OF_ROWS, TRANSFER_OF_JOURNAL /* records of rows that are gone */, TRANSFER_DONE };

/* Slices borrow from the decoded frame, or from the caller when encoding; version vectors are owned by the message. */
struct message {
    enum message_type type;
    union {
        struct {
            struct slice cluster, dc;
            uint16_t node;
            uint64_t incarnation; /* 0: this run has not written */
            uint64_t run;         /* random per run: two runs under one identity are told apart */
            uint64_t secret;      /* hash of the cluster's secret, 0 without one */
            uint64_t definitions; /* of the cluster file: nodes of one cluster must agree */
            uint8_t unpacks;      /* it takes packed frames (dc-node/io/pack.h) */
        } hello;
        struct {
            uint32_t subscription; /* 0: the connection itself */
            struct slice reason;
            uint8_t transfers; /* what is lacked can be had as rows: TRANSFER_ASK */
        } refuse;
        struct {
            uint32_t subscription; /* chosen by the subscriber; a later one replaces the earlier */
            uint32_t window_bytes; /* credit: at most so many bytes not yet acknowledged */
            uint32_t dcs_count;    /* 0: all origins */
            struct slice dcs[SCOPE_DCS_MAX];
            struct vv vv;
        } subscribe;
        struct {
            uint32_t subscription;
            uint64_t sent_bytes; /* of blocks on this subscription, this one included */
            struct slice block;
        } events;
        struct {
            uint32_t subscription;
            uint64_t taken_bytes;
            uint64_t term;     /* of the sender's DC: a leader counts acknowledgements of its own term alone */
            struct vv on_disk; /* only what has moved; to be joined */
        } ack;
        struct {
            uint64_t wall_ms;
            uint64_t term;         /* of the sender's DC */
            uint64_t round;        /* a leader's: echoed by followers of its term; a follower's: the latest it has seen */
            uint64_t promised_ms;  /* to the leader of the term: no stamp beyond this is needed */
            uint32_t subscription; /* being served to the receiver, 0: none */
            uint64_t sent_bytes;   /* on it */
            uint64_t digest;       /* at vv */
            uint8_t is_leader;
            uint32_t silent_ms;   /* for so long the sender has heard nothing from the receiver */
            uint64_t run;         /* the sender's, from its HELLO: what was sent in an earlier run tells nothing of this one */
            uint64_t incarnation; /* ... and under which that run originates, if it does */
            uint8_t knows;        /* enum knows: of the receiver's run */
            uint8_t is_returning; /* the sender lacks what its disk had */
            struct vv vv;         /* on disk */
            struct vv synced;     /* ... and there after a crash of the machine; has_synced 0: all of it */
            uint8_t has_synced;
        } heartbeat;
        struct {
            uint64_t run;      /* the leader's and the follower's, from their HELLOs, xor: a frame of or for an earlier run is not carried out */
            uint64_t session;  /* of the follower's client */
            uint64_t request;  /* 1, 2, 3... within a session: each is carried out once, in order */
            uint8_t protocol;  /* RESP 2 or 3 */
            uint8_t close;     /* the client is gone: forget the session, no answer */
            struct ack ack;    /* as the client has set it */
            uint8_t reads;     /* enum read_level */
            struct vv vv;      /* what the client may have seen at the follower and the leader may lack; empty: nothing */
            uint32_t argc;     /* filled by decoding */
            struct slice args; /* argc slices, each with its length */
        } forward;
        struct {
            uint64_t session, request;
            uint8_t pinned; /* the session watches or queues here: send all its commands */
            struct dot dot; /* n = 0: nothing to wait for */
            bool wrote;     /* the dot is the session's own latest write */
            struct slice reply;
        } answer;
        struct {
            uint64_t transfer; /* chosen by the asker */
            uint64_t snapshot; /* 0: a new one, and from its beginning */
            uint8_t phase;     /* enum transfer_phase */
            struct slice from; /* the place: what came last, as TRANSFER_ROWS said; nothing: the beginning */
            uint64_t offset;   /* so many bytes of the batch there have come */
            uint32_t window_bytes;
            uint8_t full;         /* what is staged is of all rows: so are those that are wanted now */
            struct vv vv;         /* of the asker, for a new snapshot */
            uint64_t staged_upto; /* of an earlier snapshot: rows of hashes below this are staged, 0: none ... */
            struct vv staged_vv;  /* ... as of this VV */
        } transfer_ask;
        struct {
            uint64_t transfer, snapshot;
            uint8_t phase;
            struct slice from; /* as asked */
            uint8_t next_phase;
            struct slice next;      /* where the batch after this one begins */
            uint64_t offset, total; /* of this piece within the batch, and bytes of the batch */
            uint8_t full;           /* all rows come: what does not is not there */
            struct vv vv;           /* of the snapshot */
            struct slice bytes;
        } transfer_rows;
        struct {
            uint64_t transfer, snapshot;
            enum transfer_end { TRANSFER_WHOLE, TRANSFER_GONE /* ask for a new one */, TRANSFER_ANEW /* likewise, and nothing staged counts */ } how;
            struct vv vv, floor;  /* of the snapshot; and what its pointers say nothing of */
            struct slice sources; /* what a checkpoint has of each origin */
        } transfer_end;
        struct {
            uint64_t term;
            uint8_t pre;                      /* not yet: would it be granted? */
            uint8_t takes_over;               /* by the leader's own wish: though it is heard */
            uint8_t admitted, dc_has_written; /* topology/election.h: of the sender */
        } vote;
        struct {
            uint64_t term;                  /* that was asked for, where it is granted; else the sender's */
            uint8_t pre, granted, admitted; /* admitted: as in vote */
            uint64_t promised_ms;           /* the most that the sender has promised any leader before, or used */
            struct vv vv;
        } voted;
        struct {
            uint64_t term;
        } lead;
        struct {
            uint64_t ask; /* chosen by the asker; asked again under the same number where no answer comes */
            uint8_t what; /* enum row_ask */
            uint64_t from, to;
            struct vv vv;
            uint32_t argc;
            struct slice args; /* argc slices, each with its length */
        } row_ask;
        struct {
            uint64_t ask;
            uint8_t what, outcome; /* enum row_outcome */
            uint64_t upto;         /* PARTS, LIST: told is only of hashes from-upto; the rest is to be asked for anew */
            struct vv vv;          /* on disk */
            uint32_t argc;
            struct slice args; /* likewise */
        } row_told;
        struct {
            struct slice dc; /* whose report it is: not the sender's alone */
            uint16_t node;
            uint64_t epoch, seq;       /* a later report of that node has a greater pair, over all its runs */
            uint64_t run, incarnation; /* as in a heartbeat, and so the rest */
            uint64_t wall_ms, digest;
            uint8_t is_returning, has_synced;
            struct vv vv, synced;
            struct slice knows; /* by which runs of the nodes without a link it goes: report_knows_put(), one after another */
        } report;
    };
};
void message_finish(struct message *m);

/* The runs that a REPORT names. */
struct report_knows {
    struct slice dc;
    uint16_t node;
    uint64_t run;
    uint8_t knows; /* enum knows */
};
void report_knows_put(const struct report_knows *k, struct buf *out);
/* False: there is no more, or the reader is bad. */
bool report_knows_next(struct reader *r, struct report_knows *ret);

/* Appends one whole frame. */
void message_encode(const struct message *m, const struct origins *t, struct buf *out);

enum frame_result { FRAME_OK, FRAME_MORE /* incomplete: need more bytes */, FRAME_BAD };
/* The first frame of `bytes`. FRAME_OK: *ret_size bytes were used, *ret is filled. FRAME_BAD: *ret_why says what was expected (static text). */
enum frame_result message_decode(struct slice bytes, struct origins *t, struct message *ret, size_t *ret_size, const char **ret_why);
