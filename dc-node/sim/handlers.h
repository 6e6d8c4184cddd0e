/* Simulated handlers, twins of those in files: each has a name, a nature, and gives its answer after a while of virtual time. */
#pragma once
#include "world.h"

/* name, asks for the base, what it does */
#define SIM_HANDLERS(X)                                                                                                                              \
    X("longest", false, LONGEST, "picks the longest version; of equally long ones the last in order of dots")                                        \
    X("union", false, UNION, "joins the columns of hashes, or the members of sets; else as longest")                                                 \
    X("recorder", false, RECORD, "leaves it to a person")                                                                                            \
    X("pass", false, PASS, "leaves it to the next of the chain")                                                                                     \
    X("prefer-base", true, BASE, "takes both writes back")                                                                                           \
    X("slow", false, SLOW, "as longest, after nearly a second")                                                                                      \
    X("absent", false, ABSENT, "is there, and then is not")                                                                                          \
    X("rand", false, RAND, "answers by chance")                                                                                                      \
    X("viewpoint", false, VIEWPOINT, "answers with the name of the node that it runs on")                                                            \
    X("crash", false, CRASH, "crashes")                                                                                                              \
    X("loop", false, LOOP, "gives no answer in time")                                                                                                \
    X("garbage", false, GARBAGE, "answers with bytes that are no answer")

/* Steps a node with what it has: these, and those of world_options.known, which go before a simulated one of the same name. */
void sim_handlers_offer(struct world *w, uint32_t node);
void sim_handlers_ask(struct world *w, uint32_t node, const struct handler_run *run);
bool sim_handlers_have(const char *name);
