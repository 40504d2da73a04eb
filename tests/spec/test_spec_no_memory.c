/*
 * Every allocation of ours fails once, in turn: loading and writing specs says so with
 * BPNET_ENOMEM and (under AddressSanitizer) leaves no memory behind. The linker's --wrap brings
 * the calls here; libyaml's own stay as they are.
 */
#include "base/error.h"
#include "spec/spec.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int left = INT_MAX; /* allocations until one fails */

static bool runs_out(void)
{
    if (left-- != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return runs_out() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return runs_out() ? NULL : __real_realloc(old, size);
}

static const char *const items[] = {"checkpoint_dir='a \\ b'", "loss.focal_loss_params.gamma=2"};
static const struct spec_overrides overrides = {items, 2};

static int experiment(void)
{
    struct experiment_spec *s = NULL;
    int err = experiment_spec_load(&s, SOURCE_DIR "/specs/bpnet_train_m1_coco.yaml", &overrides);
    if (err == BPNET_OK) {
        char *text = experiment_spec_text(s);
        err = text ? BPNET_OK : BPNET_ENOMEM;
        free(text);
    } else {
        assert_null(s);
    }
    experiment_spec_free(s);
    return err;
}

static int inference(void)
{
    struct inference_spec *s = NULL;
    const int err = inference_spec_load(&s, SOURCE_DIR "/specs/infer_spec_refine.yaml", NULL);
    inference_spec_free(s);
    return err;
}

static int dataset(void)
{
    struct dataset_spec *s = NULL;
    const int err = dataset_spec_load(&s, SOURCE_DIR "/specs/coco_spec.json", NULL);
    dataset_spec_free(s);
    return err;
}

static int pose(void)
{
    struct skeleton s;
    return pose_config_load(&s, SOURCE_DIR "/specs/bpnet_18joints.json");
}

static int reference(void)
{
    char *text = spec_reference();
    free(text);
    return text ? BPNET_OK : BPNET_ENOMEM;
}

static const struct {
    const char *name;
    int (*try)(void);
} cases[] = {{"experiment", experiment},
             {"inference", inference},
             {"dataset", dataset},
             {"pose", pose},
             {"reference", reference}};

static void each_allocation_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        left = INT_MAX;
        assert_int_equal(cases[i].try(), BPNET_OK);
        const int n = INT_MAX - left;
        assert_true(n > 0); /* the wrappers are in place */
        for (int k = 0; k < n; k++) {
            error_clear();
            left = k;
            const int code = cases[i].try();
            left = INT_MAX;
            if (code != BPNET_ENOMEM || !*error_message())
                fail_msg("%s, allocation %d of %d: %d: %s", cases[i].name, k, n, code,
                         error_message());
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails_in_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
