/* Graphs that are none, the padding rule, sizes, costs; and the plan of memory. */
#include "base/error.h"
#include "base/rng.h"
#include "nn/graph.h"
#include "nn/memplan.h"
#include "nn/op.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int add(struct graph *g, struct node n, const char *name)
{
    snprintf(n.name, sizeof n.name, "%s", name);
    const int index = graph_add(g, &n);
    assert_true(index >= 0);
    return index;
}

static struct node conv_of(int input, int channels)
{
    return (struct node){.op = OP_CONV,
                         .n_inputs = 1,
                         .inputs = {input},
                         .channels = channels,
                         .kernel = 3,
                         .stride = 1,
                         .dilation = 1};
}

/* One node of every kind. */
static void build(struct graph *g)
{
    *g = (struct graph){0};
    add(g, (struct node){.op = OP_INPUT, .channels = 3}, "input");
    add(g, conv_of(0, 8), "conv");
    add(g,
        (struct node){.op = OP_NORM,
                      .n_inputs = 1,
                      .inputs = {1},
                      .channels = 8,
                      .epsilon = 1e-3F,
                      .momentum = 0.9F},
        "norm");
    add(g,
        (struct node){.op = OP_ACT, .n_inputs = 1, .inputs = {2}, .channels = 8, .act = ACT_TANH},
        "act");
    add(g, (struct node){.op = OP_ADD, .n_inputs = 2, .inputs = {2, 3}, .channels = 8}, "add");
    add(g, (struct node){.op = OP_MUL, .n_inputs = 2, .inputs = {2, 4}, .channels = 8}, "mul");
    add(g, (struct node){.op = OP_CONCAT, .n_inputs = 3, .inputs = {0, 3, 5}, .channels = 19},
        "concat");
    add(g,
        (struct node){.op = OP_MAX_POOL,
                      .n_inputs = 1,
                      .inputs = {6},
                      .channels = 19,
                      .kernel = 2,
                      .stride = 2,
                      .dilation = 1},
        "pool");
    add(g, (struct node){.op = OP_UPSAMPLE2, .n_inputs = 2, .inputs = {7, 6}, .channels = 19},
        "up");
    assert_int_equal(graph_set_outputs(g, (int[]){8, 4}, 2), 0);
}

static void test_good(void **state)
{
    (void)state;
    struct graph g;
    int hw[9][2];
    build(&g);
    assert_int_equal(graph_check(&g), 0);
    assert_int_equal(graph_infer(&g, 5, 8, hw), 0);
    assert_int_equal(hw[7][0], 3);
    assert_int_equal(hw[7][1], 4);
    assert_int_equal(hw[8][0], 5);
    assert_int_equal(hw[8][1], 8);
    int64_t macs[9];
    assert_int_equal(graph_macs(&g, 5, 8, macs), 9 * 3 * 8 * 40);
    assert_int_equal(macs[1], 9 * 3 * 8 * 40);
    assert_int_equal(macs[8], 0);
    assert_int_equal(graph_find(&g, "pool"), 7);
    assert_int_equal(graph_find(&g, "poo"), -1);
    graph_free(&g);
}

static void expect(struct graph *g, const char *sentence)
{
    assert_int_equal(graph_check(g), BPNET_EFORMAT);
    if (!strstr(error_message(), sentence))
        fail_msg("'%s' does not say '%s'", error_message(), sentence);
    graph_free(g);
    build(g);
}

static void test_refusals(void **state)
{
    (void)state;
    struct graph g;
    build(&g);
    g.nodes[3].op = OP_COUNT;
    expect(&g, "node 3: its operation is unknown");
    g.nodes[1].op = OP_INPUT;
    expect(&g, "node 1: the first node, and no other, must be the input");
    g.nodes[0].op = OP_ACT;
    expect(&g, "node 0: the first node");
    g.nodes[1].channels = 0;
    expect(&g, "node 1: found 0 channels");
    g.nodes[1].channels = GRAPH_MAX_CHANNELS + 1;
    expect(&g, "channels, expected 1 to");
    g.nodes[5].name[0] = '\0';
    expect(&g, "node 5: its name is empty");
    memset(g.nodes[5].name, 'x', GRAPH_NAME_SIZE);
    expect(&g, "node 5: its name is empty or longer than 63 bytes");
    snprintf(g.nodes[5].name, GRAPH_NAME_SIZE, "conv");
    expect(&g, "node 5: 'conv' names an earlier node, too");
    g.nodes[4].n_inputs = 1;
    expect(&g, "node 'add': found 1 inputs, add takes 2 to 2");
    g.nodes[6].n_inputs = GRAPH_MAX_INPUTS + 1;
    expect(&g, "concat takes 2 to 8");
    g.nodes[4].inputs[1] = 4;
    expect(&g, "node 'add': input 1 is node 4, expected one of the 4 before it");
    g.nodes[4].inputs[0] = -1;
    expect(&g, "input 0 is node -1");
    g.nodes[1].kernel = GRAPH_MAX_KERNEL + 1;
    expect(&g, "node 'conv': kernel 32, stride 1");
    g.nodes[1].stride = 0;
    expect(&g, "stride 0");
    g.nodes[1].dilation = GRAPH_MAX_DILATION + 1;
    expect(&g, "dilation 17");
    g.nodes[2].epsilon = 0.0F;
    expect(&g, "node 'norm': epsilon 0");
    g.nodes[2].momentum = NAN;
    expect(&g, "momentum nan");
    g.nodes[2].channels = 7;
    expect(&g, "node 'norm': 7 channels, its input has 8");
    g.nodes[3].act = ACT_NONE;
    expect(&g, "node 'act': its activation is unknown");
    g.nodes[3].act = ACT_COUNT;
    expect(&g, "node 'act': its activation is unknown");
    g.nodes[4].inputs[0] = 0;
    expect(&g, "node 'add': 8 channels, its input 'input' has 3");
    g.nodes[6].channels = 18;
    expect(&g, "node 'concat': 18 channels, its inputs have 19 together");
    g.nodes[1].groups = 2;
    expect(&g, "node 'conv': 2 groups do not divide its 3 inputs and 8 outputs");
    g.nodes[1].padding = PAD_COUNT;
    expect(&g, "node 'conv': its kind of padding is unknown");
    g.nodes[1].padding = PAD_GIVEN;
    g.nodes[1].pad[2] = 3;
    expect(&g, "node 'conv': padding 3, expected 0 to 2, within the kernel's reach");
    g.nodes[7].dilation = 2;
    expect(&g, "node 'pool': dilation 2; a pooling has 1");
    g.nodes[8].channels = 1;
    expect(&g, "node 'up': 1 channels, its input 'pool' has 19");
    g.outputs[1] = 0;
    expect(&g, "output 1 is node 0, expected one of 1 to 8");
    g.outputs[1] = 9;
    expect(&g, "output 1 is node 9");
    g.outputs[1] = 8;
    expect(&g, "outputs 0 and 1 are the same node");
    g.n_outputs = 0;
    expect(&g, "found 0 outputs");
    graph_free(&g);
}

static void test_sizes(void **state)
{
    (void)state;
    struct graph g;
    int hw[9][2];
    build(&g);
    assert_int_equal(graph_infer(&g, 0, 8, hw), BPNET_EUSAGE);
    assert_int_equal(graph_infer(&g, 8, GRAPH_MAX_SIZE + 1, hw), BPNET_EUSAGE);
    g.nodes[1].stride = 2;
    assert_int_equal(graph_infer(&g, 8, 8, hw), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "'concat' joins 'input' of 8 x 8 and 'act' of 4 x 4"));
    g.nodes[1].stride = 1;
    g.nodes[7].stride = 4;
    assert_int_equal(graph_infer(&g, 8, 8, hw), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "'pool' of 2 x 2 cannot become 8 x 8 like 'concat'"));
    graph_free(&g);
}

static void test_node_limit(void **state)
{
    (void)state;
    struct graph g = {0};
    struct node n = {.op = OP_INPUT, .channels = 1};
    for (int i = 0; i < GRAPH_MAX_NODES; i++)
        assert_int_equal(graph_add(&g, &n), i);
    assert_int_equal(graph_add(&g, &n), BPNET_ELIMIT);
    graph_free(&g);
}

/* Spec 6.1: 3x3 stride 2 on an even size pads 0 before, on an odd one 1; 7x7 stride 1 pads 3. */
static void test_padding(void **state)
{
    (void)state;
    static const struct {
        int size, kernel, stride, dilation, out, before;
    } rows[] = {
        {8, 3, 2, 1, 4, 0}, {9, 3, 2, 1, 5, 1}, {8, 3, 1, 1, 8, 1}, {8, 7, 1, 1, 8, 3},
        {8, 3, 1, 2, 8, 2}, {1, 3, 2, 1, 1, 1}, {8, 1, 2, 1, 4, 0}, {8, 2, 1, 1, 8, 0},
        {8, 4, 1, 1, 8, 1}, {7, 7, 2, 1, 4, 3}, {8, 7, 2, 1, 4, 2}, {5, 1, 3, 1, 2, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct node n = {
            .kernel = rows[i].kernel, .stride = rows[i].stride, .dilation = rows[i].dilation};
        const struct window w = node_window(&n, (const int[2]){rows[i].size, 8});
        assert_int_equal(w.out[0], rows[i].out);
        assert_int_equal(w.pad[0], rows[i].before);
    }
}

/* An odd zero in front; zeros as given; a window that does not fit. */
static void test_other_paddings(void **state)
{
    (void)state;
    struct node n = {.kernel = 3, .stride = 2, .dilation = 1, .padding = PAD_SAME_LOWER};
    struct window w = node_window(&n, (const int[2]){8, 9});
    assert_int_equal(w.out[0], 4);
    assert_int_equal(w.pad[0], 1);
    assert_int_equal(w.out[1], 5);
    assert_int_equal(w.pad[1], 1);
    n.padding = PAD_GIVEN;
    memcpy(n.pad, (const int[4]){1, 0, 0, 2}, sizeof n.pad);
    w = node_window(&n, (const int[2]){8, 9});
    assert_int_equal(w.out[0], 4);
    assert_int_equal(w.pad[0], 1);
    assert_int_equal(w.out[1], 5);
    assert_int_equal(w.pad[1], 0);
    n.dilation = 5;
    w = node_window(&n, (const int[2]){8, 9});
    assert_int_equal(w.out[0], 0);
    assert_int_equal(w.out[1], 1);
}

/* ---- memory ------------------------------------------------------------------------------ */

static bool meet(const struct buffer *a, const struct buffer *b)
{
    return a->begin <= b->end && b->begin <= a->end && a->offset < b->offset + b->size &&
           b->offset < a->offset + a->size;
}

/* The most that is alive at one moment: no plan can take less. */
static size_t least(const struct memplan *p, int moments)
{
    size_t most = 0;
    for (int t = 0; t < moments; t++) {
        size_t sum = 0;
        for (int i = 0; i < p->n; i++)
            if (p->buffers[i].begin <= t && t <= p->buffers[i].end)
                sum += p->buffers[i].size;
        most = sum > most ? sum : most;
    }
    return most;
}

static void test_memplan(void **state)
{
    (void)state;
    enum { MOMENTS = 30 };
    double waste = 0.0;
    struct memplan plan = {0};
    for (uint64_t round = 0; round < 100; round++) {
        struct rng rng = rng_stream(3, round, 0);
        size_t total;
        memplan_reset(&plan);
        const int n = (int)rng_integer(&rng, 1, 60);
        for (int i = 0; i < n; i++) {
            const int begin = (int)rng_integer(&rng, 0, MOMENTS - 1);
            const int index = memplan_add(&plan, 64 * (size_t)rng_integer(&rng, 1, 50), begin);
            assert_int_equal(index, i);
            memplan_use(&plan, i, begin + (int)rng_integer(&rng, 0, 5));
            memplan_use(&plan, i, begin - (int)rng_integer(&rng, 0, 1));
        }
        assert_int_equal(memplan_solve(&plan, &total), 0);
        for (int i = 0; i < n; i++) {
            const struct buffer *b = &plan.buffers[i];
            assert_int_equal(b->offset % 64, 0);
            assert_true(b->offset + b->size <= total);
            for (int k = 0; k < i; k++)
                assert_false(meet(b, &plan.buffers[k]));
        }
        const size_t bound = least(&plan, MOMENTS + 6);
        assert_true(total >= bound);
        waste += (double)(total - bound) / (double)bound;
    }
    assert_true(waste / 100 < 0.1); /* a tenth at most is lost to gaps */
    memplan_free(&plan);
}

/* A chain: at any moment two buffers, so two places are enough. */
static void test_memplan_chain(void **state)
{
    (void)state;
    struct memplan plan = {0};
    size_t total;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(memplan_add(&plan, 1000, i), i);
        memplan_use(&plan, i, i + 1);
    }
    assert_int_equal(memplan_solve(&plan, &total), 0);
    assert_int_equal(total, 2048);
    memplan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_other_paddings),
        cmocka_unit_test(test_memplan), cmocka_unit_test(test_memplan_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
