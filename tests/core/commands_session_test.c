#include "commands_help.h"
#include <stdio.h>
#include <string.h>

TestSuite(commands_session, .init = commands_begin, .fini = commands_end);

Test(commands_session, the_table_is_in_order_and_knows_itself) {
    for (uint32_t i = 0; i < commands_count; i++) {
        cr_assert_eq(command_find(slice_text(commands[i].name)), &commands[i], "%s", commands[i].name);
        cr_assert(i == 0 || strcmp(commands[i - 1].name, commands[i].name) < 0, "%s", commands[i].name);
        cr_assert(commands[i].arity != 0 && commands[i].run != NULL && *commands[i].summary);
        cr_assert((commands[i].flags & (CMD_READ | CMD_WRITE)) != (CMD_READ | CMD_WRITE), "%s", commands[i].name);
    }
    cr_assert_null(command_find(slice_text("ge")));
    cr_assert_null(command_find(slice_text("gett")));
    cr_assert_null(command_find(slice_text("")));
    cr_assert_not_null(command_find(slice_text("GeT")));
}

Test(commands_session, what_is_unknown_is_named) {
    says("foo", "-ERR unknown command 'foo', with args beginning with: \r\n");
    says("foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
    says("\"f\\r\\no\" x", "-ERR unknown command 'f  o', with args beginning with: 'x' \r\n");
    says("GET", "-ERR wrong number of arguments for 'get' command\r\n");
    says("CLIENT foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n");
    says("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n");
}

Test(commands_session, hello_changes_the_protocol) {
    const char *hello2 =
        "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n"
        "$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    says("HELLO", hello2);
    cr_assert_eq(strncmp(reply_to("HELLO 3 SETNAME me"), "%7\r\n", 4), 0);
    says("CLIENT GETNAME", "$2\r\nme\r\n");
    says("GET nothing", "_\r\n");
    says("HELLO 2", hello2);
    says("HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    says("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n");
    says("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n");
    says("GET nothing", "$-1\r\n");
}

Test(commands_session, a_password_is_asked_for_where_there_is_one) {
    snprintf(memory_cluster.password, sizeof memory_cluster.password, "secret");
    client = memory_open();
    says("GET k", "-NOAUTH Authentication required.\r\n");
    says("HELLO 3",
         "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to "
         "authenticate the client and select the RESP protocol version at the same time\r\n");
    says("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    says("AUTH secre", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    says("AUTH secrets", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    says("AUTH \"\"", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    says("AUTH somebody secret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    says("GET k", "-NOAUTH Authentication required.\r\n");
    says("AUTH secret", "+OK\r\n");
    says("GET k", "$-1\r\n");
    says("RESET", "+RESET\r\n");
    says("GET k", "-NOAUTH Authentication required.\r\n");
    cr_assert_eq(strncmp(reply_to("HELLO 3 AUTH default secret"), "%7\r\n", 4), 0);
    says("GET k", "_\r\n");
}

Test(commands_session, auth_without_a_password_says_so) {
    says("AUTH x",
         "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n");
    says("AUTH default anything", "+OK\r\n");
}

Test(commands_session, client_libraries_connect) {
    says("CLIENT SETINFO LIB-NAME redis-py", "+OK\r\n");
    says("CLIENT SETINFO lib-ver 5.0.1", "+OK\r\n");
    says("CLIENT SETINFO LIB-NAME \"a b\"", "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
    says("CLIENT SETINFO FOO x", "-ERR Unrecognized option 'FOO'\r\n");
    says("CLIENT SETNAME me", "+OK\r\n");
    says("CLIENT SETNAME \"a b\"", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    says("CLIENT ID", ":1\r\n");
    cr_assert_not_null(strstr(reply_to("CLIENT INFO"), "name=me"));
    const char *numbers[] = {
        " age=", " idle=", " db=", " sub=", " psub=", " multi=", " qbuf=", " qbuf-free=", " argv-mem=", " obl=", " oll=", " omem=", " tot-mem="};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cr_assert_not_null(strstr(reply_to("CLIENT INFO"), numbers[i]), "redis-py reads %s", numbers[i]);
    cr_assert_not_null(strstr(reply_to("CLIENT LIST"), "lib-name=redis-py lib-ver=5.0.1"));
    says("SELECT 0", "+OK\r\n");
    says("SELECT 1", "-ERR DB index is out of range\r\n");
    says("CONFIG GET save appendonly", "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$4\r\nsave\r\n$0\r\n\r\n");
    cr_assert_not_null(strstr(reply_to("INFO server"), "redis_version:7.0.15\r\n"));
    cr_assert_null(strstr(reply_to("INFO server"), "# Clients"));
    cr_assert_not_null(strstr(reply_to("INFO"), "loading:0\r\n"));
}

Test(commands_session, a_name_that_does_not_fit_is_refused) {
    char line[128] = "CLIENT SETNAME ";
    memset(line + strlen(line), 'x', 64);
    says(line, "-ERR Client names cannot be longer than 63 bytes.\r\n");
}

Test(commands_session, a_transaction_runs_in_one_piece) {
    says("MULTI", "+OK\r\n");
    says("MULTI", "-ERR MULTI calls can not be nested\r\n");
    says("SET a 1", "+QUEUED\r\n");
    says("INCR a", "+QUEUED\r\n");
    says("HGET a f", "+QUEUED\r\n");
    client->multi_failed = false; /* the engine decides what spoils a transaction */
    says("EXEC", "*3\r\n+OK\r\n:2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    says("EXEC", "-ERR EXEC without MULTI\r\n");
    says("DISCARD", "-ERR DISCARD without MULTI\r\n");
}

Test(commands_session, a_command_that_cannot_be_queued_spoils_the_transaction) {
    says("MULTI", "+OK\r\n");
    says("SET a", "-ERR wrong number of arguments for 'set' command\r\n");
    says("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    says("EXEC", "-ERR EXEC without MULTI\r\n");
    says("EXEC now", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n");
}

Test(commands_session, a_watched_row_that_changed_makes_exec_null) {
    says("SET w 1", "+OK\r\n");
    says("WATCH w", "+OK\r\n");
    struct session *first = client;
    client = memory_open();
    says("SET w 2", "+OK\r\n");
    client = first;
    says("MULTI", "+OK\r\n");
    says("WATCH w", "-ERR WATCH inside MULTI is not allowed\r\n");
    says("GET w", "+QUEUED\r\n");
    client->multi_failed = false;
    says("EXEC", "*-1\r\n");
}

Test(commands_session, shutdown_asks_the_host) {
    says("SHUTDOWN NOSAVE SAVE", "-ERR syntax error\r\n");
    says("SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
    cr_assert_not(memory_shutdown);
    says("SHUTDOWN NOSAVE", "");
    cr_assert(memory_shutdown && client->quit);
}

Test(commands_session, commands_describe_themselves) {
    says("COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    says("COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    says("COMMAND GETKEYS PING x", "-ERR The command has no key arguments\r\n");
    says("COMMAND LIST FILTERBY PATTERN hsetn*", "*1\r\n$6\r\nhsetnx\r\n");
    says("COMMAND INFO nothing", "*1\r\n*-1\r\n");
    says("COMMAND INFO get",
         "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n");
    char count[32];
    snprintf(count, sizeof count, ":%u\r\n", commands_count);
    says("COMMAND COUNT", count);
}
