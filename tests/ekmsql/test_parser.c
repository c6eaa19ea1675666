/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit tests of ekmsql's lexer and parser.
 */
#include "tools/ekmsql/sql/parse.h"

#include <string.h>

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static sql_arena *arena;

static sql_token *lex(const char *text, sql_problem *problem)
{
    return sql_lex(arena, text, strlen(text), problem);
}

static sql_stmt *parse(const char *text, sql_problem *problem)
{
    sql_stmt *batch = NULL;
    *problem = (sql_problem){-1, 0, ""};
    return sql_parse(arena, text, strlen(text), &batch, problem) ? batch : NULL;
}

static void test_tokens(void)
{
    static const struct {
        sql_token_kind kind;
        const char *text;
    } expected[] = {
        {SQL_TOK_WORD, "select"}, {SQL_TOK_NAME, "a ]b"},   {SQL_TOK_NAME, "q\"q"},
        {SQL_TOK_STRING, "it's"}, {SQL_TOK_NATIONAL, "n"},  {SQL_TOK_BINARY, "0AfF"},
        {SQL_TOK_INTEGER, "12"},  {SQL_TOK_VARIABLE, "@v"}, {SQL_TOK_PUNCT, "<>"},
        {SQL_TOK_PUNCT, ";"},     {SQL_TOK_END, ""},
    };
    sql_problem p;
    const sql_token *t = lex("select [a ]]b] \"q\"\"q\" 'it''s' n'n' 0x0AfF 12 @v <> ; -- end", &p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CU_ASSERT_EQUAL(t[i].kind, expected[i].kind);
        CU_ASSERT_STRING_EQUAL(t[i].text, expected[i].text);
    }
}

static void test_lines(void)
{
    sql_problem p;
    const sql_token *t = lex("a /* x\n/* y\n*/ */ b\n'c\nd' e", &p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    if (t == NULL) {
        return;
    }
    CU_ASSERT_EQUAL(t[0].line, 1);
    CU_ASSERT_EQUAL(t[1].line, 3);
    CU_ASSERT_EQUAL(t[2].line, 4);
    CU_ASSERT_EQUAL(t[3].line, 5);
}

static void test_lex_errors(void)
{
    static const struct {
        const char *text;
        int number;
    } bad[] = {{"'open", 105}, {"N'open''", 105}, {"[open", 105}, {"/* /* */", 113}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sql_problem p = {0};
        CU_ASSERT_PTR_NULL(lex(bad[i].text, &p));
        CU_ASSERT_EQUAL(p.number, bad[i].number);
    }
}

/* The lexer gets a length, not a terminated string. */
static void test_length_is_kept(void)
{
    sql_problem p;
    const sql_token *t = sql_lex(arena, "abc'def", 3, &p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    if (t == NULL) {
        return;
    }
    CU_ASSERT_STRING_EQUAL(t[0].text, "abc");
    CU_ASSERT_EQUAL(t[1].kind, SQL_TOK_END);
}

static void test_every_statement(void)
{
    static const struct {
        const char *text;
        sql_statement_id id;
    } good[] = {
        {"sp_configure 'x', 1", SQL_ST_CONFIGURE},
        {"RECONFIGURE", SQL_ST_RECONFIGURE},
        {"create cryptographic provider P from file = 'f'", SQL_ST_CREATE_PROVIDER},
        {"ALTER CRYPTOGRAPHIC PROVIDER [a b] DISABLE", SQL_ST_DISABLE_PROVIDER},
        {"CREATE CREDENTIAL c WITH SECRET=N's', IDENTITY='i' FOR CRYPTOGRAPHIC PROVIDER P",
         SQL_ST_CREATE_CREDENTIAL},
        {"CREATE LOGIN l FROM ASYMMETRIC KEY k", SQL_ST_CREATE_KEY_LOGIN},
        {"ALTER LOGIN l DROP CREDENTIAL c", SQL_ST_LOGIN_DROP},
        {"EXECUTE AS LOGIN = 'l'", SQL_ST_EXECUTE_AS},
        {"CREATE ASYMMETRIC KEY k FROM PROVIDER P", SQL_ST_CREATE_ASYMMETRIC},
        {"CREATE SYMMETRIC KEY k WITH ALGORITHM=AES_256 ENCRYPTION BY ASYMMETRIC KEY a",
         SQL_ST_CREATE_NATIVE},
        {"DROP SYMMETRIC KEY k REMOVE PROVIDER KEY", SQL_ST_DROP_SYMMETRIC},
        {"CREATE DATABASE d", SQL_ST_CREATE_DATABASE},
        {"CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC "
         "KEY k",
         SQL_ST_CREATE_DEK},
        {"ALTER DATABASE ENCRYPTION KEY REGENERATE", SQL_ST_REGENERATE_DEK},
        {"ALTER DATABASE d SET ENCRYPTION ON", SQL_ST_ENCRYPTION_ON},
        {"BACKUP DATABASE d TO DISK='f' WITH ENCRYPTION(ALGORITHM=AES_256,SERVER ASYMMETRIC KEY=k)",
         SQL_ST_BACKUP},
        {"SELECT a.b, f(1, @v) AS x FROM sys.t(1) WHERE a = 1 AND b IS NOT NULL ORDER BY c DESC",
         SQL_ST_SELECT},
        {"INSERT t (a, b) VALUES (1, 0x02), (3, NULL)", SQL_ST_INSERT},
        {"UPDATE t SET a = 1, b = 2 WHERE c <> 3", SQL_ST_UPDATE},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        sql_problem p;
        const sql_stmt *s = parse(good[i].text, &p);
        CU_ASSERT_PTR_NOT_NULL(s);
        if (s == NULL) {
            printf("\n%s: %d near '%s'\n", good[i].text, p.number, p.text);
        } else {
            CU_ASSERT_EQUAL(s->id, good[i].id);
            CU_ASSERT_PTR_NULL(s->next);
        }
    }
}

static void test_parts(void)
{
    sql_problem p;
    const sql_stmt *s = parse("CREATE CREDENTIAL [my c] WITH IDENTITY='i', SECRET='s'\n"
                              "DROP ASYMMETRIC KEY a REMOVE PROVIDER KEY; DROP ASYMMETRIC KEY b",
                              &p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    if (s == NULL) {
        return;
    }
    CU_ASSERT_STRING_EQUAL(s->slot[SQL_NAME], "my c");
    CU_ASSERT_STRING_EQUAL(sql_option_value(s, "identity"), "i");
    CU_ASSERT_STRING_EQUAL(sql_option_value(s, "SECRET"), "s");
    CU_ASSERT_PTR_NULL(sql_option_value(s, "OTHER"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->next);
    if (s->next == NULL) {
        return;
    }
    CU_ASSERT_TRUE(s->next->flag);
    CU_ASSERT_EQUAL(s->next->line, 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->next->next);
    if (s->next->next == NULL) {
        return;
    }
    CU_ASSERT_FALSE(s->next->next->flag);
    CU_ASSERT_STRING_EQUAL(s->next->next->slot[SQL_NAME], "b");
}

static void test_errors(void)
{
    static const struct {
        const char *text;
        const char *near;
        int number;
        int line;
    } bad[] = {
        {"SELECT", "", 102, 1},
        {"PRINT 1;\nUSE", "", 102, 2},
        {"CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM AES", "AES", 102, 1},
        {"CREATE CREDENTIAL c WITH PASSWORD='x'", "PASSWORD", 102, 1},
        {"ALTER LOGIN l ADD NOTHING", "NOTHING", 102, 1},
        {"SELECT 1 +", "", 102, 1},
        {"\nFROB nicate it now", "FROB nicate it", 0, 2},
        {"CREATE CERTIFICATE c", "CREATE CERTIFICATE c", 0, 1},
        {")", ")", 0, 1},
        {"DROP", "DROP", 0, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sql_problem p;
        CU_ASSERT_PTR_NULL(parse(bad[i].text, &p));
        CU_ASSERT_EQUAL(p.number, bad[i].number);
        CU_ASSERT_STRING_EQUAL(p.text, bad[i].near);
        CU_ASSERT_EQUAL(p.line, bad[i].line);
    }
}

static void test_depth_is_limited(void)
{
    char text[2000] = "SELECT ";
    sql_problem p;
    memset(text + 7, '(', 1000);
    CU_ASSERT_PTR_NULL(parse(text, &p));
    CU_ASSERT_EQUAL(p.number, 102);
}

static void test_empty(void)
{
    sql_stmt *batch = NULL;
    sql_problem p;
    CU_ASSERT_TRUE(sql_parse(arena, " ;; -- x", 8, &batch, &p));
    CU_ASSERT_PTR_NULL(batch);
}

static int set_up(void)
{
    arena = sql_arena_new();
    return 0;
}

static int tear_down(void)
{
    sql_arena_free(arena);
    return 0;
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("ekmsql parser", set_up, tear_down);
    CU_add_test(suite, "tokens", test_tokens);
    CU_add_test(suite, "lines", test_lines);
    CU_add_test(suite, "lexical errors", test_lex_errors);
    CU_add_test(suite, "the length is kept", test_length_is_kept);
    CU_add_test(suite, "statements", test_every_statement);
    CU_add_test(suite, "slots, options and flags", test_parts);
    CU_add_test(suite, "syntax errors", test_errors);
    CU_add_test(suite, "depth is limited", test_depth_is_limited);
    CU_add_test(suite, "empty batch", test_empty);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures == 0 ? 0 : 1;
}
