/* Parsing options by tables: every way to write one, every way to get it wrong. */
#include "base/error.h"
#include "base/log.h"
#include "cli/opt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct args {
    bool verbose, compat;
    const char *model, *mode;
    int64_t shards;
    double threshold;
    bool threshold_given;
    struct text_list set, gpu_index, layers;
    const char *key;
};

#define AT(member) offsetof(struct args, member)

static const char *const modes[] = {"train", "test", NULL};
static const struct option first[] = {
    {"model_filename", "m", OPTION_TEXT, AT(model), "FILE", .help = "", .required = true},
    {"mode", NULL, OPTION_TEXT, AT(mode), "MODE", .help = "", .preset = "train", .choices = modes},
    {"pruning_threshold", "pth", OPTION_NUMBER, AT(threshold), "X", .help = "", .preset = "0.1",
     .given = AT(threshold_given)},
};
static const char *const originals[] = {"tlt", NULL};
static const struct option second[] = {
    {"verbose", "v", OPTION_FLAG, AT(verbose), .help = ""},
    {"num_shards", "s", OPTION_INTEGER, AT(shards), "N", .help = "", .low = -2, .high = 9},
    {"set", NULL, OPTION_LIST, AT(set), "K=V", .help = ""},
    {"gpu_index", NULL, OPTION_INTEGERS, AT(gpu_index), "I", .no_effect = "there are none"},
    {"key", "k", OPTION_TEXT, AT(key), "KEY", .no_effect = "nothing is locked"},
    {"excluded_layers", "el", OPTION_WORDS, AT(layers), "NAME …", .help = ""},
    {"compat", NULL, OPTION_FLAG, AT(compat), "[tlt]", .help = "", .choices = originals},
};
static const struct option_table tables[] = {{first, 3}, {second, 7}};

/* The words of a command line; arrays of them. */
struct line {
    char *words[20];
};

static int parse(struct args *args, struct text_list *operands, struct line line)
{
    int argc = 0;
    while (line.words[argc])
        argc++;
    *args = (struct args){0};
    *operands = (struct text_list){0};
    return opt_parse(args, operands, "prune", tables, 2, argc, line.words);
}

/* Words go on to the next option, of whatever kind; an inline value is one word more. */
static void test_words(void **state)
{
    (void)state;
    static const struct line line = {
        {"-m", "x", "-el", "a", "stage1/b", "3", "-v", "-el=c", "--excluded-layers", "d", "e"}};
    static const char *const expected[] = {"a", "stage1/b", "3", "c", "d", "e"};
    struct args args;
    struct text_list operands;
    assert_int_equal(parse(&args, &operands, line), 0);
    assert_int_equal(args.layers.n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(args.layers.items[i], expected[i]);
    assert_true(args.verbose);
    assert_int_equal(operands.n, 0);
    opt_free(&args, &operands, tables, 2);
    assert_int_equal(parse(&args, &operands, (struct line){{"-m", "x", "-el", "-v"}}),
                     BPNET_EUSAGE);
    opt_free(&args, &operands, tables, 2);
}

static void test_every_way_to_write_a_value(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {{"-m", "x.bpnet", "-pth", "0.5", "-s", "3", "-v"}},
        {{"-m=x.bpnet", "-pth=0.5", "-s=3", "-v"}},
        {{"--model_filename", "x.bpnet", "--pruning_threshold", "0.5", "--num_shards", "3", "-v"}},
        {{"--model-filename=x.bpnet", "--pruning-threshold=5e-1", "--num-shards=3", "--verbose"}},
        {{"-v", "-m", "wrong", "-m", "x.bpnet", "-pth", "1", "-pth", "0.5", "-s", "+3"}},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct args args;
        struct text_list operands;
        assert_int_equal(parse(&args, &operands, lines[i]), 0);
        assert_string_equal(args.model, "x.bpnet");
        assert_true(args.threshold == 0.5);
        assert_int_equal(args.shards, 3);
        assert_true(args.verbose);
        assert_string_equal(args.mode, "train");
        assert_int_equal(operands.n, 0);
        opt_free(&args, &operands, tables, 2);
    }
}

static void test_operands_lists_and_negative_numbers(void **state)
{
    (void)state;
    struct args args;
    struct text_list operands;
    const struct line line = {{"a.jpg", "--set", "x=1", "-m", "-", "--set=y=2", "--num_shards",
                               "-2", "--mode", "TEST", "-", "--gpu_index", "0", "1", "b.jpg", "--",
                               "-v"}};
    assert_int_equal(parse(&args, &operands, line), 0);
    assert_string_equal(args.model, "-");
    assert_int_equal(args.shards, -2);
    assert_string_equal(args.mode, "test");
    assert_false(args.verbose);
    assert_int_equal(args.set.n, 2);
    assert_string_equal(args.set.items[0], "x=1");
    assert_string_equal(args.set.items[1], "y=2");
    assert_int_equal(args.gpu_index.n, 2);
    static const char *const expected[] = {"a.jpg", "-", "b.jpg", "-v"};
    assert_int_equal(operands.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(operands.items[i], expected[i]);
    opt_free(&args, &operands, tables, 2);
}

/* A flag with choices takes one of them and leaves every other word alone. */
static void test_flag_with_choices(void **state)
{
    (void)state;
    static const struct {
        struct line line;
        const char *operand; /* NULL: none */
    } lines[] = {
        {{{"-m", "x", "--compat"}}, NULL},
        {{{"-m", "x", "--compat", "tlt"}}, NULL},
        {{{"-m", "x", "--compat=TLT"}}, NULL},
        {{{"--compat", "-m", "x"}}, NULL},
        {{{"-m", "x", "--compat", "tlt", "tlt"}}, "tlt"},
        {{{"-m", "x", "--compat=tlt", "tlt"}}, "tlt"},
        {{{"-m", "x", "--compat", "--", "tlt"}}, "tlt"},
        {{{"-m", "x", "--compat", "photo.jpg"}}, "photo.jpg"},
        {{{"-m", "x", "photo.jpg", "--compat"}}, "photo.jpg"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct args args;
        struct text_list operands;
        assert_int_equal(parse(&args, &operands, lines[i].line), 0);
        assert_true(args.compat);
        assert_string_equal(args.model, "x");
        assert_int_equal(operands.n, lines[i].operand ? 1 : 0);
        if (lines[i].operand)
            assert_string_equal(operands.items[0], lines[i].operand);
        opt_free(&args, &operands, tables, 2);
    }
}

/* Where operands are too many, the one that was meant as a choice is told from others. */
static void test_stray_choices(void **state)
{
    (void)state;
    static const struct {
        struct line line;
        const char *message; /* NULL: none is to blame */
    } lines[] = {
        {{{"-m", "x", "a.jpg", "--compat", "tao", "b.jpg"}}, "prune: --compat 'tao': expected tlt"},
        {{{"-m", "x", "--compat", "--", "tao"}}, NULL},
        {{{"-m", "x", "--compat=tlt", "tao"}}, NULL},
        {{{"-m", "x", "--compat", "tlt", "tao"}}, NULL},
        {{{"tao", "-m", "x", "-v", "b.jpg"}}, NULL},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct args args;
        struct text_list operands;
        int argc = 0;
        while (lines[i].line.words[argc])
            argc++;
        assert_int_equal(parse(&args, &operands, lines[i].line), 0);
        const int err = opt_check_strays(&operands, "prune", tables, 2, argc, lines[i].line.words);
        assert_int_equal(err, lines[i].message ? BPNET_EUSAGE : 0);
        if (lines[i].message)
            assert_string_equal(error_message(), lines[i].message);
        opt_free(&args, &operands, tables, 2);
    }
}

/* Neither its preset nor a zero is mistaken for the other. */
static void test_whether_it_was_given(void **state)
{
    (void)state;
    struct args args;
    struct text_list operands;
    assert_int_equal(parse(&args, &operands, (struct line){{"-m", "x"}}), 0);
    assert_true(args.threshold == 0.1 && !args.threshold_given);
    opt_free(&args, &operands, tables, 2);
    assert_int_equal(parse(&args, &operands, (struct line){{"-m", "x", "-pth", "0"}}), 0);
    assert_true(args.threshold == 0.0 && args.threshold_given);
    opt_free(&args, &operands, tables, 2);
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const struct {
        struct line line;
        const char *message;
    } bad[] = {
        {{{"-v"}}, "prune: --model_filename FILE is required; 'bpnet help prune' has examples"},
        {{{"-m", "x", "--mdoe", "test"}}, "unknown option '--mdoe'; did you mean '--mode'?"},
        {{{"-m", "x", "--model", "test"}},
         "unknown option '--model'; did you mean '--model_filename'?"},
        {{{"-m", "x", "--xyzzy", "test"}},
         "unknown option '--xyzzy'; 'bpnet help prune' lists them"},
        {{{"-s4"}}, "unknown option '-s4'; write '-s 4'"},
        {{{"-m"}}, "--model_filename needs a value: FILE"},
        {{{"-m", "-v"}}, "--model_filename needs a value: FILE"},
        {{{"-m", "x", "-v=yes"}}, "--verbose takes no value, found 'yes'"},
        {{{"-m", "x", "--compat=tao"}}, "prune: --compat 'tao': expected tlt"},
        {{{"-m", "x", "--compat="}}, "--compat '': expected tlt"},
        {{{"-m", "x", "--mode", "val"}}, "--mode 'val': expected one of train, test"},
        {{{"-m", "x", "-s", "10"}}, "--num_shards 10: expected -2 to 9"},
        {{{"-m", "x", "-s", "3.5"}}, "--num_shards '3.5': expected a whole number"},
        {{{"-m", "x", "-s", ""}}, "--num_shards '': expected a whole number"},
        {{{"-m", "x", "-s", "99999999999999999999"}}, "expected a whole number"},
        {{{"-m", "x", "-pth", "0.1x"}}, "--pruning_threshold '0.1x': expected a number"},
        {{{"-m", "x", "-pth", "nan"}}, "--pruning_threshold 'nan': expected a number"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct args args;
        struct text_list operands;
        assert_int_equal(parse(&args, &operands, bad[i].line), BPNET_EUSAGE);
        if (!strstr(error_message(), bad[i].message))
            fail_msg("'%s' does not say '%s'", error_message(), bad[i].message);
        opt_free(&args, &operands, tables, 2);
    }
}

static void test_suggestions(void **state)
{
    (void)state;
    static const char *const words[] = {"train", "evaluate", "inference", "inspect"};
    assert_string_equal(opt_suggest("trian", words, 4), "train");
    assert_string_equal(opt_suggest("eval", words, 4), "evaluate");
    assert_string_equal(opt_suggest("Inf", words, 4), "inference");
    assert_null(opt_suggest("xyzzy", words, 4));
}

int main(void)
{
    log_set_level(LOG_QUIET); /* options without effect warn */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_every_way_to_write_a_value),
        cmocka_unit_test(test_operands_lists_and_negative_numbers),
        cmocka_unit_test(test_flag_with_choices),
        cmocka_unit_test(test_stray_choices),
        cmocka_unit_test(test_whether_it_was_given),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
