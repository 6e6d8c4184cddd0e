/* The engine's part in the ways between datacenters: reports that are passed on, homes, and why a link is behind. Included by state.h alone. */
#pragma once

/* ---- engine_reports.c: nodes that have no link with this one ---- */
void reports_create(struct engine *e);
void reports_finish(struct engine *e);
void reports_tick(struct engine *e);
void reports_link_up(struct engine *e, uint32_t peer);
void reports_take(struct engine *e, uint32_t peer, const struct message *m);
uint64_t reports_told_us(const struct engine *e, uint32_t node); /* when the latest report that was passed on came; 0: there is none */
bool reports_in_reach(const struct engine *e, uint32_t node);    /* heard lately, over its link or through others */

/* ---- engine_home.c ---- */
enum home_way { HOME_ANYWHERE, HOME_THERE /* at *ret_to, the home's leader; ELECTION_NOBODY */, HOME_REFUSED /* and answered */ };
enum home_way home_way(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc,
                       uint32_t *ret_to);
/* At a leader, of what other nodes have sent: it must not be written here, and was answered. */
bool home_refuses(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc);

/* ---- engine_progress.c ---- */
void progress_tick(struct engine *e);
void progress_window(struct engine *e, uint32_t peer);      /* what is served was sent, as far as there was room */
uint64_t progress_lacking(struct engine *e, uint32_t peer); /* events that the peer reports, of what this node takes from it, and that are not here */
/* A link's state, and why it is so: appended to `why`, nothing where all is well. */
const char *progress_state(struct engine *e, uint32_t peer, uint64_t lacking, struct buf *why);
