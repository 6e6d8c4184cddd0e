#include "commands.h"

/* What the engine answers wholly by itself: conflicts and the definitions that decide them, levels, members. */

void cmd_truce_ack(struct call *c) { engine_ack(c); }
void cmd_truce_lead(struct call *c) { engine_lead(c); }
void cmd_truce_read(struct call *c) { engine_read(c); }
void cmd_truce_conflicts(struct call *c) { engine_conflicts(c); }
void cmd_truce_explain(struct call *c) { engine_explain(c); }
void cmd_truce_log(struct call *c) { engine_log(c); }
void cmd_truce_losses(struct call *c) { engine_losses(c); }
void cmd_truce_mark(struct call *c) { engine_mark(c); }
void cmd_truce_members(struct call *c) { engine_members(c); }
void cmd_truce_priority(struct call *c) { engine_priority(c); }
void cmd_truce_repair(struct call *c) { engine_repair(c); }
void cmd_truce_resolve(struct call *c) { engine_resolve(c); }
void cmd_truce_table(struct call *c) { engine_table(c); }
void cmd_truce_verify(struct call *c) { engine_verify(c); }

/* Commands of which some forms write: those go to the leader. */
bool command_writes(const struct command *cmd, const struct slice *argv, uint32_t argc) {
    if (cmd->flags & CMD_WRITE) return true;
    if (!(cmd->flags & CMD_MAY_WRITE)) return false;
    if (cmd->run == cmd_truce_conflicts)
        return argc > 3 ? slice_is(argv[1], "RESOLVE") || slice_is(argv[1], "RESTORE") : argc == 3 && slice_is(argv[1], "RESTORE");
    if (cmd->run == cmd_truce_priority) return argc > 2;
    if (cmd->run == cmd_truce_members) return argc > 1;
    return argc > 1 && (slice_is(argv[1], "SET") || slice_is(argv[1], "RESET")); /* TABLE */
}
