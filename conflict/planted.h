/* Bugs that can be planted in the conflict module, to see that the tests find them: each breaks one rule of DESIGN, sections 5 and 6. */
#pragma once

#define CONFLICT_BUGS(X)                                                                                                                             \
    X(EAGER_LWW, "rows: losers by stamp are dropped at once")                                                                                        \
    X(EAGER_PRIORITY, "rows: losers by priority are dropped at once")                                                                                \
    X(COLLECT_MIXED, "rows: a stable tombstone is collected beside a live sibling")                                                                  \
    X(TOMBSTONE_UNCOVERED, "rows: a write from an old context leaves a tombstone that it has not seen")                                              \
    X(CONTEXT_RAW, "rows: the client's context counts, not the deps less what was not seen")                                                         \
    X(NO_CONTEXT, "rows: a write covers every sibling, seen or not")                                                                                 \
    X(HEAD_ONLY, "episodes: only live siblings are compared")                                                                                        \
    X(JOIN_WITHOUT_BLOCKS, "episodes: a transfer comes without blocks")                                                                              \
    X(NEVER_REOPEN, "episodes: what has left the row is never taken back")                                                                           \
    X(JOIN_AS_UNION, "rows: a join keeps what the other side has seen and no longer has")                                                            \
    X(COUNTER_SUMS, "counters: per origin a sum; a delete removes the entries whose number it covers")                                               \
    X(COUNTER_NEGATE, "counters: a delete takes away the value seen, as a decrement")                                                                \
    X(COUNTER_DELTA, "counters: an increment carries its amount, not the total")                                                                     \
    X(COUNTER_DROP_EARLY, "counters: a reset entry goes before the reset is stable")                                                                 \
    X(REMOVE_WINS, "merge: removing a member removes concurrent additions")                                                                          \
    X(DELETE_ALL, "merge: deleting a row removes what it had not seen")                                                                              \
    X(TYPES_HIDDEN, "merge: a write does not cover elements of other types")                                                                         \
    X(EXPIRY_SHORTEST, "merge: of concurrent expiries the shortest counts")                                                                          \
    X(RECORD_BY_STAMP, "record: the winner goes by stamp alone")                                                                                     \
    X(ANSWER_UNSEEN, "handlers: an answer covers versions that the handler has not seen")                                                            \
    X(ANSWER_AGAIN, "handlers: answers that differ for the same siblings are settled again, for ever")
enum conflict_bug {
    CONFLICT_BUG_NONE,
#define X(name, doc) CONFLICT_BUG_##name,
    CONFLICT_BUGS(X)
#undef X
};
/* Set by tests alone. */
extern enum conflict_bug conflict_planted;
