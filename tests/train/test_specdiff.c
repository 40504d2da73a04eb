/* Comparing resolved specs: what counts, what does not, and how it is told. */
#include "train/specdiff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char base[] = "__class_name__: BpNetTrainer\n"
                           "checkpoint_dir: /a\n"
                           "num_epoch: 20\n"
                           "dataloader:\n"
                           "  batch_size: 10\n"
                           "  dataset_config:\n"
                           "    root_data_path: \"/data: here/\"\n"
                           "    train_records_path:\n"
                           "    - one\n"
                           "    - two\n"
                           "    dataset_specs:\n"
                           "      coco: a.json\n"
                           "model:\n"
                           "  stages: 3 # not a comment of ours\n"
                           "  kernels: [3, 3]\n"
                           "optimizer:\n"
                           "  parts:\n"
                           "    - name: a\n"
                           "      rate: 1\n"
                           "    - name: b\n"
                           "      rate: 2\n"
                           "random_seed: 42\n";

/* `base` with one piece of text replaced. */
static void edit(char *out, size_t size, const char *from, const char *to)
{
    const char *at = strstr(base, from);
    assert_non_null(at);
    const int n = snprintf(out, size, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    assert_true(n > 0 && (size_t)n < size);
}

static void check(const char *from, const char *to, enum spec_change expected, const char *story)
{
    char now[1024], found[256] = "";
    enum spec_change change;
    edit(now, sizeof now, from, to);
    assert_int_equal(spec_compare(&change, base, now, found, sizeof found), 0);
    assert_int_equal(change, expected);
    assert_string_equal(found, story);
}

static void test_same(void **state)
{
    (void)state;
    check("", "", SPEC_SAME, "");
    check("checkpoint_dir: /a", "checkpoint_dir: /b", SPEC_SAME, "");
    check("coco: a.json", "coco: b.json", SPEC_SAME, "");
    check("\"/data: here/\"", "elsewhere/", SPEC_SAME, "");
    check("    - one\n    - two", "      - one\n      - two", SPEC_SAME, "");
}

static void test_different(void **state)
{
    (void)state;
    check("42", "43", SPEC_DIFFERENT, "random_seed: 42 in the checkpoint, 43 in the spec");
    check("batch_size: 10", "batch_size: 8", SPEC_DIFFERENT,
          "dataloader.batch_size: 10 in the checkpoint, 8 in the spec");
    check("- two", "- three", SPEC_DIFFERENT,
          "dataloader.dataset_config.train_records_path[1]: two in the checkpoint, three in the "
          "spec");
    check("rate: 2", "rate: 4", SPEC_DIFFERENT,
          "optimizer.parts[1].rate: 2 in the checkpoint, 4 in the spec");
    check("  kernels: [3, 3]\n", "", SPEC_DIFFERENT,
          "model.kernels: [3, 3] in the checkpoint, absent in the spec");
    check("model:\n", "model:\n  width: 1\n", SPEC_DIFFERENT,
          "model.width: absent in the checkpoint, 1 in the spec");
    check("- two\n", "- two\n    - three\n", SPEC_DIFFERENT,
          "dataloader.dataset_config.train_records_path[2]: absent in the checkpoint, three in the "
          "spec");
}

static void test_harmless(void **state)
{
    (void)state;
    check("num_epoch: 20", "num_epoch: 30", SPEC_HARMLESS,
          "num_epoch: 20 in the checkpoint, 30 in the spec");
    char now[1024], story[256];
    enum spec_change change;
    edit(now, sizeof now, "num_epoch: 20", "num_epoch: 30");
    char *seed = strstr(now, "42");
    seed[0] = '7'; /* the graver change is told */
    assert_int_equal(spec_compare(&change, base, now, story, sizeof story), 0);
    assert_int_equal(change, SPEC_DIFFERENT);
    assert_string_equal(story, "random_seed: 42 in the checkpoint, 72 in the spec");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
