/*
 * Engine files that are not what they were: cut, with bits changed, and with wrong plans behind
 * right checksums. What is refused says so, what is accepted runs (a sanitizer watches); and a run
 * allocates nothing (the linker's --wrap counts).
 */
#include "counted_allocations.h"
#include "deploy/engines.h"
#include "deploy/quantize.h"
#include "engine/plan.h"
#include "engine/plan_layout.h"
#include "io/container.h"
#include "nn/networks.h"

#include <limits.h>

enum { H = 24, W = 32, MUTANTS = 4000 };

/* ---- an engine with a step of every kind -------------------------------------------------- */

static struct node node_of(const char *name, enum op op, int input, int channels)
{
    struct node n = {.op = op,
                     .n_inputs = 1,
                     .inputs = {input},
                     .channels = channels,
                     .kernel = 3,
                     .stride = 1,
                     .dilation = 1,
                     .groups = 1,
                     .bias = true,
                     .epsilon = 1e-3F};
    snprintf(n.name, sizeof n.name, "%s", name);
    return n;
}

static int add_node(struct model *m, struct node n, int second)
{
    if (second >= 0)
        n.inputs[n.n_inputs++] = second;
    const int index = graph_add(&m->graph, &n);
    assert_true(index >= 0);
    return index;
}

static struct model *make_model(void)
{
    struct model *m = calloc(1, sizeof *m);
    struct rng rng = rng_stream(3, 0, 0);
    struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    m->spec_text = calloc(1, 1);
    add_node(m, input, -1);
    const int a = add_node(m, node_of("a", OP_CONV, 0, 8), -1);
    struct node relu = node_of("relu", OP_ACT, a, 8);
    relu.act = ACT_RELU;
    const int r = add_node(m, relu, -1);
    struct node pool = node_of("pool", OP_MAX_POOL, r, 8);
    pool.stride = 2;
    const int p = add_node(m, pool, -1);
    const int up = add_node(m, node_of("up", OP_UPSAMPLE2, p, 8), -1);
    const int sum = add_node(m, node_of("sum", OP_ADD, up, 8), r);
    const int average = add_node(m, node_of("average", OP_AVG_POOL, sum, 8), -1);
    const int norm = add_node(m, node_of("norm", OP_NORM, average, 8), -1);
    const int prelu = add_node(m, node_of("prelu", OP_PRELU, norm, 8), -1);
    struct node depthwise = node_of("depthwise", OP_CONV, prelu, 8);
    depthwise.groups = 8;
    const int d = add_node(m, depthwise, -1);
    struct node sigmoid = node_of("sigmoid", OP_ACT, d, 8);
    sigmoid.act = ACT_SIGMOID;
    const int s = add_node(m, sigmoid, -1);
    const int product = add_node(m, node_of("product", OP_MUL, s, 8), sum);
    struct node large = node_of("large", OP_RESIZE, p, 8);
    large.factor = 2;
    large.enlarge = ENLARGE_NEAREST;
    const int e = add_node(m, large, -1);
    const int all = add_node(m, node_of("all", OP_CONCAT, product, 16), e);
    const int z = add_node(m, node_of("z", OP_CONV, all, 5), -1);
    const int outputs[] = {z, sum};
    assert_int_equal(graph_set_outputs(&m->graph, outputs, 2), 0);
    if (graph_check(&m->graph) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(params_open(&m->params, &m->graph), 0);
    random_values(&m->params, &rng);
    set_normalisation(m);
    return m;
}

/* Bytes of an engine; in 8 bits with ranges that fit well enough. */
static uint8_t *make_engine(bool bytes, size_t *size)
{
    struct model *m = make_model();
    struct network net;
    struct ranges ranges = {0};
    uint8_t *file;
    const struct compile_options options = {
        .level = cpu_level_detect(), .no_timing = true, .precision = bytes ? "int8" : "fp32"};
    assert_int_equal(network_lower(&net, m, H, W), 0);
    for (int i = 0; i < net.n_tensors; i++)
        assert_int_equal(ranges_set(&ranges, net.tensors[i].name, 4.0F), 0);
    if (bytes && quantize(&net, &ranges, NULL) < 0)
        fail_msg("%s", error_message());
    if (compile_to_memory(&file, size, &net, &options) < 0)
        fail_msg("%s", error_message());
    ranges_free(&ranges);
    network_free(&net);
    model_free(m);
    return file;
}

static int open_bytes(const uint8_t *bytes, size_t size, struct engine **e)
{
    uint8_t *exact = aligned_alloc(64, (size + 63) / 64 * 64);
    memcpy(exact, bytes, size);
    const int err = engine_open_memory(e, exact, size, "it", cpu_level_detect());
    if (err < 0)
        free(exact);
    return err;
}

static void assert_refused(const uint8_t *bytes, size_t size)
{
    struct engine *e;
    uint8_t *exact = aligned_alloc(64, (size + 127) / 64 * 64);
    memcpy(exact, bytes, size);
    assert_int_equal(engine_open_memory(&e, exact, size, "it", cpu_level_detect()), BPNET_EFORMAT);
    assert_null(e);
    free(exact);
}

/* ---- damage ------------------------------------------------------------------------------ */

static void test_all_kinds(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        size_t size;
        bool seen[STEP_OPS] = {false};
        uint8_t *file = make_engine(bytes, &size);
        struct engine *e;
        assert_int_equal(engine_open_memory(&e, file, size, "it", cpu_level_detect()), 0);
        for (int i = 0; i < engine_info(e)->n_steps; i++)
            for (int k = 0; k < STEP_OPS; k++) {
                static const char *const names[STEP_OPS] = {
                    "conv",     "convert",  "add",       "mul",     "act",
                    "max_pool", "avg_pool", "upsample2", "enlarge", "prelu"};
                seen[k] |= strcmp(engine_step(e, i).kind, names[k]) == 0;
            }
        for (int k = 0; k < STEP_OPS; k++)
            assert_true(seen[k]);
        engine_close(e);
        free(file);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = make_engine(true, &size);
    for (size_t n = 0; n < size; n += n < 512 ? 1 : 97)
        assert_refused(file, n);
    free(file);
}

static void test_changed_bits(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = make_engine(true, &size);
    struct rng rng = rng_stream(1, 0, 0);
    for (int i = 0; i < 3000; i++) {
        const size_t at = (size_t)rng_integer(&rng, 0, (int64_t)size - 1);
        const uint8_t mask = (uint8_t)(1 << rng_integer(&rng, 0, 7));
        struct engine *e;
        file[at] = (uint8_t)(file[at] ^ mask);
        assert_true(open_bytes(file, size, &e) < 0);
        file[at] = (uint8_t)(file[at] ^ mask);
    }
    free(file);
}

/* ---- wrong plans ------------------------------------------------------------------------- */

/* An engine's two sections, the plan taken apart. */
struct parts {
    struct plan plan;
    const uint8_t *weights;
    size_t weights_size;
    struct container file;
    uint8_t *bytes;
};

static void parts_open(struct parts *p, bool bytes)
{
    size_t size, plan_size;
    const uint8_t *plan;
    p->bytes = make_engine(bytes, &size);
    assert_int_equal(container_open_memory(&p->file, p->bytes, size, "it", "engine"), 0);
    assert_int_equal(container_section(&p->file, "plan", &plan, &plan_size), 0);
    assert_int_equal(container_section(&p->file, "weights", &p->weights, &p->weights_size), 0);
    assert_int_equal(plan_read(&p->plan, plan, plan_size, "it"), 0);
}

static void parts_close(struct parts *p)
{
    plan_free(&p->plan);
    container_close(&p->file);
    free(p->bytes);
}

static int open_parts(const struct parts *p, struct engine **e, uint8_t **bytes)
{
    struct str plan = {0};
    size_t size;
    assert_int_equal(plan_write(&p->plan, &plan), 0);
    const struct section sections[2] = {{"plan", plan.text, plan.length},
                                        {"weights", p->weights, p->weights_size}};
    assert_int_equal(container_compose(bytes, &size, "engine", sections, 2), 0);
    str_free(&plan);
    return engine_open_memory(e, *bytes, size, "it", cpu_level_detect());
}

static void run_if_small(const struct engine *e)
{
    struct engine_context *c;
    const struct engine_info *info = engine_info(e);
    int64_t macs = 0;
    for (int i = 0; i < info->n_steps; i++)
        macs += engine_step(e, i).macs;
    if (info->workspace_bytes > (size_t)64 << 20 || macs > 50 * 1000 * 1000)
        return;
    uint8_t *pixels = random_pixels(info->input_h, info->input_w, 1);
    assert_int_equal(engine_context_open(&c, e, NULL), 0);
    engine_run(c, pixels);
    engine_context_close(c);
    free(pixels);
}

/* A telling number: near what is there, at the ends, or another one of the plan's own kind. */
static int32_t other_number(int32_t now, struct rng *rng)
{
    static const int32_t telling[] = {0, 1, -1, 2, 3, 64, 255, 256, INT_MAX, INT_MIN, 1 << 20};
    switch (rng_integer(rng, 0, 3)) {
    case 0: return now < INT_MAX ? now + 1 : now;
    case 1: return now > INT_MIN ? now - 1 : now;
    case 2: return telling[rng_integer(rng, 0, 10)];
    default: return (int32_t)rng_integer(rng, 0, 40);
    }
}

/* Change one number of one record. */
static void mutate(struct parts *p, struct rng *rng)
{
    const struct plan_head *h = &p->plan.head;
    const struct {
        enum plan_table table;
        void *records;
        int32_t n;
    } tables[] = {
        {PLAN_HEAD, &p->plan.head, 1},           {PLAN_MAPS, p->plan.maps, h->n_maps},
        {PLAN_MAPS, p->plan.maps, h->n_maps},    {PLAN_STEPS, p->plan.steps, h->n_steps},
        {PLAN_STEPS, p->plan.steps, h->n_steps}, {PLAN_OUTPUTS, p->plan.outputs, h->n_outputs}};
    const int t = (int)rng_integer(rng, 0, 5);
    const struct plan_record *record = &plan_records[tables[t].table];
    const size_t index = (size_t)rng_integer(rng, 0, tables[t].n - 1);
    const size_t words = record->struct_size / 4;
    /* the head's first seven numbers are counts: other tables would be needed */
    const size_t first = tables[t].table == PLAN_HEAD ? 7 : 0;
    const size_t word = (size_t)rng_integer(rng, (int64_t)first, (int64_t)words - 1);
    uint8_t *at = (uint8_t *)tables[t].records + index * record->struct_size + 4 * word;
    int32_t now;
    memcpy(&now, at, 4);
    now = other_number(now, rng);
    memcpy(at, &now, 4);
}

static void test_wrong_plans(void **state)
{
    (void)state;
    int n_accepted = 0, n_refused = 0;
    for (int bytes = 0; bytes < 2; bytes++) {
        struct parts p;
        parts_open(&p, bytes);
        for (uint64_t i = 0; i < MUTANTS; i++) {
            struct rng rng = rng_stream(77, i, (uint64_t)bytes);
            struct parts mutant = p;
            struct str text = {0};
            struct engine *e = NULL;
            uint8_t *file;
            assert_int_equal(plan_write(&p.plan, &text), 0);
            assert_int_equal(plan_read(&mutant.plan, (const uint8_t *)text.text, text.length, "it"),
                             0);
            for (int64_t k = rng_integer(&rng, 1, 2); k > 0; k--)
                mutate(&mutant, &rng);
            const int err = open_parts(&mutant, &e, &file);
            assert_int_equal(err == 0, e != NULL);
            assert_true(err == 0 || err == BPNET_EFORMAT || err == BPNET_EUNSUPPORTED);
            if (e)
                run_if_small(e);
            n_accepted += e != NULL;
            n_refused += e == NULL;
            engine_close(e);
            free(file);
            plan_free(&mutant.plan);
            str_free(&text);
        }
        parts_close(&p);
    }
    assert_true(n_accepted > 100);
    assert_true(n_refused > 1000);
}

/* One wrong thing at a time, and what is said about it. */
static void expect(struct parts *p, int code, const char *message)
{
    struct engine *e;
    uint8_t *file;
    assert_int_equal(open_parts(p, &e, &file), code);
    if (!strstr(error_message(), message))
        fail_msg("'%s' is not in: %s", message, error_message());
    free(file);
}

static void test_messages(void **state)
{
    (void)state;
    struct parts p;
    parts_open(&p, true);
    struct plan_step *const conv = &p.plan.steps[0];
    assert_int_equal(conv->op, STEP_CONV);
    const struct plan_step step = *conv;
    const struct plan_head head = p.plan.head;

    conv->inputs[0] = conv->output;
    expect(&p, BPNET_EFORMAT, "reads map");
    *conv = step;
    conv->inputs[0] = p.plan.steps[p.plan.head.n_steps - 1].output;
    expect(&p, BPNET_EFORMAT, "before all of it is written");
    *conv = step;
    conv->stream_size += 64;
    expect(&p, BPNET_EFORMAT, "the weights of");
    *conv = step;
    conv->bias = (int64_t)p.weights_size;
    expect(&p, BPNET_EFORMAT, "outside the constants");
    *conv = step;
    conv->low = 0.5F;
    expect(&p, BPNET_EFORMAT, "limits that its result cannot have");
    *conv = step;
    conv->kernel = p.plan.head.description;
    expect(&p, BPNET_EUNSUPPORTED, "needs the kernel ''");
    *conv = step;
    conv->op = STEP_OPS;
    expect(&p, BPNET_EUNSUPPORTED, "of kind 10");
    *conv = step;
    p.plan.head.version = 2;
    expect(&p, BPNET_EUNSUPPORTED, "plan version 2");
    p.plan.head = head;
    p.plan.head.memory = 64;
    expect(&p, BPNET_EFORMAT, "does not lie in the memory");
    p.plan.head = head;
    p.plan.head.memory = PLAN_MAX_MEMORY + 1;
    expect(&p, BPNET_EFORMAT, "its memory");
    p.plan.head = head;
    p.plan.head.heat_output = 0;
    expect(&p, BPNET_EFORMAT, "heatmaps are output 0");
    p.plan.head = head;
    p.plan.maps[conv->output].offset = p.plan.maps[p.plan.head.input].offset;
    expect(&p, BPNET_EFORMAT, "overlap in memory and in time");
    parts_close(&p);
}

/* An engine for a better CPU says what it was built for. */
static void test_level(void **state)
{
    (void)state;
    size_t size;
    struct engine *e;
    uint8_t *file = make_engine(true, &size);
    if (cpu_level_detect() == CPU_REF) {
        free(file);
        skip();
    }
    assert_int_equal(engine_open_memory(&e, file, size, "it", CPU_REF), BPNET_EUNSUPPORTED);
    assert_non_null(strstr(error_message(), "this CPU has ref; rebuild it"));
    free(file);
}

/* ---- allocations ------------------------------------------------------------------------- */

static void test_no_allocation(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        struct machine m = {0};
        uint8_t *pixels = random_pixels(H, W, 1);
        m.bytes = make_engine(bytes, &m.size);
        assert_int_equal(workers_open(&m.workers, 2), 0);
        assert_int_equal(engine_open_memory(&m.engine, m.bytes, m.size, "it", cpu_level_detect()),
                         0);
        assert_int_equal(engine_context_open(&m.context, m.engine, m.workers), 0);
        engine_run(m.context, pixels);
        const int before = n_allocations;
        assert_true(before > 0);
        for (int i = 0; i < 5; i++)
            engine_run(m.context, pixels);
        assert_int_equal(n_allocations, before);
        machine_close(&m);
        free(pixels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bits),  cmocka_unit_test(test_wrong_plans),
        cmocka_unit_test(test_messages),      cmocka_unit_test(test_level),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
