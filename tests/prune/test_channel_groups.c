/* Which layers stand and fall together, on networks drawn by hand. */
#include "nets.h"
#include "prune/channel_groups.h"

static struct channel_groups s;

static void find(struct model *m, int excluded)
{
    bool out[64] = {false};
    if (excluded >= 0)
        out[excluded] = true;
    assert_int_equal(channel_groups_find(&s, &m->graph, out), 0);
}

static void done(struct model *m)
{
    channel_groups_free(&s);
    net_close(m);
}

static void check_whole(int node, enum whole_reason reason)
{
    assert_int_equal(s.list[s.of[node]].whole, reason);
}

/* a -> norm -> relu -> pool-less chain -> out */
static void test_chain(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m), a = net_conv(&m, "a", input, 16, false);
    const int norm = net_norm(&m, "norm", a), relu = net_relu(&m, "relu", norm);
    const int b = net_conv(&m, "b", relu, 24, true), out = net_conv(&m, "out", b, 5, true);
    net_finish(&m, out);
    find(&m, -1);
    assert_int_equal(s.n, 4); /* input; a, norm, relu; b; out */
    assert_int_equal(s.of[a], s.of[norm]);
    assert_int_equal(s.of[a], s.of[relu]);
    assert_int_not_equal(s.of[a], s.of[b]);
    assert_int_equal(s.list[s.of[a]].channels, 16);
    check_whole(input, WHOLE_INPUT);
    check_whole(a, WHOLE_NOT);
    check_whole(b, WHOLE_NOT);
    check_whole(out, WHOLE_OUTPUT);
    done(&m);
}

/* Two residual sums in a row share the first layer: a, c and e are one group, b and d stand alone.
 */
static int residual(struct model *m, int out[6])
{
    const int input = net_input(m);
    const int a = net_conv(m, "a", input, 16, false), relu = net_relu(m, "a_relu", a);
    const int b = net_conv(m, "b", relu, 8, false), c = net_conv(m, "c", b, 16, false);
    const int sum = net_join(m, OP_ADD, "sum1", relu, c), top = net_relu(m, "top", sum);
    const int d = net_conv(m, "d", top, 8, false), e = net_conv(m, "e", d, 16, false);
    const int sum2 = net_join(m, OP_ADD, "sum2", e, top);
    const int last = net_conv(m, "last", sum2, 4, true);
    const int nodes[6] = {a, b, c, d, e, sum2};
    memcpy(out, nodes, sizeof nodes);
    net_finish(m, last);
    return last;
}

static void test_sums_are_transitive(void **state)
{
    (void)state;
    struct model m = {0};
    int n[6];
    residual(&m, n);
    find(&m, -1);
    assert_int_equal(s.of[n[0]], s.of[n[2]]);
    assert_int_equal(s.of[n[0]], s.of[n[4]]);
    assert_int_equal(s.of[n[0]], s.of[n[5]]);
    assert_int_not_equal(s.of[n[1]], s.of[n[0]]);
    assert_int_not_equal(s.of[n[3]], s.of[n[1]]);
    check_whole(n[0], WHOLE_NOT);
    done(&m);
}

/* One excluded member, far away, keeps all of them. */
static void test_excluded_member_keeps_all(void **state)
{
    (void)state;
    struct model m = {0};
    int n[6];
    residual(&m, n);
    find(&m, n[4]);
    check_whole(n[0], WHOLE_EXCLUDED);
    check_whole(n[2], WHOLE_EXCLUDED);
    check_whole(n[1], WHOLE_NOT);
    check_whole(n[3], WHOLE_NOT);
    done(&m);
}

/* Attention: a map times weights that are made of it (spec 6.3). */
static void test_product(void **state)
{
    (void)state;
    struct model m = {0};
    const int a = net_conv(&m, "a", net_input(&m), 8, true), relu = net_relu(&m, "relu", a);
    const int w = net_conv(&m, "w", relu, 8, true);
    const int product = net_join(&m, OP_MUL, "product", relu, w);
    net_finish(&m, net_conv(&m, "out", product, 2, true));
    find(&m, -1);
    assert_int_equal(s.of[a], s.of[w]);
    assert_int_equal(s.of[a], s.of[product]);
    check_whole(a, WHOLE_NOT);
    done(&m);
}

/* An output that is a sum: the layers that make it stay whole. */
static void test_output_of_sum(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m), x = net_conv(&m, "x", input, 8, true);
    const int a = net_conv(&m, "a", x, 4, true), b = net_conv(&m, "b", x, 4, true);
    net_finish(&m, net_join(&m, OP_ADD, "sum", a, b));
    find(&m, -1);
    check_whole(a, WHOLE_OUTPUT);
    check_whole(b, WHOLE_OUTPUT);
    check_whole(x, WHOLE_NOT);
    done(&m);
}

/* A concatenation follows; those who read it may be pruned, and so may those it is made of. */
static void test_concat_follows(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m);
    const int a = net_conv(&m, "a", input, 8, true), b = net_conv(&m, "b", input, 4, true);
    const int both = net_join(&m, OP_CONCAT, "both", a, b), norm = net_norm(&m, "norm", both);
    net_finish(&m, net_conv(&m, "out", norm, 2, true));
    find(&m, -1);
    check_whole(a, WHOLE_NOT);
    check_whole(b, WHOLE_NOT);
    check_whole(both, WHOLE_NOT);
    assert_true(s.list[s.of[both]].lined);
    assert_int_equal(s.of[both], s.of[norm]);
    assert_false(s.list[s.of[a]].lined);
    done(&m);
}

/* Added to something else, it cannot: neither it, nor its parts, nor the other. */
static void test_concat_joined(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m);
    const int a = net_conv(&m, "a", input, 8, true), b = net_conv(&m, "b", input, 4, true);
    const int inner = net_join(&m, OP_CONCAT, "inner", a, a);
    const int outer = net_join(&m, OP_CONCAT, "outer", inner, b);
    const int other = net_conv(&m, "other", input, 20, true);
    const int free_one = net_conv(&m, "free", input, 20, true);
    const int sum = net_join(&m, OP_ADD, "sum", outer, other);
    net_finish(&m, net_conv(&m, "out", net_join(&m, OP_CONCAT, "end", sum, free_one), 2, true));
    find(&m, -1);
    check_whole(a, WHOLE_JOINED);
    check_whole(b, WHOLE_JOINED);
    check_whole(inner, WHOLE_JOINED);
    check_whole(other, WHOLE_JOINED);
    check_whole(free_one, WHOLE_NOT);
    done(&m);
}

/* Whatever is added to the picture has the picture's channels. */
static void test_picture_joined(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m), a = net_conv(&m, "a", input, 3, true);
    net_finish(&m, net_conv(&m, "out", net_join(&m, OP_ADD, "sum", a, input), 2, true));
    find(&m, -1);
    check_whole(a, WHOLE_INPUT);
    done(&m);
}

static int add_grouped(struct model *m, const char *name, int input, int channels, int groups)
{
    const int index = net_conv(m, name, input, channels, false);
    m->graph.nodes[index].groups = groups;
    return index;
}

/* A depthwise convolution goes with what it reads; it is a member that is scored. */
static void test_depthwise(void **state)
{
    (void)state;
    struct model m = {0};
    const int a = net_conv(&m, "a", net_input(&m), 8, false), relu = net_relu(&m, "relu", a);
    const int depth = add_grouped(&m, "depth", relu, 8, 8), norm = net_norm(&m, "norm", depth);
    net_finish(&m, net_conv(&m, "out", norm, 2, true));
    find(&m, -1);
    assert_int_equal(s.of[a], s.of[depth]);
    assert_int_equal(s.of[a], s.of[norm]);
    check_whole(a, WHOLE_NOT);
    assert_true(node_is_scored(&m.graph.nodes[depth]));
    assert_int_equal(node_relation(&m.graph, &m.graph.nodes[depth]), CHANNELS_PASSED);
    done(&m);
}

/* Any other groups must stay what they are, and so must what they read. */
static void test_grouped(void **state)
{
    (void)state;
    struct model m = {0};
    const int a = net_conv(&m, "a", net_input(&m), 8, false);
    const int halves = add_grouped(&m, "halves", a, 8, 2);
    const int b = net_conv(&m, "b", halves, 8, false);
    const int twice = add_grouped(&m, "twice", b, 16, 8); /* two filters a channel */
    const int c = net_conv(&m, "c", twice, 8, false);
    net_finish(&m, net_conv(&m, "out", c, 2, true));
    find(&m, -1);
    check_whole(a, WHOLE_GROUPED);
    check_whole(halves, WHOLE_GROUPED);
    check_whole(b, WHOLE_GROUPED);
    check_whole(twice, WHOLE_GROUPED);
    check_whole(c, WHOLE_NOT);
    assert_int_not_equal(s.of[b], s.of[twice]);
    done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),         cmocka_unit_test(test_sums_are_transitive),
        cmocka_unit_test(test_product),       cmocka_unit_test(test_excluded_member_keeps_all),
        cmocka_unit_test(test_output_of_sum), cmocka_unit_test(test_concat_follows),
        cmocka_unit_test(test_depthwise),     cmocka_unit_test(test_grouped),
        cmocka_unit_test(test_concat_joined), cmocka_unit_test(test_picture_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
